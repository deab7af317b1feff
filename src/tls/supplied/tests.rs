//! Files of the administrator, written anew in all the ways in which programs do that.

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;

/// Certificate and key for a name, as PEM.
struct Pair {
    certificate: String,
    key: String,
}

fn pair(name: &str) -> Pair {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
    (parameters.not_before, parameters.not_after) = (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2026, 4, 1));
    Pair { certificate: parameters.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

fn during_its_life() -> Timestamp {
    Timestamp::parse_rfc3339("2026-02-01T00:00:00Z").unwrap()
}

struct Files {
    dir: TempDir,
    supplied: Supplied,
}

impl Files {
    /// Files with the certificate for a name in them, read.
    fn of(pair: &Pair) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let supplied = Supplied::new(dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let mut files = Self { dir, supplied };
        files.write("cert.pem", &pair.certificate);
        files.write("key.pem", &pair.key);
        files.supplied.read().unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// As most programs do: under another name first.
    fn write(&mut self, name: &str, text: &str) {
        fs::write(self.path("new"), text).unwrap();
        fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    fn names_at_next_look(&mut self) -> Option<Vec<String>> {
        match self.supplied.poll() {
            Change::None => None,
            Change::New(identity) => Some(identity.names().to_vec()),
            Change::Unusable(error) => panic!("{error}"),
        }
    }

    fn complaint_at_next_look(&mut self) -> String {
        match self.supplied.poll() {
            Change::Unusable(error) => error.to_string(),
            other @ (Change::None | Change::New(_)) => panic!("{other:?}"),
        }
    }

    fn nothing_at_next_look(&mut self) {
        assert!(self.names_at_next_look().is_none());
    }
}

#[test]
fn files_that_stay_as_they_are_are_read_once() {
    let mut files = Files::of(&pair("a.example"));
    files.nothing_at_next_look();
    files.nothing_at_next_look();
}

#[test]
fn a_pair_that_is_renamed_into_place_is_taken_once_it_is_complete() {
    let mut files = Files::of(&pair("a.example"));
    let next = pair("b.example");
    files.write("cert.pem", &next.certificate);
    files.nothing_at_next_look();
    files.write("key.pem", &next.key);
    assert_eq!(files.names_at_next_look().unwrap(), ["b.example"]);
    files.nothing_at_next_look();
}

#[test]
fn a_pair_that_is_written_in_place_is_taken_once_it_is_complete() {
    let mut files = Files::of(&pair("a.example"));
    let next = pair("a-longer-name.example");
    fs::write(files.path("cert.pem"), &next.certificate[..next.certificate.len() / 2]).unwrap();
    files.nothing_at_next_look();
    fs::write(files.path("cert.pem"), &next.certificate).unwrap();
    files.nothing_at_next_look();
    fs::write(files.path("key.pem"), &next.key).unwrap();
    assert_eq!(files.names_at_next_look().unwrap(), ["a-longer-name.example"]);
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    fn replace_link(target: &str, link: &Path) {
        let temporary = link.with_file_name("new-link");
        symlink(target, &temporary).unwrap();
        fs::rename(temporary, link).unwrap();
    }

    #[test]
    fn links_that_certbot_leads_elsewhere_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let archive = |number: u32, pair: &Pair| {
            fs::write(dir.path().join(format!("fullchain{number}.pem")), &pair.certificate).unwrap();
            fs::write(dir.path().join(format!("privkey{number}.pem")), &pair.key).unwrap();
        };
        archive(1, &pair("a.example"));
        let (chain, key) = (dir.path().join("fullchain.pem"), dir.path().join("privkey.pem"));
        replace_link("fullchain1.pem", &chain);
        replace_link("privkey1.pem", &key);
        let mut supplied = Supplied::new(chain.clone(), key.clone());
        assert_eq!(supplied.read().unwrap().names(), ["a.example"]);
        archive(2, &pair("b.example"));
        assert!(matches!(supplied.poll(), Change::None));
        replace_link("privkey2.pem", &key);
        assert!(matches!(supplied.poll(), Change::None), "half of it is not taken");
        replace_link("fullchain2.pem", &chain);
        assert!(matches!(supplied.poll(), Change::New(identity) if identity.names() == ["b.example"]));
    }

    #[test]
    fn a_link_further_up_that_kubernetes_leads_elsewhere_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let release = |name: &str, pair: &Pair| {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("tls.crt"), &pair.certificate).unwrap();
            fs::write(dir.path().join(name).join("tls.key"), &pair.key).unwrap();
        };
        release("..1", &pair("a.example"));
        symlink("..1", dir.path().join("..data")).unwrap();
        for file in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{file}"), dir.path().join(file)).unwrap();
        }
        let mut supplied = Supplied::new(dir.path().join("tls.crt"), dir.path().join("tls.key"));
        assert_eq!(supplied.read().unwrap().names(), ["a.example"]);
        release("..2", &pair("b.example"));
        replace_link("..2", &dir.path().join("..data"));
        assert!(matches!(supplied.poll(), Change::New(identity) if identity.names() == ["b.example"]));
    }

    #[test]
    fn a19_a_key_that_everybody_may_read_is_told_with_the_mend_and_serves_all_the_same() {
        use std::os::unix::fs::PermissionsExt;
        for (mode, is_told) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
            let mut files = Files::of(&pair("a.example"));
            fs::set_permissions(files.path("key.pem"), fs::Permissions::from_mode(mode)).unwrap();
            let identity = files.supplied.read().unwrap();
            let concerns = files.supplied.concerns(&identity, Some("a.example"), during_its_life());
            let told: Vec<String> = concerns.iter().map(ToString::to_string).collect();
            assert_eq!(told.len(), usize::from(is_told), "{mode:o}: {told:?}");
            assert!(!is_told || told[0].ends_with(&format!("run: chmod o= {}", files.path("key.pem").display())), "{told:?}");
        }
    }
}

