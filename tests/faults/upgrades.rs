//! Data of other versions, and looking before one leaps.

use std::path::Path;

use hearth::store::{Import, Piece, SCHEMA};
use serde_json::Value;

use crate::harness::{Person, TestServer};
use crate::tools::{contents, hearth, run, said};

fn report(data_dir: &Path) -> (Option<i32>, Value) {
    let said = run(data_dir, &["upgrade-check", "--json"]);
    (said.code, serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err)))
}

/// A value as the store keeps it.
fn sealed(payload: &[u8]) -> Vec<u8> {
    let checked = [&[1][..], payload].concat();
    [&[1][..], &crc32fast::hash(&checked).to_le_bytes(), payload].concat()
}

/// Data as a later Hearth would write them.
fn newer_data(data_dir: &Path) {
    let mut import = Import::begin(&data_dir.join("store")).unwrap();
    import.take(Piece::Tree("meta")).unwrap();
    let schema = sealed((SCHEMA + 1).to_string().as_bytes());
    import.take(Piece::Entry { key: b"schema", value: &schema }).unwrap();
    import.take(Piece::Entry { key: b"written_by", value: &sealed(b"\"9.9.9\"") }).unwrap();
    import.take(Piece::Tree("a_tree_of_the_future")).unwrap();
    import.take(Piece::Entry { key: b"k", value: &sealed(b"v") }).unwrap();
    import.finish(SCHEMA + 1).unwrap();
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
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().join("data");
    newer_data(&data_dir);
    let of_the_future = |data_dir: &Path| {
        let mut found = contents(data_dir);
        found.retain(|path, _| path.ends_with("db"));
        found
    };
    let before = of_the_future(&data_dir);
    let [newer, known] = [format!("data version {}", SCHEMA + 1), format!("up to version {SCHEMA}")];
    let words = [newer.as_str(), known.as_str(), "Hearth 9.9.9", concat!("Hearth ", env!("CARGO_PKG_VERSION"))];
    for _ in 0..2 {
        said(hearth(&data_dir, &["serve"]).output().unwrap()).refused(1, &words);
    }
    assert_eq!(of_the_future(&data_dir).len(), before.len());
    let (code, report) = report(&data_dir);
    assert_eq!((code, &report["ready"], &report["dataVersion"]), (Some(1), &Value::from(false), &Value::from(SCHEMA + 1)));
    assert!(report["problems"][0].as_str().unwrap().contains("Use the Hearth that wrote them"), "{report}");

    // They can still be backed up, and such a backup is refused as well.
    let file = home.path().join("newer.backup");
    run(&data_dir, &["backup", file.to_str().unwrap()]).ok();
    let other = home.path().join("other");
    run(&other, &["restore", file.to_str().unwrap()]).refused(1, &["data of version 2", "up to version 1"]);
    assert!(!other.join("store").exists());
}
