//! What others rely on: every sample of the wire is read and written as it stands, the types handed to the page are sound,
//! `config.example.toml` is current, and `PROTOCOL.md` and `SECURITY.md` say what is so.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use hearth::wire::PROTOCOL_VERSION;
use hearth::wire::signaling::{ClientMessage, ServerMessage};
use hearth::wire::{auth, doctor, error, meetings, server, settings, status, trust};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Lists the messages of one direction. A message that is left out here fails to compile, one without a sample fails a test.
macro_rules! messages {
    ($names:ident, $name_of:ident, $enum:ident: $($variant:ident => $name:literal),+ $(,)?) => {
        const $names: &[&str] = &[$($name),+];

        fn $name_of(message: &$enum) -> &'static str {
            match message {
                $($enum::$variant { .. } => $name,)+
            }
        }
    };
}

messages! {
    CLIENT_MESSAGES, client_name, ClientMessage:
    Join => "join",
    Resume => "resume",
    Offer => "offer",
    Answer => "answer",
    Candidate => "candidate",
    Media => "media",
    Chat => "chat",
    Connection => "connection",
    Ping => "ping",
    Leave => "leave",
}

messages! {
    SERVER_MESSAGES, server_name, ServerMessage:
    Welcome => "welcome",
    ParticipantJoined => "participantJoined",
    ParticipantDisconnected => "participantDisconnected",
    ParticipantReturned => "participantReturned",
    ParticipantLeft => "participantLeft",
    Offer => "offer",
    Answer => "answer",
    Candidate => "candidate",
    MediaChanged => "mediaChanged",
    Chat => "chat",
    IceServers => "iceServers",
    MeetingEnded => "meetingEnded",
    ServerRestart => "serverRestart",
    Pong => "pong",
    Error => "error",
}

/// One type of `wire`: reads a sample as it and writes it again.
type RoundTrip = fn(&Value) -> Result<Value, serde_json::Error>;

fn round_trip<T: DeserializeOwned + Serialize>(value: &Value) -> Result<Value, serde_json::Error> {
    // From text, as it comes over the network, and not from the tree.
    serde_json::to_value(serde_json::from_str::<T>(&value.to_string())?)
}

macro_rules! bodies {
    ($($module:ident::$type:ident),+ $(,)?) => {
        &[$((stringify!($type), round_trip::<$module::$type>)),+]
    };
}

/// What clients send. Fields that stand in no declaration are refused.
const REQUESTS: &[(&str, RoundTrip)] = bodies![
    auth::SetupRequest,
    auth::RegisterRequest,
    auth::LoginRequest,
    meetings::SettingsRequest,
    meetings::CreateMeetingRequest,
    meetings::EndMeetingRequest,
    meetings::JoinRequest,
    settings::ChangeSettingsRequest,
    doctor::CheckRequest,
    doctor::CheckReport,
];

/// What the server answers.
const REPLIES: &[(&str, RoundTrip)] = bodies![
    auth::Account,
    auth::SignedIn,
    error::ErrorBody,
    meetings::Done,
    meetings::IceServer,
    meetings::JoinReply,
    meetings::Meeting,
    meetings::MeetingList,
    meetings::MeetingPreview,
    meetings::MeetingReply,
    meetings::MeetingSettings,
    server::Health,
    server::ServerInfo,
    settings::RelayTestReply,
    settings::SettingsReply,
    doctor::DoctorState,
    doctor::OutsideLink,
    doctor::CheckReply,
    status::ServerStatus,
    trust::TrustInfo,
];

fn in_package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The samples of one kind by file name: `<side>.<name>.json` or `<side>.<name>.<what is special>.json`.
fn fixtures(side: &str) -> BTreeMap<String, Value> {
    let files = fs::read_dir(in_package("src/wire/fixtures")).unwrap();
    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let samples = names.filter(|name| name.starts_with(&format!("{side}."))).map(|name| {
        let text = fs::read_to_string(in_package("src/wire/fixtures").join(&name)).unwrap();
        let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, value)
    });
    samples.collect()
}

/// The second part of a file name.
fn name_in(file: &str) -> &str {
    file.split('.').nth(1).unwrap()
}

/// The messages or bodies of `names` that have no sample.
fn without_sample<'a>(names: impl Iterator<Item = &'a str>, samples: &BTreeMap<String, Value>) -> Vec<&'a str> {
    names.filter(|name| !samples.keys().any(|file| name_in(file) == *name)).collect()
}

fn assert_round_trips<T: DeserializeOwned + Serialize>(side: &str, names: &[&str], name_of: fn(&T) -> &'static str) {
    let samples = fixtures(side);
    for (file, sample) in &samples {
        let message: T = serde_json::from_str(&sample.to_string()).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(name_of(&message), name_in(file), "{file} holds another message");
        assert_eq!(sample["type"], name_in(file), "{file} has another type");
        assert_eq!(&serde_json::to_value(&message).unwrap(), sample, "{file} is written in another way");
    }
    assert_eq!(without_sample(names.iter().copied(), &samples), [""; 0], "these have no sample");
}

