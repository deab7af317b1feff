//! The configuration: what wins, what is refused, and that everything that is wrong is told at once.

use std::io::Write as _;

use super::*;
use crate::ids::Secret;

pub(super) fn load_text(text: &str, env: &[(&str, &str)], overrides: Overrides) -> Result<Config, Problems> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(file.path()), env, overrides)
}

fn problems(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    load_text(text, env, Overrides::default()).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_configured_gives_the_defaults() {
    let config = Config::load(None, std::iter::empty(), Overrides::default()).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.server.name, "Hearth");
    assert_eq!(config.server.listen, ["0.0.0.0:8443".parse().unwrap(), "[::]:8443".parse().unwrap()]);
    assert_eq!(config.relay.ports, PortRange { first: 49152, last: 65535 });
    assert_eq!(config.meetings.max_participants, 6);
}

#[test]
fn later_sources_win_over_earlier_ones() {
    let text = "[server]\nname = \"File\"\ndata_dir = \"/file\"\nlisten = [\"127.0.0.1:1\"]\n[meetings]\nmax_participants = 3";
    let env = [("HEARTH_SERVER_DATA_DIR", "/env"), ("HEARTH_SERVER_LISTEN", "127.0.0.1:2"), ("PATH", "/bin")];
    let overrides = Overrides { data_dir: None, listen: vec!["127.0.0.1:3".parse().unwrap()] };
    let config = load_text(text, &env, overrides).unwrap();
    assert_eq!(config.meetings.max_participants, 3, "the file wins over the default");
    assert_eq!(config.server.name, "File");
    assert_eq!(config.server.data_dir, PathBuf::from("/env"), "the environment wins over the file");
    assert_eq!(config.server.listen, ["127.0.0.1:3".parse().unwrap()], "flags win over the environment");
}

