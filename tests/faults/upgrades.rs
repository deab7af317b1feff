//! Data of other versions, and looking before one leaps.
//!
//! There is one schema so far, so this program has nothing older to migrate, and no program exists that writes a newer one. Both are
//! made here without a switch in the program:
//!
//! - Newer data are those of the real server, carried over entry by entry through the store's own export and import, with the number
//!   of the schema raised, a tree that this program doesn't know, and the name of a later version: what a later Hearth would leave.
//! - The later Hearth itself is built from the sources at hand, in which nothing is changed but the table of schemas: its number is one
//!   higher, and it has one step, which rewrites every meeting's key. That takes a minute, so only `make faults` does it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hearth::backup::inspect;
use hearth::store::{self, Import, Piece, SCHEMA, with_closed};
use serde_json::{Value, json};

use crate::harness::{Options, Person, TestServer};
use crate::tools::{again, contents, copy, run, try_create};

fn report(data_dir: &Path) -> (Option<i32>, Value) {
    let said = run(data_dir, &["upgrade-check", "--json"]);
    (said.code, serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err)))
}

/// A value as the store keeps it.
fn sealed(payload: &[u8]) -> Vec<u8> {
    let checked = [&[1][..], payload].concat();
    [&[1][..], &crc32fast::hash(&checked).to_le_bytes(), payload].concat()
}

/// All that a store holds: trees, keys, sealed values. The store is copied first, because to open it changes its files.
type Entries = BTreeMap<(String, Vec<u8>), Vec<u8>>;

fn entries(store: &Path) -> Entries {
    let home = tempfile::tempdir().unwrap();
    let copied = home.path().join("store");
    copy(store, &copied);
    let mut found = Entries::new();
    let mut tree = String::new();
    let settings = store::Settings { min_free_bytes: 0, ..store::Settings::new(copied) };
    let exported = with_closed(&settings, |snapshot| {
        snapshot.export(&mut |piece| {
            match piece {
                Piece::Tree(name) => name.clone_into(&mut tree),
                Piece::Entry { key, value } => drop(found.insert((tree.clone(), key.to_vec()), value.to_vec())),
            }
            Ok(())
        })
    });
    assert_eq!(exported.unwrap().unwrap().entries, found.len() as u64);
    found
}

/// Leaves the data as a later Hearth would.
fn make_newer(data_dir: &Path) {
    let (store, newer) = (data_dir.join("store"), data_dir.join("newer"));
    let mut all = entries(&store);
    let meta = |key: &str| (String::from("meta"), key.as_bytes().to_vec());
    all.insert(meta("schema"), sealed((SCHEMA + 1).to_string().as_bytes())).expect("every store has a number");
    all.insert(meta("written_by"), sealed(b"\"9.9.9\""));
    all.insert((String::from("a_tree_of_the_future"), b"k".to_vec()), sealed(b"v"));
    let mut import = Import::begin(&newer).unwrap();
    let mut tree = String::new();
    for ((name, key), value) in &all {
        if *name != tree {
            name.clone_into(&mut tree);
            import.take(Piece::Tree(name)).unwrap();
        }
        import.take(Piece::Entry { key, value }).unwrap();
    }
    import.finish(SCHEMA + 1).unwrap();
    fs::remove_dir_all(&store).unwrap();
    fs::rename(newer, store).unwrap();
}

/// Insists that this program refuses to serve data of the next version, tells both, and changes no byte of them.
fn assert_refused_and_untouched(server: &TestServer, written_by: &str) {
    let before = contents(&server.data_dir());
    let (code, report) = report(&server.data_dir());
    assert_eq!((code, &report["ready"], &report["dataVersion"]), (Some(1), &Value::from(false), &Value::from(SCHEMA + 1)));
    let problem = &report["problems"][0];
    assert!(problem.as_str().unwrap().contains("Use the Hearth that wrote them"), "{problem}");
    let [newer, known] = [format!("data version {}", SCHEMA + 1), format!("up to version {SCHEMA}")];
    let own = concat!("Hearth ", env!("CARGO_PKG_VERSION"));
    for _ in 0..2 {
        let refused = run(&server.data_dir(), &["serve", "--config", server.config_file().to_str().unwrap()]);
        refused.refused(1, &[&newer, &known, &format!("Hearth {written_by}"), own, "Start the newer one"]);
    }
    let after = contents(&server.data_dir());
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    for (path, content) in &before {
        assert!(after[path] == *content, "{} was changed", path.display());
    }
}