#[test]
fn a_pair_that_stays_wrong_is_told_once_and_taken_when_it_is_mended() {
    let mut files = Files::of(&pair("a.example"));
    let next = pair("b.example");
    files.write("cert.pem", &next.certificate);
    files.nothing_at_next_look();
    let complaint = files.complaint_at_next_look();
    assert!(
        complaint.contains("cert.pem") && complaint.contains("key.pem") && complaint.contains("another certificate"),
        "{complaint}"
    );
    files.nothing_at_next_look();
    files.write("key.pem", &next.key);
    assert_eq!(files.names_at_next_look().unwrap(), ["b.example"]);
}

#[test]
fn what_is_wrong_is_told_with_the_file_and_the_mend() {
    let (a, b) = (pair("a.example"), pair("b.example"));
    let complaint = |wrong: &dyn Fn(&mut Files)| {
        let mut files = Files::of(&a);
        wrong(&mut files);
        files.nothing_at_next_look();
        let told = files.complaint_at_next_look();
        let again = files.supplied.read().unwrap_err().to_string();
        assert_eq!(told, again, "a start says the same");
        told
    };
    for (wrong, words) in [
        (
            &(|files: &mut Files| fs::remove_file(files.path("cert.pem")).unwrap()) as &dyn Fn(&mut Files),
            ["cert.pem is missing", "[tls]"],
        ),
        (&|files: &mut Files| fs::remove_file(files.path("key.pem")).unwrap(), ["key.pem is missing", "[tls]"]),
        (&|files: &mut Files| files.write("cert.pem", ""), ["cert.pem", "no certificate in it"]),
        (&|files: &mut Files| files.write("key.pem", "nonsense"), ["key.pem", "no key in it"]),
        (&|files: &mut Files| files.write("key.pem", &b.key), ["key.pem", "another certificate"]),
        (&|files: &mut Files| files.write("cert.pem", &"x".repeat(2_000_000)), ["cert.pem", "at most a mebibyte"]),
        (
            &|files: &mut Files| {
                fs::remove_file(files.path("key.pem")).unwrap();
                fs::create_dir(files.path("key.pem")).unwrap();
            },
            ["key.pem", "it is no file"],
        ),
    ] {
        let told = complaint(wrong);
        assert!(words.iter().all(|word| told.contains(word)), "{told} lacks one of {words:?}");
    }
}

#[test]
fn what_is_wrong_with_a_certificate_that_serves_is_told() {
    let mut files = Files::of(&pair("a.example"));
    let identity = files.supplied.read().unwrap();
    let told = |host: Option<&str>, now: &str| -> Vec<String> {
        let concerns = files.supplied.concerns(&identity, host, Timestamp::parse_rfc3339(now).unwrap());
        let about_it = concerns.into_iter().filter(|concern| !matches!(concern, Concern::ExposedKey(_)));
        about_it.map(|concern| concern.to_string()).collect()
    };
    let nothing: [&str; 0] = [];
    assert_eq!(told(Some("a.example"), "2026-02-01T00:00:00Z"), nothing);
    assert_eq!(told(None, "2026-02-01T00:00:00Z"), nothing);
    assert!(told(None, "2026-05-01T00:00:00Z")[0].contains("expired at 2026-04-01T00:00:00Z"));
    assert!(told(None, "2025-05-01T00:00:00Z")[0].contains("good from 2026-01-01T00:00:00Z"));
    let other = told(Some("b.example"), "2026-02-01T00:00:00Z");
    assert!(other[0].contains("b.example") && other[0].contains("but for a.example"), "{other:?}");
}
