//! What others rely on: every sample of the wire is read and written as it stands, the types handed to the page are sound, and
//! `config.example.toml` is current.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hearth::wire::PROTOCOL_VERSION;
use hearth::wire::signaling::{ClientMessage, ServerMessage};
use hearth::wire::{auth, error, meetings, server};
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