#[tokio::test]
async fn upgrade_check_tells_what_would_happen_whether_the_old_server_runs_or_not() {
    let mut server = TestServer::start();
    Person::member(&server, "Ben").await;
    let data_dir = server.data_dir();
    for running in [true, false] {
        if !running {
            assert!(server.stop().success());
        }
        let text = run(&data_dir, &["upgrade-check"]).ok();
        assert!(text.contains("Nothing has to be changed") && text.contains("The upgrade can be done."), "{text}");
        assert_eq!(text.contains("is running on the data"), running, "{text}");
        let (code, report) = report(&data_dir);
        assert_eq!((code, &report["ready"], &report["dataVersion"]), (Some(0), &Value::from(true), &Value::from(SCHEMA)));
        assert_eq!(report["running"].is_string(), running);
        assert_eq!((&report["steps"], &report["problems"]), (&Value::from([""; 0]), &Value::from([""; 0])));
    }
    let nothing = data_dir.join("nothing");
    run(&nothing, &["upgrade-check"]).refused(1, &["there are no data"]);
    assert!(!nothing.exists());
}

#[tokio::test]
async fn r40_newer_data_are_refused_with_both_versions_and_left_as_they_are() {
    let mut server = TestServer::start();
    let ben = Person::member(&server, "Ben").await;
    ben.create("Standup", json!({})).await;
    assert!(server.stop().success());
    let data_dir = server.data_dir();
    make_newer(&data_dir);
    assert_refused_and_untouched(&server, "9.9.9");

    // They can still be backed up, and such a backup is refused as well.
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("newer.backup");
    run(&data_dir, &["backup", file.to_str().unwrap()]).ok();
    let other = home.path().join("other");
    let [newer, known] = [format!("data of version {}", SCHEMA + 1), format!("up to version {SCHEMA}")];
    run(&other, &["restore", file.to_str().unwrap()]).refused(1, &[&newer, &known]);
    assert!(!other.join("store").exists());
}

#[tokio::test]
async fn r40_newer_data_whose_mark_is_gone_are_refused_all_the_same() {
    let mut server = TestServer::start();
    Person::member(&server, "Ben").await;
    assert!(server.stop().success());
    make_newer(&server.data_dir());
    let before = entries(&server.data_dir().join("store"));
    fs::remove_file(server.data_dir().join("store/schema")).unwrap();
    let newer = format!("data version {}", SCHEMA + 1);
    run(&server.data_dir(), &["serve"]).refused(1, &[&newer, "Hearth 9.9.9"]);
    assert!(entries(&server.data_dir().join("store")) == before);
}

/// Puts the committed store of schema 1 into the place of a server's own.
fn plant_the_committed_store(server: &TestServer) -> Entries {
    let store = server.data_dir().join("store");
    fs::remove_dir_all(&store).unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-schema-1"), &store);
    entries(&store)
}

#[tokio::test]
async fn r40_the_committed_store_of_the_first_schema_is_served_with_everything_in_it() {
    let mut server = TestServer::start();
    assert!(server.stop().success());
    let before = plant_the_committed_store(&server);
    server.launch();
    assert!(server.setup_token.is_none(), "it has its administrator");
    let cleo = Person::member(&server, "Cleo").await;
    try_create(&cleo).await.ok();
    assert!(server.stop().success());
    let after = entries(&server.data_dir().join("store"));
    for (key, value) in &before {
        assert!(key.0 == "meta" || after.get(key) == Some(value), "{key:?} is not what it was");
    }
    assert!(after.len() > before.len());
}

