//! Data of an older version, as they will be when there is a newer one: the fixture is a store of schema 1, and the step is made up.

use std::path::Path;

use super::super::disk::{DataDir, Disk};
use super::super::migrate::Step;
use super::super::tables::{Changes, Table};
use super::*;
use crate::ids::UserId;

/// What the made-up schema does: it writes the addresses in another way.
const NEXT: Plan = Plan {
    schema: SCHEMA + 1,
    steps: &[Step { from: SCHEMA, tells: "The addresses are written in another way.", change: rewrite_addresses }],
};
const FAILING: Plan = Plan { schema: SCHEMA + 1, steps: &[Step { from: SCHEMA, tells: "It fails.", change: fail }] };

fn rewrite_addresses(tables: &Tables, changes: &mut Changes) -> Result<(), StoreError> {
    for entry in tables.scan(Table::UsersByEmail, b"") {
        let (email, id) = entry?;
        changes.put_raw(Table::UsersByEmail, [b"mailto:", &email[..]].concat(), &id)?;
        changes.remove(Table::UsersByEmail, email);
    }
    Ok(())
}

fn fail(tables: &Tables, changes: &mut Changes) -> Result<(), StoreError> {
    rewrite_addresses(tables, changes)?;
    Err(StoreError::Failed(String::from("one of the records can't be brought over")))
}

/// The store of schema 1 that is committed, in a directory of its own.
fn baseline() -> Place {
    let place = Place::new();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-schema-1");
    std::fs::create_dir(place.path()).unwrap();
    for entry in std::fs::read_dir(&fixture).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), place.path().join(entry.file_name())).unwrap();
    }
    place
}

fn open(place: &Place, plan: &Plan, keep: &mut Keep<'_>) -> Result<Store, OpenError> {
    let disk = |dir: &Path| Box::new(DataDir::new(dir)) as Box<dyn Disk>;
    Store::open_on(place.settings(), disk, plan, keep)
}

async fn finds(store: &Store, email: &str) -> bool {
    store.user_by_email(email).await.unwrap().is_some()
}

fn refuse(_: &Snapshot<'_>) -> Result<(), String> {
    panic!("nothing has to be kept")
}

#[tokio::test]
async fn the_committed_store_of_schema_1_is_read_by_this_program() {
    let place = baseline();
    let store = place.open();
    let user = store.user_by_email("ada@example.org").await.unwrap().unwrap();
    assert_eq!((user.name.as_str(), user.role), ("Ada", AccountRole::Admin));
    let all = MeetingFilter { status: None, limit: 10, skip: 0 };
    let (meetings, count) = store.meetings_of(user.id, all).await.unwrap();
    assert_eq!((count, meetings[0].title.as_str()), (1, "Standup"));
    store.close().await.unwrap();
}

#[tokio::test]
async fn r40_older_data_are_backed_up_first_and_then_upgraded() {
    let place = baseline();
    let mut kept = Vec::new();
    let store = open(&place, &NEXT, &mut |snapshot| {
        let mut emails = Vec::new();
        snapshot
            .export(&mut |piece| {
                if let Piece::Entry { key, .. } = piece {
                    emails.push(key.to_vec());
                }
                Ok(())
            })
            .unwrap();
        kept.push((snapshot.schema(), emails.contains(&b"ada@example.org".to_vec())));
        Ok(())
    });
    let store = store.unwrap();
    assert_eq!(kept, [(SCHEMA, true)], "what is backed up is the old data, once");
    assert!(finds(&store, "mailto:ada@example.org").await && !finds(&store, "ada@example.org").await);
    store.close().await.unwrap();

    let store = open(&place, &NEXT, &mut refuse).unwrap();
    assert!(finds(&store, "mailto:ada@example.org").await, "the upgrade is done once");
    store.close().await.unwrap();
    let error = place.try_open().unwrap_err().to_string();
    let [newer, older] = [format!("data version {}", SCHEMA + 1), format!("up to version {SCHEMA}")];
    assert!(error.contains(&newer) && error.contains(&older), "the older program names both versions: {error}");
    assert!(error.contains(&format!("written by Hearth {}", env!("CARGO_PKG_VERSION"))), "{error}");
}

#[tokio::test]
async fn r40_without_a_backup_nothing_is_upgraded() {
    let place = baseline();
    let error = open(&place, &NEXT, &mut |_| Err(String::from("there is no room"))).unwrap_err();
    assert!(matches!(&error, OpenError::NotKept { from: SCHEMA, .. }), "{error}");
    assert!(error.to_string().contains("there is no room"), "{error}");
    let store = place.open();
    assert!(finds(&store, "ada@example.org").await);
    store.close().await.unwrap();
}

#[tokio::test]
async fn r40_a_step_that_fails_changes_nothing() {
    let place = baseline();
    let error = open(&place, &FAILING, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(&error, OpenError::NotMigrated { from: SCHEMA, .. }), "{error}");
    assert!(error.to_string().contains("can't be brought over"), "{error}");
    let store = place.open();
    assert!(finds(&store, "ada@example.org").await);
    store.close().await.unwrap();
}

#[tokio::test]
async fn r40_what_is_backed_up_of_an_interrupted_upgrade_can_be_upgraded_again() {
    let place = baseline();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| open(&place, &NEXT, &mut |_| panic!("killed"))));
    assert!(outcome.is_err());
    let store = open(&place, &NEXT, &mut |_| Ok(())).unwrap();
    assert!(finds(&store, "mailto:ada@example.org").await);
    store.close().await.unwrap();
}

#[tokio::test]
async fn data_of_a_schema_that_never_was_are_damaged() {
    let place = baseline();
    let store = place.open();
    plant(&store, Table::Meta, migrate::SCHEMA_KEY, &codec::encode(&0_u32));
    store.close().await.unwrap();
    assert!(matches!(place.try_open(), Err(OpenError::Damaged { .. })));
}

/// Writes the committed store. Run it by hand before the schema is raised, and never again for the same schema:
/// `cargo test --lib write_the_store_of_this_schema -- --ignored`.
#[tokio::test]
#[ignore = "writes into the repository"]
async fn write_the_store_of_this_schema() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/store-schema-{SCHEMA}"));
    let store = Store::open(Settings { min_free_bytes: 0, ..Settings::new(dir.clone()) }).unwrap();
    store.put_setup_token([7; 32], at(60)).await.unwrap();
    let admin = store.create_first_admin([7; 32], ada(), at(0)).await.unwrap();
    store.create_user(somebody(1), at(0)).await.unwrap();
    store
        .create_meeting(crate::meeting::Meeting { title: String::from("Standup"), ..meetings::meeting(admin.id, 0) })
        .await
        .unwrap();
    store.create_session(sessions::session(UserId::random())).await.unwrap();
    store.close().await.unwrap();
    std::fs::remove_file(dir.join("lock")).unwrap();
    std::fs::remove_dir(dir.join("blobs")).unwrap();
}