#[test]
fn variables_are_read_by_the_type_of_their_key() {
    let env = [
        ("HEARTH_RELAY_ENABLED", "false"),
        ("HEARTH_RELAY_CREDENTIAL_TTL_SECONDS", "600"),
        ("HEARTH_RELAY_ALLOW_PEERS", "10.1.0.0/16, fd00::/8"),
        ("HEARTH_RELAY_LISTEN", ""),
        ("HEARTH_RELAY_EXTERNAL_ADDRESS", "203.0.113.7"),
        ("HEARTH_ACCOUNTS_REGISTRATION", "closed"),
        ("HEARTH_SERVER_PUBLIC_URL", "https://Meet.Example.org/"),
        ("HEARTH_LOG_FORMAT", "json"),
        ("HEARTH_CONFIG", "elsewhere.toml"),
    ];
    let config = load_text("", &env, Overrides::default()).unwrap();
    assert!(!config.relay.enabled);
    assert_eq!(config.relay.credential_ttl_seconds, 600);
    assert_eq!(config.relay.allow_peers, ["10.1.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()]);
    assert!(config.relay.listen.is_empty());
    assert_eq!(config.relay.external_address, Some([203, 0, 113, 7].into()));
    assert_eq!(config.accounts.registration, Registration::Closed);
    assert_eq!(config.server.public_url.unwrap().origin(), "https://meet.example.org");
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_key_and_mend() {
    let text = r#"
        extra = 1
        [server]
        listen = ["nonsense", "0.0.0.0:99999", "127.0.0.1:8443"]
        public_url = "http://meet.example.org"
        [meetings]
        max_participants = 50
        [log]
        level = "info,=="
        format = 3
    "#;
    let told = problems(text, &[("HEARTH_RELAY_PORTS", "5-1"), ("HEARTH_RELAI_PORTS", "1-5")]);
    let expected = [
        r#"server.listen: "nonsense" is not an address with a port — write it like "0.0.0.0:8443" or "[::]:8443""#,
        r#"server.listen: "0.0.0.0:99999" is not an address with a port — write it like "0.0.0.0:8443" or "[::]:8443""#,
        r#"server.public_url: "http://meet.example.org" is not an https address without a path — write it like "https://meet.example.org""#,
        r#"relay.ports: "5-1" is not a range of ports (from HEARTH_RELAY_PORTS) — write it like "49152-65535", the smaller one first"#,
        r#"log.format: 3 is not "auto", "pretty", "json" or "journald" — write "auto", "pretty", "json" or "journald""#,
        r#"extra: there is no such section — remove it; `hearth config example` lists the sections"#,
        r#"HEARTH_RELAI_PORTS: there is no such variable — did you mean HEARTH_RELAY_PORTS?"#,
        r#"meetings.max_participants: 50 is out of range — write a number from 2 to 8"#,
        r#"log.level: "info,==" is not a level: invalid filter directive — write "info" or "debug", for example"#,
    ];
    assert_eq!(told, expected);
}

#[test]
fn unknown_names_are_refused_with_what_was_likely_meant() {
    let told = problems("[server]\nbanana = []\nregistration = \"open\"\n[relais]\n", &[("HEARTH_SERVER_DATADIR", "/srv")]);
    let expected = [
        ("server.banana", "there is no such key", "remove it; `hearth config example` lists the keys"),
        ("server.registration", "there is no such key", "move it to [accounts]"),
        ("relais", "there is no such section", "did you mean [relay]?"),
        ("HEARTH_SERVER_DATADIR", "there is no such variable", "did you mean HEARTH_SERVER_DATA_DIR?"),
    ];
    let expected: Vec<String> = expected.iter().map(|(key, what, mend)| format!("{key}: {what} — {mend}")).collect();
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for line in expected {
        assert!(told.contains(&line), "{line} is not among {told:?}");
    }
    assert_eq!(problems("[server]\nlisen = []", &[]), ["server.lisen: there is no such key — did you mean listen?"]);
}

#[test]
fn keys_that_do_not_fit_each_other_are_refused() {
    let told = problems("[relay]\nports = \"3000-4000\"\naddress = \"0.0.0.0\"\nlisten = [\"127.0.0.1:3478\"]", &[]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("relay.ports: the port of relay.listen 127.0.0.1:3478 is among them"));
    assert!(told[1].starts_with("relay.address: 0.0.0.0 belongs to no machine"));
    assert_eq!(problems("[server]\nlisten = []", &[]).len(), 1);
    let told = problems("[server]\nlisten = [\"127.0.0.1:5349\"]", &[]);
    let expected =
        "relay.listen_tls: 0.0.0.0:5349 is taken by 127.0.0.1:5349 of server.listen — choose another port for one of them";
    assert_eq!(told, [expected]);
    assert_eq!(problems("[relay]\nlisten = [\"[::1]:5349\", \"[::1]:8443\"]", &[]).len(), 2);
    assert_eq!(problems("[relay]\nlisten_tls = [\"127.0.0.1:1\", \"127.0.0.1:1\"]", &[]).len(), 1);
    for apart in
        ["listen_tls = []", "listen = [\"127.0.0.1:0\"]\nlisten_tls = [\"127.0.0.1:0\"]", "listen_tls = [\"192.0.2.1:1\"]"]
    {
        assert!(load_text(&format!("[relay]\n{apart}"), &[], Overrides::default()).is_ok(), "{apart}");
    }
    assert_eq!(problems("[server]\nlisten = [\"0.0.0.0:1\", \"0.0.0.0:1\"]", &[]).len(), 1);
    let told = problems("[relay]\nipv6 = false\naddress_ipv6 = \"2001:db8::10\"", &[]);
    assert_eq!(told, ["relay.address_ipv6: relay.ipv6 = false turns it off — leave out one of the two"]);
    assert_eq!(problems("[server]\nname = \" \"\ndata_dir = \"\"", &[]).len(), 2);
}

#[test]
fn what_is_missing_or_idle_about_the_certificate_is_told() {
    for (text, expected) in [
        ("[tls]\nmode = \"files\"", vec!["tls.certificate_file: this is missing", "tls.key_file: this is missing"]),
        ("[tls]\nkey_file = \"k.pem\"", vec!["tls.certificate_file: this is missing"]),
        ("[tls]\nmode = \"local\"\nkey_file = \"k.pem\"", vec!["tls.key_file: the file would not be used"]),
        ("[tls]\nmode = \"acme\"", vec!["tls.mode: \"acme\" needs the name that the certificate is for"]),
        ("[tls]\nmode = \"best\"", vec!["tls.mode: \"best\" is not \"auto\""]),
        ("[tls]\nacme_directory = \"http://ca.example/\"", vec!["tls.acme_directory: \"http://ca.example/\" is not an https"]),
        ("[tls]\nacme_contact = \"Ada\"", vec!["tls.acme_contact: this is no e-mail address"]),
        ("[tls]\nacme_profile = \" \"", vec!["tls.acme_profile: this is empty"]),
        ("[tls]\nacme_eab_key_id = \"kid-1\"", vec!["tls.acme_eab_key_file: tls.acme_eab_key_id means nothing without it"]),
        ("[tls]\nacme_eab_key_file = \"k\"", vec!["tls.acme_eab_key_id: tls.acme_eab_key_file means nothing without it"]),
        ("[tls]\nacme_retry_seconds = 0", vec!["tls.acme_retry_seconds: 0 is no pause"]),
        ("[server]\nlisten_http = [\"[::]:8443\"]", vec!["server.listen_http: [::]:8443 is taken by [::]:8443 of server.listen"]),
        ("[server]\nlisten_http = [\"[::]:3478\"]", vec!["server.listen_http: [::]:3478 is taken by [::]:3478 of relay.listen"]),
        ("[server]\nlisten_http = [\"[::]:80\", \"[::]:80\"]", vec!["server.listen_http: [::]:80 stands there twice"]),
    ] {
        let told = problems(text, &[]);
        assert_eq!(told.len(), expected.len(), "{text}: {told:?}");
        for (line, beginning) in told.iter().zip(expected) {
            assert!(line.starts_with(beginning) && line.contains(" \u{2014} "), "{line}");
        }
    }
    for text in [
        "[server]\nlisten_http = [\"0.0.0.0:80\", \"[::]:80\"]\npublic_url = \"https://a.org\"\n[tls]\nmode = \"acme\"",
        "[server]\nlisten_http = [\"[::]:3478\"]\n[relay]\nenabled = false",
        "[tls]\ncertificate_file = \"c.pem\"\nkey_file = \"k.pem\"\nacme_contact = \"ada@example.org\"",
    ] {
        assert!(load_text(text, &[], Overrides::default()).is_ok(), "{text}");
    }
}

#[test]
fn a_backup_needs_a_place_and_must_be_kept() {
    let told = problems("[backup]\nkeep = 0\ndirectory = \"\"\n", &[]);
    assert_eq!(
        told,
        [
            "backup.keep: 0 is out of range — write a number from 1 to 1000",
            "backup.directory: the path is empty — write the path of a directory, or leave the key out",
        ]
    );
}

#[test]
fn bandwidths_that_carry_no_call_are_refused() {
    for key in ["max_kbps", "max_kbps_per_allocation", "max_kbps_per_participant"] {
        for kbps in [0, 1, 999] {
            let told = problems(&format!("[relay]\n{key} = {kbps}"), &[]);
            let start = format!("relay.{key}: a call does not fit into {kbps} kilobits per second — write 1000 or more");
            assert!(told.len() == 1 && told[0].starts_with(&start), "{told:?}");
        }
        assert!(load_text(&format!("[relay]\n{key} = 1000"), &[], Overrides::default()).is_ok(), "{key}");
    }
}

#[test]
fn a_file_that_is_none_is_told_with_its_line() {
    let told = problems("[server]\nname = \"Hearth\"\nlisten = [\n", &[]);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("is not TOML"), "{told:?}");
    assert!(!told[0].contains('\n'));
    let missing = Config::load(Some(Path::new("/nowhere/hearth.toml")), std::iter::empty(), Overrides::default()).unwrap_err();
    assert!(missing.to_string().starts_with("/nowhere/hearth.toml: the file can't be read"));
}

#[test]
fn values_can_not_break_the_line_of_their_problem() {
    let told = problems("[accounts]\nregistration = \"open\\n\\u001b[31m\"", &[]);
    assert_eq!(told.len(), 1);
    assert!(told[0].chars().all(|c| !c.is_control()), "{told:?}");
}

#[test]
fn the_example_changes_nothing_and_its_keys_are_all_understood() {
    let text = example();
    assert_eq!(load_text(&text, &[], Overrides::default()), Ok(Config::default()));
    let uncommented: String = text
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned() + "\n")
        .collect();
    let config = load_text(&uncommented, &[], Overrides::default()).unwrap();
    assert_eq!(config.server.public_url, Some("https://meet.example.org".parse().unwrap()));
    let back = Config {
        server: Server { public_url: None, ..config.server },
        tls: Tls {
            certificate_file: None,
            key_file: None,
            acme_contact: None,
            acme_profile: None,
            acme_root_file: None,
            acme_eab_key_id: None,
            acme_eab_key_file: None,
            ..config.tls
        },
        relay: Relay {
            address: None,
            external_address: None,
            address_ipv6: None,
            max_kbps: None,
            threads: None,
            shared_secret_file: None,
            ..config.relay
        },
        ice: Ice { servers: IceServers::default() },
        backup: Backup { directory: None, ..config.backup },
        metrics: Metrics { token_file: None },
        ..config
    };
    assert_eq!(back, Config::default());
}

#[test]
fn public_url_is_an_https_origin() {
    let url = |text: &str| text.parse::<PublicUrl>();
    let plain = url("HTTPS://Meet.example.org:443/").unwrap();
    assert_eq!((plain.origin(), plain.host(), plain.port()), ("https://meet.example.org", "meet.example.org", 443));
    let v6 = url("https://[2001:db8::1]:8443").unwrap();
    assert_eq!((v6.origin(), v6.host(), v6.port()), ("https://[2001:db8::1]:8443", "2001:db8::1", 8443));
    assert_eq!(url("https://[::1]").unwrap().port(), 443);
    for text in [
        "meet.example.org",
        "http://a.org",
        "https://",
        "https://a.org/path",
        "https://a.org//",
        "https://u@a.org",
        "https://a.org?x",
        "https://a b.org",
        "https://a.org:0",
        "https://a.org:70000",
        "https://::1",
        "https://[::1",
        "https://-a.org",
        "https://a..org",
    ] {
        assert!(url(text).is_err(), "{text} was taken");
    }
}

#[test]
fn ranges_of_addresses_contain_what_they_say() {
    let range: Cidr = "10.1.0.0/16".parse().unwrap();
    let inside = |range: Cidr, address: &str| range.contains(address.parse().unwrap());
    assert!(inside(range, "10.1.255.255") && inside(range, "::ffff:10.1.0.1"));
    assert!(!inside(range, "10.2.0.0") && !inside(range, "::1"));
    assert!(inside("0.0.0.0/0".parse().unwrap(), "203.0.113.1") && inside("::/0".parse().unwrap(), "2001:db8::1"));
    assert!(inside("192.0.2.1".parse().unwrap(), "192.0.2.1") && !inside("192.0.2.1".parse().unwrap(), "192.0.2.0"));
    assert!(inside("fd00::/8".parse().unwrap(), "fdff::1"));
    for text in ["10.1.0.0/33", "10.1.0.1/16", "::1/64", "10.1/16", "10.1.0.0/", "10.1.0.0/-1", "x/8"] {
        assert!(text.parse::<Cidr>().is_err(), "{text} was taken");
    }
}

const ICE: &str = r#"
    [[ice.servers]]
    urls = ["stun:stun.example.org", "stun:[2001:db8::1]:19302"]
    [[ice.servers]]
    urls = ["turn:turn.example.org:3479?transport=tcp", "turns:turn.example.org"]
    username = "hearth"
    password = "hush-hush"
    [[ice.servers]]
    urls = ["turn:192.0.2.1"]
    secret = "hush-hush"
    ttl_seconds = 600
    [[ice.servers]]
    urls = ["turn:turn.example.net"]
    secret_file = "/etc/hearth/turn-secret"
"#;

#[test]
fn t3_servers_of_others_are_read_from_the_file_and_from_a_variable_and_their_secrets_are_not_shown() {
    let config = load_text(ICE, &[], Overrides::default()).unwrap();
    let hush = || Confidential::Inline(Secret::new(String::from("hush-hush")));
    let [stun, password, secret, file] = &config.ice.servers.0[..] else { panic!("{:?}", config.ice) };
    assert_eq!((stun.urls[1].host.as_str(), stun.urls[1].port, &stun.access), ("[2001:db8::1]", 19302, &IceAccess::Open));
    assert_eq!(password.access, IceAccess::Password { username: String::from("hearth"), password: hush() });
    assert_eq!(password.urls.iter().map(|url| url.port).collect::<Vec<_>>(), [3479, 5349]);
    assert_eq!(password.urls[0].to_string(), "turn:turn.example.org:3479?transport=tcp");
    assert_eq!(secret.access, IceAccess::SharedSecret { secret: hush(), ttl_seconds: 600 });
    let in_file = Confidential::File(PathBuf::from("/etc/hearth/turn-secret"));
    assert_eq!(file.access, IceAccess::SharedSecret { secret: in_file, ttl_seconds: 3600 });
    assert!(!format!("{config:?}").contains("hush"));

    let variable = r#"[{ urls = ["turn:192.0.2.1"], secret = "hush-hush", ttl_seconds = 600 }]"#;
    let from_env = load_text(ICE, &[("HEARTH_ICE_SERVERS", variable)], Overrides::default()).unwrap();
    assert_eq!(from_env.ice.servers.0, std::slice::from_ref(secret));
}

#[test]
fn t3_whatever_is_wrong_with_a_server_of_others_is_told_without_its_secrets() {
    let server = |lines: &str| problems(&format!("[[ice.servers]]\n{lines}"), &[]);
    let cases = [
        ("secret = \"hush\"", "urls is missing"),
        ("urls = []", "urls is not a list of addresses"),
        ("urls = \"stun:a.org\"", "urls is not a list of addresses"),
        ("urls = [\"turn://a.org\"]", "\"turn://a.org\" is no address such as"),
        ("urls = [\"stun:a.org?transport=tcp\"]", "is no address such as"),
        ("urls = [\"turn:a.org:0\"]", "is no address such as"),
        ("urls = [\"https://a.org\"]", "is no address such as"),
        ("urls = [\"turn:hush:hush@a.org\"]", "an address with @ is no address such as"),
        ("urls = [\"turn:a.org\"]", "a turn: address needs username and password, or secret"),
        ("urls = [\"turn:a.org\"]\nusername = \"u\"", "username is there without password"),
        ("urls = [\"turn:a.org\"]\npassword = \"hush\"", "password is there without username"),
        ("urls = [\"turn:a.org\"]\nusername = \"u\"\nsecret = \"hush\"", "secret stands beside username or password"),
        ("urls = [\"turn:a.org\"]\nsecret = \"hush\"\nsecret_file = \"f\"", "secret and secret_file are both there"),
        ("urls = [\"turn:a.org\"]\nsecret = 4711", "secret is not text in quotes, or empty"),
        ("urls = [\"turn:a.org\"]\nsecret = \" \"", "secret is not text in quotes, or empty"),
        ("urls = [\"turn:a.org\"]\nsecret = \"hush\"\nttl_seconds = 5", "ttl_seconds is not a number from 60 to 86400"),
        ("urls = [\"turn:a.org\"]\nusername = \"u\"\npasword = \"hush\"", "there is no key pasword; did you mean password?"),
        ("urls = [\"stun:a.org\"]\nttl_seconds = 600", "ttl_seconds is for names made from a secret"),
        ("urls = [\"stun:a.org\"]\nsecret = \"hush\"", "there is a password or a secret, but no turn: address"),
    ];
    for (lines, what) in cases {
        let told = server(lines);
        assert!(told.iter().any(|line| line.starts_with("ice.servers: server 1: ") && line.contains(what)), "{lines}: {told:?}");
        assert!(
            told.iter().all(|line| line.contains(" — write [[ice.servers]] with urls") && !line.contains("hush")),
            "{told:?}"
        );
    }
    let others = [
        problems("[[ice]]\nurls = [\"turn:a.org\"]\nsecret = \"hush\"", &[]),
        problems("[ice]\nservers = \"hush\"", &[]),
        problems("[ice]\nservers = [\"hush\"]", &[]),
        problems("", &[("HEARTH_ICE_SERVERS", "turn:hush@a.org")]),
    ];
    for told in others {
        assert!(told.len() == 1 && told[0].starts_with("ice") && !told[0].contains("hush"), "{told:?}");
    }
}

#[test]
fn secrets_are_read_from_their_files_at_the_start_and_a_file_that_has_none_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let reveal = || Confidential::File(path.clone()).reveal();
    assert!(reveal().unwrap_err().to_string().contains("the file can't be read"));
    std::fs::write(&path, " hush-hush\n").unwrap();
    assert_eq!(reveal().unwrap().expose(), "hush-hush");
    std::fs::write(&path, "\n").unwrap();
    assert!(
        reveal()
            .unwrap_err()
            .to_string()
            .ends_with("the file is empty — name a file that this user may read, with the secret on its one line")
    );
    std::fs::write(&path, "x".repeat(5000)).unwrap();
    assert!(reveal().unwrap_err().to_string().contains("too large"));
}