/// Every way of putting one more field into one of the objects of `value`.
fn with_one_more_field(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    if let Some(object) = value.as_object() {
        let mut more = object.clone();
        more.insert(String::from("surprise"), Value::Bool(true));
        all.push(Value::Object(more));
        for (key, inner) in object {
            for changed in with_one_more_field(inner) {
                let mut outer = object.clone();
                outer.insert(key.clone(), changed);
                all.push(Value::Object(outer));
            }
        }
    }
    all
}

#[test]
fn every_client_message_has_a_sample_that_reads_and_writes_the_same() {
    assert_round_trips("client", CLIENT_MESSAGES, client_name);
}

#[test]
fn every_server_message_has_a_sample_that_reads_and_writes_the_same() {
    assert_round_trips("server", SERVER_MESSAGES, server_name);
}

#[test]
fn every_rest_body_has_a_sample_that_reads_and_writes_the_same() {
    let samples = fixtures("rest");
    let bodies: BTreeMap<&str, RoundTrip> = REQUESTS.iter().chain(REPLIES).copied().collect();
    for (file, sample) in &samples {
        let body = bodies.get(name_in(file)).unwrap_or_else(|| panic!("{file} belongs to no known type"));
        assert_eq!(&body(sample).unwrap_or_else(|error| panic!("{file}: {error}")), sample, "{file} is written in another way");
    }
    assert_eq!(without_sample(bodies.keys().copied(), &samples), [""; 0], "these have no sample");
}

#[test]
fn there_is_no_sample_that_no_test_reads() {
    let known = ["client", "server", "rest"].map(|side| fixtures(side).len()).iter().sum::<usize>();
    assert_eq!(fs::read_dir(in_package("src/wire/fixtures")).unwrap().count(), known);
}

#[test]
fn h7_unknown_fields_are_refused_wherever_a_client_puts_them() {
    for (file, sample) in fixtures("client") {
        for changed in with_one_more_field(&sample) {
            assert!(serde_json::from_str::<ClientMessage>(&changed.to_string()).is_err(), "{file}: {changed} was taken");
        }
    }
    let samples = fixtures("rest");
    for (name, body) in REQUESTS {
        for changed in with_one_more_field(&samples[&format!("rest.{name}.json")]) {
            assert!(body(&changed).is_err(), "{name}: {changed} was taken");
        }
    }
}

#[test]
fn h7_a_field_that_stands_twice_is_refused() {
    for (file, sample) in fixtures("client") {
        for (key, value) in sample.as_object().unwrap() {
            let twice = sample.to_string().replacen('{', &format!("{{\"{key}\":{value},"), 1);
            assert!(serde_json::from_str::<ClientMessage>(&twice).is_err(), "{file}: {twice} was taken");
        }
    }
}

#[test]
fn the_samples_speak_the_current_version() {
    for (file, side) in [("server.welcome.json", "server"), ("rest.ServerInfo.json", "rest")] {
        assert_eq!(fixtures(side)[file]["protocol"], PROTOCOL_VERSION, "{file}");
    }
}

#[test]
fn the_page_gets_numbers_that_json_can_carry() {
    let files: Vec<PathBuf> = fs::read_dir(in_package("web/src/wire")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().any(|file| file.ends_with("ServerMessage.ts")), "the types of the page are missing");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("bigint"), "{} has a bigint, which JSON.parse never yields", file.display());
    }
}

#[test]
fn config_example_is_current() {
    let committed = fs::read_to_string(in_package("config.example.toml")).unwrap();
    assert_eq!(committed, hearth::config::example(), "run: cargo run -- config example > config.example.toml");
}

// The documents.

fn read(path: &str) -> String {
    fs::read_to_string(in_package(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A section of `PROTOCOL.md`, by the title after its number.
fn section<'a>(protocol: &'a str, title: &str) -> &'a str {
    let sections = protocol.split("\n## ").filter(|section| section.lines().next().is_some_and(|line| line.ends_with(title)));
    let found: Vec<_> = sections.collect();
    assert_eq!(found.len(), 1, "sections with the title {title:?}");
    found[0]
}

/// The first cells of a table's rows, those of its head left out.
fn first_cells(section: &str) -> impl Iterator<Item = &str> {
    section.lines().filter_map(|line| line.strip_prefix("| ")).filter_map(|row| row.split(" |").next()).skip(2)
}

/// The samples in a section, as JSON.
fn samples(section: &str) -> Vec<Value> {
    let blocks = section.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.map(|block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{error}: {block}"))).collect()
}

fn rust_files(directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(in_package(directory)).unwrap().map(Result::unwrap) {
        let path = format!("{directory}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(rust_files(&path));
        } else if path.ends_with(".rs") {
            found.push(path);
        }
    }
    found
}

/// The text literals of a file's code, its comments and tests left out, each with what stands before it.
fn literals(path: &str) -> Vec<(String, String)> {
    let text = read(path);
    let code = text.split("#[cfg(test)]").next().unwrap();
    let code: String =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line.trim(), " "]).collect();
    let code = code.replace("\\\"", "'");
    let parts: Vec<&str> = code.split('"').collect();
    parts.chunks_exact(2).map(|pair| (pair[0].trim_end().to_owned(), pair[1].to_owned())).collect()
}