/// A later Hearth: the sources at hand with a schema that is one higher, built beside this one.
fn build_the_next() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("the-next-hearth");
    let _ = fs::remove_dir_all(&place);
    copy(&here.join("src"), &place.join("src"));
    for file in ["Cargo.toml", "Cargo.lock", "build.rs"] {
        fs::copy(here.join(file), place.join(file)).unwrap();
    }
    let change = |file: &str, from: &str, to: &str| {
        let text = fs::read_to_string(place.join(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(place.join(file), text.replacen(from, to, 1)).unwrap();
    };
    // Its own name, so that neither takes the place of the other; and no benchmark, whose source is not there.
    let (package, renamed) = ("name = \"hearth\"\nversion = ", "name = \"hearth-next\"\nversion = ");
    change("Cargo.toml", package, renamed);
    change("Cargo.lock", package, renamed);
    change("Cargo.toml", "default-run = \"hearth\"\n", "");
    change("Cargo.toml", "[[bench]]\nname = \"relay\"\npath = \"benches/relay/main.rs\"\nharness = false\n", "");
    change("src/main.rs", "hearth::", "hearth_next::");
    let migrations = "src/store/migrate.rs";
    change(migrations, &format!("SCHEMA: u32 = {SCHEMA};"), &format!("SCHEMA: u32 = {};", SCHEMA + 1));
    let step = format!(
        "steps: &[Step {{ from: {SCHEMA}, tells: \"The meetings are kept under other keys.\", change: |tables, changes| {{
            for entry in tables.scan(Table::Meetings, b\"\") {{
                let (key, value) = entry?;
                changes.put_raw(Table::Meetings, [b\"next:\", &key[..]].concat(), &value)?;
                changes.remove(Table::Meetings, key);
            }}
            Ok(())
        }} }}]"
    );
    change(migrations, "steps: &[]", &step);
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--locked", "--no-default-features", "--bin", "hearth-next", "--manifest-path"])
        .arg(place.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target.join("debug/hearth-next")
}

#[tokio::test]
#[ignore = "builds the program a second time; `make faults` does that"]
async fn r40_the_next_version_migrates_with_a_backup_and_this_one_refuses_what_it_left() {
    let next = build_the_next();
    let by_the_next = vec![String::from("sh"), String::from("-c"), format!("shift; exec {} \"$@\"", next.display()), "sh".into()];
    for committed in [true, false] {
        // What this version leaves: a server's own data, or the store that was committed when schema 1 was made.
        let mut today = TestServer::start();
        let ben = Person::member(&today, "Ben").await;
        let mut rooms = Vec::new();
        for number in 0..5 {
            rooms.push(ben.create(&format!("Standup {number}"), json!({})).await);
        }
        assert!(today.stop().success());
        if committed {
            plant_the_committed_store(&today);
        }
        let before = entries(&today.data_dir().join("store"));
        let meetings = |of: &Entries, next: bool| {
            of.keys().filter(|(tree, key)| tree == "meetings" && key.starts_with(b"next:") == next).count()
        };
        assert!(meetings(&before, false) > 0);

        // The next version migrates them, with a backup first.
        let mut tomorrow = TestServer::with(&Options { run_by: by_the_next.clone(), ..Options::default() });
        assert!(tomorrow.stop().success());
        let data_dir = tomorrow.data_dir();
        fs::remove_dir_all(&data_dir).unwrap();
        copy(&today.data_dir(), &data_dir);
        tomorrow.launch();
        let said = tomorrow.log();
        let (kept, done) = (said.find("the data were backed up before their upgrade"), said.find("took a step of the upgrade"));
        assert!(kept.is_some() && kept < done, "first the backup, then the step: {said}");
        assert!(tomorrow.stop().success());
        let upgraded = entries(&data_dir.join("store"));
        assert_eq!((meetings(&upgraded, false), meetings(&upgraded, true)), (0, meetings(&before, false)));

        // The backup holds the data as they were, entry for entry, and this version restores and serves them.
        let backups = || fs::read_dir(data_dir.join("backups")).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        let [backup] = &backups()[..] else { panic!("{:?}", backups()) };
        assert!(backup.file_name().unwrap().to_string_lossy().starts_with(&format!("before-upgrade-from-v{SCHEMA}-")));
        assert_eq!(inspect(backup).unwrap().header.schema, SCHEMA);
        let mut back = TestServer::start();
        assert!(back.stop().success());
        run(&back.data_dir(), &["restore", backup.to_str().unwrap()]).ok();
        assert!(entries(&back.data_dir().join("store")) == before, "the backup is not what was there before");
        for directory in ["keys", "tls"] {
            let of = |data_dir: &Path| contents(&data_dir.join(directory)).into_values().collect::<Vec<_>>();
            assert!(of(&back.data_dir()) == of(&today.data_dir()), "{directory} is not what it was");
        }
        back.launch();
        if !committed {
            let ben = again(&back, "Ben").await;
            for room in &rooms {
                ben.get(&format!("/api/meetings/{room}")).await.ok();
            }
        }

        // This version refuses what the next one left; that one goes on with it, and does nothing a second time.
        assert_refused_and_untouched(&tomorrow, env!("CARGO_PKG_VERSION"));
        tomorrow.launch();
        if !committed {
            again(&tomorrow, "Ben").await;
        }
        assert!(tomorrow.stop().success());
        assert_eq!(backups().len(), 1);
        println!("r40: {} entries migrated, backed up, restored and compared", before.len());
    }
}
