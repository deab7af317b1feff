//! The authority and its certificates on disk, over time, and damaged in every way.

use super::*;

/// 2027-01-01, and so many days later.
fn day(number: u32) -> Timestamp {
    Timestamp::from_millis(1_798_761_600_000).plus(DAY.saturating_mul(number))
}

fn open(dir: &Path, now: Timestamp) -> LocalCa {
    LocalCa::open(dir, now).unwrap()
}

fn ca_fingerprint(dir: &Path, now: Timestamp) -> String {
    open(dir, now).authority().fingerprint()
}

fn identity(dir: &Path, now: Timestamp) -> Identity {
    open(dir, now).identity(&Names::loopback(), now).unwrap()
}

#[test]
fn a_second_start_uses_the_same_authority_and_the_same_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, first) = (ca_fingerprint(dir.path(), day(0)), identity(dir.path(), day(0)));
    assert_eq!(identity(dir.path(), day(50)).fingerprint(), first.fingerprint());
    assert_eq!(ca_fingerprint(dir.path(), day(50)), ca);
    assert_ne!(ca, first.fingerprint());
}

#[test]
fn the_certificate_is_good_for_a_quarter_of_a_year_for_servers_only_and_comes_with_its_authority() {
    let dir = tempfile::tempdir().unwrap();
    let ca = open(dir.path(), day(0));
    let identity = ca.identity(&Names::loopback(), day(0)).unwrap();
    assert_eq!(identity.names(), ["127.0.0.1", "::1", "localhost"]);
    assert_eq!((identity.not_before(), identity.not_after()), (backdated(day(0)), day(89)));
    let chain = identity.certified_key().cert.clone();
    assert_eq!(chain.len(), 2);
    assert_eq!(&chain[1], &ca.authority().certificate);
    let parsed = parse(&chain[0]).unwrap();
    assert!(!parsed.is_ca());
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth && !usage.any);
    let kept =
        Identity::from_pem(&fs::read(dir.path().join("cert.pem")).unwrap(), &fs::read(dir.path().join("key.pem")).unwrap());
    assert_eq!(kept.unwrap().certified_key().cert, chain, "the files hold what is served");
}

#[test]
fn the_authority_may_sign_servers_but_no_other_authorities_and_is_found_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let ca = open(dir.path(), day(0));
    let parsed = parse(&ca.authority.certificate).unwrap();
    let constraints = parsed.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca && constraints.value.path_len_constraint == Some(0));
    let usage = parsed.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign() && !usage.value.digital_signature());
    assert_eq!(ca.not_before, CA_NOT_BEFORE);
    assert_eq!(ca.authority.not_after, day(0).plus(CA_LIFETIME));
    assert!(ca.authority().name.starts_with("Hearth "), "{}", ca.authority().name);
    assert_eq!(Some(ca.authority().name.as_str()), parsed.subject().iter_common_name().next().map(|name| name.as_str().unwrap()));
    assert!(ca.authority().name.len() <= 64, "X.509 allows no more");
    let pem = ca.authority().pem();
    assert_eq!(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap(), ca.authority().certificate);
    assert_eq!(fs::read_to_string(dir.path().join("ca.pem")).unwrap(), pem);
}

#[cfg(unix)]
mod permissions {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn f1_only_this_user_may_read_the_keys() {
        let dir = tempfile::tempdir().unwrap();
        let tls = dir.path().join("data/tls");
        let (ca, first) = (ca_fingerprint(&tls, day(0)), identity(&tls, day(0)));
        assert_eq!(mode(&tls), 0o700);
        for file in ["ca-key.pem", "key.pem", "ca.pem", "cert.pem"] {
            assert_eq!(mode(&tls.join(file)), 0o600, "{file}");
        }