/// The error codes that the code answers with: texts in snake_case, and single words where a code is due.
fn error_codes_of_the_code() -> BTreeSet<String> {
    let mut files = vec![String::from("src/auth/error.rs"), String::from("src/meeting/event.rs")];
    files.extend(rust_files("src/http"));
    files.extend(rust_files("src/signaling"));
    // The codes of `/readyz` stand in a table of their own.
    files.retain(|file| file != "src/http/health.rs");
    let is_figure = |text: &str| text.starts_with("hearth_") || text.starts_with("process_");
    let is_due = |before: &str| {
        let argument = before.rsplit_once("StatusCode::").and_then(|(_, status)| status.strip_suffix(','));
        before.ends_with("=>")
            || argument.is_some_and(|status| status.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
    };
    let is_code = |(before, text): &(String, String)| {
        let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        is_word && (text.contains('_') || is_due(before)) && !before.ends_with("event =") && !is_figure(text)
    };
    files.iter().flat_map(|file| literals(file)).filter(is_code).map(|(_, text)| text).collect()
}

#[test]
fn the_protocol_names_every_error_code_and_no_other() {
    let protocol = read("PROTOCOL.md");
    let named: BTreeSet<String> = first_cells(section(&protocol, "Error codes")).map(|cell| cell.replace('`', "")).collect();
    let codes = error_codes_of_the_code();
    for sure in ["unauthenticated", "internal", "meeting_full", "sdp_too_long", "too_many_messages", "body_too_large"] {
        assert!(codes.contains(sure), "{sure} was not found in the code");
    }
    assert_eq!(named, codes);
}

#[test]
fn the_protocol_names_every_close_code_and_no_other() {
    let protocol = read("PROTOCOL.md");
    let named: BTreeSet<u16> = first_cells(section(&protocol, "Close codes")).filter_map(|cell| cell.parse().ok()).collect();
    let session = read("src/signaling/session.rs");
    let arms = session.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.strip_suffix(',')?.split_once(" => "));
    let codes: BTreeSet<u16> = arms.filter_map(|(_, code)| code.parse().ok()).collect();
    assert!(codes.len() > 10, "the close codes were not found in the code: {codes:?}");
    assert_eq!(named, codes);
}

#[test]
fn the_protocol_describes_every_message_with_true_samples() {
    fn check<T: DeserializeOwned + Serialize>(section: &str, names: &[&str], name_of: fn(&T) -> &'static str) {
        let described: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
        assert_eq!(described, names, "the headings, in the order of the messages");
        let mut shown = BTreeSet::new();
        for sample in samples(section) {
            let message: T = serde_json::from_value(sample.clone()).unwrap_or_else(|error| panic!("{error}: {sample}"));
            assert_eq!(serde_json::to_value(&message).unwrap(), sample);
            shown.insert(name_of(&message));
        }
        assert_eq!(shown, names.iter().copied().collect());
    }
    let protocol = read("PROTOCOL.md");
    check(section(&protocol, "Messages from the client"), CLIENT_MESSAGES, client_name);
    check(section(&protocol, "Messages from the server"), SERVER_MESSAGES, server_name);
}

#[test]
fn the_protocol_shows_true_samples_of_the_api() {
    let protocol = read("PROTOCOL.md");
    for sample in samples(section(&protocol, "The API")) {
        let fits = |(_, body): &&(&str, RoundTrip)| body(&sample).is_ok_and(|written| written == sample);
        assert!(REQUESTS.iter().chain(REPLIES).any(|body| fits(&body)), "belongs to no type: {sample}");
    }
}

#[test]
fn the_tests_that_security_names_exist() {
    let code: String = ["src", "tests"].into_iter().flat_map(rust_files).map(|file| read(&file)).collect();
    let browser = fs::read_dir(in_package("web/tests/e2e")).unwrap().map(|entry| entry.unwrap().path());
    let browser: String = browser.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap()).collect();
    let security = read("SECURITY.md");
    let is_test = |name: &&str| name.contains('_') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let named: Vec<&str> = security.split('`').skip(1).step_by(2).filter(is_test).collect();
    assert!(named.len() > 50, "the names were not found");
    for name in named {
        assert!(code.contains(&format!("fn {name}(")), "{name} is no test");
    }
    let emphasised = security.split('*').skip(1).step_by(2).filter(|text| text.starts_with('U'));
    for id in emphasised {
        assert!(browser.contains(&format!("test('{id}: ")), "{id} is no browser test");
    }
}
