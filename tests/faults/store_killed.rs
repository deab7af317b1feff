//! A process that is killed while it uses nothing but the store. The test starts itself again as that process.

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use hearth::clock::Timestamp;
use hearth::ids::{RoomId, UserId, random_bytes};
use hearth::meeting::{Meeting, Settings as MeetingSettings, Status};
use hearth::store::{AccountRole, MeetingFilter, NewUser, Settings, Store};

use crate::tools::rounds;

const DIR: &str = "HEARTH_FAULT_DIR";
/// What the writing process prints for each user and meeting that the store acknowledged.
const ACKNOWLEDGED: &str = "acknowledged";
const WRITERS: usize = 6;

fn settings(dir: PathBuf) -> Settings {
    Settings { min_free_bytes: 0, ..Settings::new(dir) }
}

fn meeting(host: UserId) -> Meeting {
    Meeting {
        room: RoomId::random(),
        host,
        host_name: String::from("Ada"),
        title: String::from("Standup"),
        description: "d".repeat(300),
        scheduled_at: None,
        settings: MeetingSettings {
            max_participants: 10,
            recording_enabled: false,
            chat_enabled: true,
            screen_share_enabled: true,
            require_approval: false,
            allowed_domains: Vec::new(),
            guests_allowed: true,
        },
        status: Status::Waiting,
        created_at: Timestamp::from_millis(1),
        started_at: None,
        ended_at: None,
    }
}

/// Writes and tells what was acknowledged, until it is killed.
async fn write_for_ever(store: Store) {
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            loop {
                let email = format!("{}@example.org", UserId::random());
                let new =
                    NewUser { email, name: String::from("Ada"), role: AccountRole::Member, password_hash: String::from("hash") };
                let user = store.create_user(new, Timestamp::from_millis(1)).await.expect("the disk is well");
                let meeting = meeting(user.id);
                let room = meeting.room;
                store.create_meeting(meeting).await.expect("the disk is well");
                writeln!(std::io::stdout(), "\n{ACKNOWLEDGED} {} {room} {}", user.id, user.email).expect("the parent reads");
            }
        });
    }
    writers.join_all().await;
}

/// In the process that is to be killed: uses the store and never returns. In the test itself: nothing.
fn be_the_victim() {
    let Some(dir) = env::var_os(DIR) else { return };
    let store = Store::open(settings(dir.into())).expect("the store opens after every kill");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(write_for_ever(store));
}

/// Runs `test` of this program as a process of its own, kills it after `life`, and returns what it told.
fn kill_after(test: &str, dir: &Path, life: Duration) -> Vec<String> {
    let mut victim = Command::new(env::current_exe().expect("this program has a path"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this program starts");
    let output = victim.stdout.take().expect("the output is piped");
    let told = thread::spawn(move || {
        let lines = BufReader::new(output).split(b'\n').map_while(Result::ok);
        lines.filter_map(|line| String::from_utf8(line).ok()).filter(|line| line.starts_with(ACKNOWLEDGED)).collect()
    });
    thread::sleep(life);
    let ended_by_itself = victim.try_wait().expect("the process can be asked");
    victim.kill().expect("the process can be killed");
    let rest = victim.wait_with_output().expect("the process ends");
    assert!(ended_by_itself.is_none(), "the store failed: {}", String::from_utf8_lossy(&rest.stderr));
    told.join().expect("the reader ends")
}

/// The acknowledged users, with their meetings and addresses. A line that was cut short by the kill does not count.
fn parse(lines: Vec<String>) -> impl Iterator<Item = (UserId, (RoomId, String))> {
    lines.into_iter().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (user, room, email) = (words.next()?, words.next()?, words.next()?);
        email.ends_with("@example.org").then_some(())?;
        Some((user.parse().ok()?, (room.parse().ok()?, email.to_owned())))
    })
}

async fn assert_whole(store: &Store, acknowledged: &HashMap<UserId, (RoomId, String)>) {
    let all = MeetingFilter { status: None, limit: 10, skip: 0 };
    for (user, (room, email)) in acknowledged {
        let found = store.user(*user).await.expect("users can be read").expect("an acknowledged user is there");
        assert_eq!(&found.email, email);
        assert_eq!(store.user_by_email(email).await.expect("users can be read"), Some(found));
        let found = store.meeting(*room).await.expect("meetings can be read").expect("an acknowledged meeting is there");
        assert_eq!(found.host, *user);
        assert_eq!(store.meetings_of(*user, all).await.expect("meetings can be read"), (vec![found], 1));
    }
}

fn survive_kills(test: &str, default_rounds: usize, shortest: u64, longest: u64) -> usize {
    let place = tempfile::tempdir().expect("a directory can be made");
    let dir = place.path().join("store");
    let rounds = rounds(default_rounds);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    let mut acknowledged = HashMap::new();
    for round in 0..rounds {
        let spread = u64::from(u16::from_le_bytes(random_bytes())) % (longest - shortest + 1);
        let lines = kill_after(test, &dir, Duration::from_millis(shortest + spread));
        acknowledged.extend(parse(lines));
        // Not every time, so that a killed start also follows a killed start.
        if round % 8 == 7 || round + 1 == rounds {
            let store = Store::open(settings(dir.clone())).expect("the store opens after every kill");
            runtime.block_on(async {
                assert_whole(&store, &acknowledged).await;
                store.close().await.expect("the store closes");
            });
        }
    }
    println!("{test}: killed {rounds} times; all of {} acknowledged users are there", acknowledged.len());
    acknowledged.len()
}

#[test]
fn r1_a_kill_during_writes_loses_nothing_that_was_acknowledged() {
    be_the_victim();
    let acknowledged = survive_kills("store_killed::r1_a_kill_during_writes_loses_nothing_that_was_acknowledged", 24, 20, 300);
    assert!(acknowledged > 0, "nothing was ever acknowledged");
}

#[test]
fn r2_a_kill_during_the_start_never_keeps_the_store_from_opening() {
    be_the_victim();
    survive_kills("store_killed::r2_a_kill_during_the_start_never_keeps_the_store_from_opening", 80, 2, 60);
}