        fs::set_permissions(tls.join("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
        let second = identity(&tls, day(0));
        assert_ne!(second.fingerprint(), first.fingerprint(), "a key that others could read is not used again");
        assert_eq!((mode(&tls.join("key.pem")), ca_fingerprint(&tls, day(0))), (0o600, ca.clone()));

        fs::set_permissions(tls.join("ca-key.pem"), fs::Permissions::from_mode(0o640)).unwrap();
        assert_ne!(ca_fingerprint(&tls, day(0)), ca);
        assert_eq!(mode(&tls.join("ca-key.pem")), 0o600);
    }
}

/// A directory in which one file holds something else than it did, or is gone.
struct Damaged {
    dir: tempfile::TempDir,
    file: &'static str,
    content: Option<&'static str>,
    /// The authority and the certificate of before.
    ca: String,
    first: Identity,
}

fn damaged(files: [&'static str; 2]) -> impl Iterator<Item = Damaged> {
    let contents = [None, Some(""), Some("-----BEGIN CERTIFICATE-----\nAAAA"), Some("{}")];
    files.into_iter().flat_map(move |file| contents.map(|content| (file, content))).map(|(file, content)| {
        let dir = tempfile::tempdir().unwrap();
        let (ca, first) = (ca_fingerprint(dir.path(), day(0)), identity(dir.path(), day(0)));
        let path = dir.path().join(file);
        match content {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        Damaged { dir, file, content, ca, first }
    })
}

#[test]
fn r28_a_damaged_or_missing_certificate_is_made_anew_by_the_same_authority() {
    for Damaged { dir, file, content, ca, first } in damaged(["cert.pem", "key.pem"]) {
        let second = identity(dir.path(), day(0));
        assert_ne!(second.fingerprint(), first.fingerprint(), "{file} with {content:?} was taken for good");
        assert_eq!(identity(dir.path(), day(0)).fingerprint(), second.fingerprint(), "the new one lasts");
        assert_eq!(ca_fingerprint(dir.path(), day(0)), ca);
    }
}

#[test]
fn r28_a_damaged_authority_is_made_anew_set_aside_and_never_an_error() {
    for Damaged { dir, file, content, ca, first } in damaged(["ca.pem", "ca-key.pem"]) {
        let again = ca_fingerprint(dir.path(), day(0));
        assert_ne!(again, ca, "{file} with {content:?} was taken for good");
        assert_eq!(ca_fingerprint(dir.path(), day(0)), again, "the new one lasts");
        assert_ne!(identity(dir.path(), day(0)).fingerprint(), first.fingerprint(), "the old one's certificate is not used");
        let aside = dir.path().join(format!("{file}.unusable"));
        assert_eq!(fs::read_to_string(aside).ok().as_deref(), content);
    }
}

#[test]
fn files_of_two_authorities_are_not_mixed() {
    for file in ["ca.pem", "ca-key.pem", "cert.pem", "key.pem"] {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (first, second) = (identity(one.path(), day(0)), identity(other.path(), day(0)));
        fs::copy(other.path().join(file), one.path().join(file)).unwrap();
        let third = identity(one.path(), day(0));
        assert!(
            third.fingerprint() != first.fingerprint() && third.fingerprint() != second.fingerprint(),
            "a foreign {file} was taken"
        );
    }
    // Both at once are a pair, and still none of this authority's.
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ca, _) = (ca_fingerprint(one.path(), day(0)), identity(one.path(), day(0)));
    let foreign = identity(other.path(), day(0));
    for file in ["cert.pem", "key.pem"] {
        fs::copy(other.path().join(file), one.path().join(file)).unwrap();
    }
    assert_ne!(identity(one.path(), day(0)).fingerprint(), foreign.fingerprint());
    assert_eq!(ca_fingerprint(one.path(), day(0)), ca);
}

#[test]
fn the_self_signed_certificate_of_an_earlier_version_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(Names::loopback().iter().map(String::from).collect::<Vec<_>>()).unwrap();
    (parameters.not_before, parameters.not_after) = (calendar(day(0)), calendar(day(90)));
    let old = parameters.self_signed(&key).unwrap();
    files::write_private(&dir.path().join("key.pem"), key.serialize_pem().as_bytes()).unwrap();
    fs::write(dir.path().join("cert.pem"), old.pem()).unwrap();
    fs::write(dir.path().join("meta.json"), "{}").unwrap();
    let identity = identity(dir.path(), day(1));
    assert_ne!(identity.fingerprint(), fingerprint(old.der()));
    assert!(!dir.path().join("meta.json").exists());
}

#[test]
fn a_certificate_is_made_anew_with_a_third_of_its_life_left() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, first) = (ca_fingerprint(dir.path(), day(0)), identity(dir.path(), day(0)));
    assert_eq!(identity(dir.path(), day(58)).fingerprint(), first.fingerprint());
    let second = identity(dir.path(), day(59));
    assert_ne!(second.fingerprint(), first.fingerprint());
    assert_eq!(second.not_after(), day(59 + 89));
    assert_eq!(ca_fingerprint(dir.path(), day(59)), ca);
}

