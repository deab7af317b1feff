//! The authority's certificate as a configuration profile for devices by Apple, which then lead people through installing it.

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::tls::Authority;

/// The profile, as XML. Installing it again replaces what is there.
pub(super) fn of(authority: &Authority, place: &str) -> String {
    let (name, place) = (escaped(&authority.name), escaped(place));
    let certificate = BASE64.encode(&authority.certificate);
    let (profile_id, certificate_id) = (uuid(b"profile", authority), uuid(b"certificate", authority));
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>PayloadContent</key>
	<array>
		<dict>
			<key>PayloadCertificateFileName</key>
			<string>hearth-ca.crt</string>
			<key>PayloadContent</key>
			<data>{certificate}</data>
			<key>PayloadDescription</key>
			<string>Vouches for the certificate of {place}.</string>
			<key>PayloadDisplayName</key>
			<string>{name}</string>
			<key>PayloadIdentifier</key>
			<string>hearth.authority.{certificate_id}</string>
			<key>PayloadType</key>
			<string>com.apple.security.root</string>
			<key>PayloadUUID</key>
			<string>{certificate_id}</string>
			<key>PayloadVersion</key>
			<integer>1</integer>
		</dict>
	</array>
	<key>PayloadDescription</key>
	<string>Lets this device trust {place}. Compare the fingerprint before you install it.</string>
	<key>PayloadDisplayName</key>
	<string>{name}</string>
	<key>PayloadIdentifier</key>
	<string>hearth.trust.{profile_id}</string>
	<key>PayloadRemovalDisallowed</key>
	<false/>
	<key>PayloadType</key>
	<string>Configuration</string>
	<key>PayloadUUID</key>
	<string>{profile_id}</string>
	<key>PayloadVersion</key>
	<integer>1</integer>
</dict>
</plist>
"#
    )
}

/// Text between the tags of XML. What is no character there is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars().filter(|character| !character.is_control()) {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The same for the same authority each time, so that a device knows what it has already (RFC 9562, version 8).
fn uuid(what: &[u8], authority: &Authority) -> String {
    let hash = Sha256::new().chain_update(what).chain_update(&authority.certificate).finalize();
    let mut bytes: [u8; 16] = std::array::from_fn(|i| hash[i]);
    bytes[6] = 0x80 | bytes[6] & 0x0F;
    bytes[8] = 0x80 | bytes[8] & 0x3F;
    let hex = |range: std::ops::Range<usize>| bytes[range].iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    [hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::tls::LocalCa;

    fn authority() -> Authority {
        let dir = tempfile::tempdir().unwrap();
        LocalCa::open(dir.path(), Timestamp::now()).unwrap().authority().clone()
    }

    #[test]
    fn a_name_with_markup_stays_text() {
        let profile = of(&authority(), "Tea & <b>Biscuits</b>\u{7}");
        assert!(profile.contains("Lets this device trust Tea &amp; &lt;b&gt;Biscuits&lt;/b&gt;."), "{profile}");
    }

    #[test]
    fn each_authority_has_identifiers_of_its_own_that_stay() {
        let (one, other) = (authority(), authority());
        let id = |authority: &Authority| uuid(b"profile", authority);
        assert_eq!(id(&one), id(&one));
        assert!(id(&one) != id(&other) && id(&one) != uuid(b"certificate", &one));
        let groups: Vec<usize> = id(&one).split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12]);
        assert!(id(&one)[14..].starts_with('8'), "{}", id(&one));
    }
}