#[test]
fn a_secret_that_could_be_guessed_does_not_open_the_relay() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let relay = Relay { shared_secret_file: Some(file.path().to_owned()), ..Config::default().relay };
    std::fs::write(file.path(), "fifteen letters").unwrap();
    let told = relay.shared_secret().unwrap_err().to_string();
    assert!(told.starts_with("relay.shared_secret_file: the secret in it could be guessed — write at least 16"), "{told}");
    std::fs::write(file.path(), "sixteen  letters\n").unwrap();
    assert_eq!(relay.shared_secret().unwrap().unwrap().expose(), "sixteen  letters");
    assert_eq!(Config::default().relay.shared_secret(), Ok(None));
}

#[test]
fn settings_of_the_browser_are_read_where_the_data_were_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    let [data, other, file] = ["data", "other", "hearth.toml"].map(|name| home.path().join(name));
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join(FILE_NAME), "[server]\nname = \"The Lodge\"\n").unwrap();
    let names = |dir: &Path| std::fs::write(&file, format!("[server]\ndata_dir = {:?}\n", dir)).unwrap();
    names(&data);
    let sources = Sources::new(Some(&file), std::iter::empty(), Overrides::default());
    assert_eq!(sources.load().unwrap().config.server.name, "The Lodge");
    names(&other);
    assert_eq!(sources.load().unwrap().config.server.name, "The Lodge");
    let change = Change { section: "meetings".into(), key: "max_participants".into(), value: Some(4.into()) };
    let (_, text) = sources.load_with(&[change]).unwrap();
    assert!(text.contains("The Lodge"), "{text}");
}

#[test]
fn files_with_secrets_are_not_named_in_the_browser() {
    let home = tempfile::tempdir().unwrap();
    let overrides = || Overrides { data_dir: Some(home.path().to_owned()), ..Overrides::default() };
    for server in ["password_file = \"/p\"", "secret_file = \"/s\""] {
        let text = format!("[[ice.servers]]\nurls = [\"turn:a.example.org\"]\nusername = \"u\"\n{server}\n");
        std::fs::write(home.path().join(FILE_NAME), text).unwrap();
        let problems = Sources::new(None, std::iter::empty(), overrides()).load().unwrap_err();
        assert!(problems.to_string().contains("can't be set in the browser"), "{problems}");
    }
}