#[test]
fn a_new_name_leads_to_a_new_certificate_and_a_dropped_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let first = identity(dir.path(), day(0));
    let mut more = Names::loopback();
    assert!(more.add("meet.example.org") && more.add("192.0.2.7"));
    let second = open(dir.path(), day(0)).identity(&more, day(0)).unwrap();
    assert_ne!(second.fingerprint(), first.fingerprint());
    assert!(second.is_good_for("meet.example.org") && second.is_good_for("192.0.2.7"));
    assert_eq!(identity(dir.path(), day(0)).fingerprint(), second.fingerprint());
}

#[test]
fn r13_no_clock_makes_another_authority_and_clients_whose_clock_is_right_go_on() {
    let right = day(400);
    let years = |number: u32| DAY.saturating_mul(365 * number);
    let back = |by: Duration| Timestamp::from_millis(right.as_millis().saturating_sub(u64::try_from(by.as_millis()).unwrap()));
    for wrong in [
        right.plus(years(10)),
        right.plus(years(30)),
        right.plus(years(1)),
        right.plus(Duration::from_secs(3600)),
        back(Duration::from_secs(3600)),
        back(years(1)),
        back(years(10)),
        Timestamp::from_millis(0),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (ca, _) = (ca_fingerprint(dir.path(), right), identity(dir.path(), right));
        let meanwhile = identity(dir.path(), wrong);
        assert!(meanwhile.is_valid_at(right), "with the clock at {wrong} clients got what is not valid");
        assert_eq!(ca_fingerprint(dir.path(), wrong), ca, "at {wrong}");
        let afterwards = identity(dir.path(), right);
        assert!(afterwards.is_valid_at(right) && afterwards.renews_at() > right, "after {wrong}");
        assert_eq!(ca_fingerprint(dir.path(), right), ca, "after {wrong}");
    }
}

#[test]
fn r13_an_authority_made_by_a_wrong_clock_is_good_by_the_right_one() {
    let right = day(0);
    for wrong in [Timestamp::from_millis(0), right.plus(DAY.saturating_mul(3650))] {
        let dir = tempfile::tempdir().unwrap();
        let (ca, _) = (ca_fingerprint(dir.path(), wrong), identity(dir.path(), wrong));
        let ca_now = open(dir.path(), right);
        assert_eq!(ca_now.authority().fingerprint(), ca);
        assert!(ca_now.is_valid_at(right), "made at {wrong}");
        assert!(identity(dir.path(), right).is_valid_at(right), "made at {wrong}");
    }
}

#[test]
fn after_months_switched_off_the_certificate_is_made_anew_and_no_device_refuses_its_length() {
    for off in [91, 200, 700, 2000] {
        let dir = tempfile::tempdir().unwrap();
        identity(dir.path(), day(0));
        let identity = identity(dir.path(), day(off));
        assert!(identity.is_valid_at(day(off)) && identity.is_valid_at(day(off + 80)), "{off}");
        assert!(identity.not_after().since(identity.not_before()) <= DAY.saturating_mul(825), "{off}");
    }
}

#[test]
fn a_certificate_that_can_not_be_written_serves_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let ca = open(dir.path(), day(0));
    fs::create_dir(dir.path().join("cert.pem")).unwrap();
    let identity = ca.identity(&Names::loopback(), day(0)).unwrap();
    assert!(identity.is_valid_at(day(0)) && ca.has_signed(&identity));
    assert!(dir.path().join("cert.pem").is_dir());
}

#[test]
fn a_directory_that_can_not_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = LocalCa::open(&file.join("tls"), day(0)).unwrap_err();
    assert!(error.to_string().contains("tls"), "{error}");
}
