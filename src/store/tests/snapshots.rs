use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::tables::Table;
use super::*;
use crate::ids::UserId;

type Trees = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

fn export(snapshot: &Snapshot<'_>) -> (Trees, Exported) {
    let (mut trees, mut current) = (Trees::new(), String::new());
    let exported = snapshot.export(&mut |piece| {
        match piece {
            Piece::Tree(name) => {
                current = name.to_owned();
                trees.insert(current.clone(), BTreeMap::new());
            }
            Piece::Entry { key, value } => {
                trees.get_mut(&current).unwrap().insert(key.to_vec(), value.to_vec());
            }
        }
        Ok(())
    });
    (trees, exported.unwrap())
}

/// A store made of an export.
fn import(trees: &Trees) -> Place {
    let place = Place::new();
    let mut import = Import::begin(&place.path()).unwrap();
    for (name, entries) in trees {
        import.take(Piece::Tree(name)).unwrap();
        for (key, value) in entries {
            import.take(Piece::Entry { key, value }).unwrap();
        }
    }
    let entries = trees.values().map(BTreeMap::len).sum::<usize>() as u64;
    assert_eq!(import.finish(SCHEMA).unwrap(), entries);
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_snapshot_under_load_has_every_acknowledged_write_and_none_in_part() {
    let place = Place::new();
    let store = place.open();
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..6 {
        let (store, stop, acknowledged) = (store.clone(), Arc::clone(&stop), Arc::clone(&acknowledged));
        writers.spawn(async move {
            for number in 0.. {
                let user = store.create_user(somebody(writer * 1_000_000 + number), at(0)).await.unwrap();
                locked(&acknowledged).push(user.id);
                if stop.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
    }
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let before = locked(&acknowledged).clone();
        let (trees, exported) = store.with_snapshot(export).await.unwrap();
        assert_eq!(exported.entries as usize, trees.values().map(BTreeMap::len).sum::<usize>());
        let (users, emails) = (&trees["users"], &trees["users_by_email"]);
        for id in before {
            assert!(users.contains_key(id.as_bytes().as_slice()), "an acknowledged account is missing");
        }
        assert_eq!(users.len(), emails.len(), "each account and its address are one write");
    }
    stop.store(true, Ordering::SeqCst);
    writers.join_all().await;
}

#[tokio::test]
async fn r12_a_store_made_of_an_export_is_the_same_store() {
    let place = Place::new();
    let store = place.open();
    let user = store.create_user(ada(), at(0)).await.unwrap();
    store.put_setup_token([7; 32], at(60)).await.unwrap();
    let (trees, exported) = store.with_snapshot(export).await.unwrap();
    assert_eq!((exported.damaged, trees.len()), (0, 9));
    store.close().await.unwrap();
    let (closed, schema) = with_closed(&place.settings(), |snapshot| (export(snapshot).0, snapshot.schema())).unwrap();
    assert_eq!((&closed, schema), (&trees, SCHEMA));

    let other = import(&trees);
    let store = other.open();
    assert_eq!(store.user_by_email("ada@example.org").await.unwrap(), Some(user));
    assert_eq!(store.with_snapshot(export).await.unwrap().0, trees);
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_damaged_value_passes_through_as_it_is_and_is_counted() {
    let place = Place::new();
    let store = place.open();
    let user = store.create_user(ada(), at(0)).await.unwrap();
    plant(&store, Table::Users, user.id.as_bytes(), b"garbage");
    let (trees, exported) = store.with_snapshot(export).await.unwrap();
    assert_eq!((exported.damaged, &trees["users"][user.id.as_bytes().as_slice()][..]), (1, &b"garbage"[..]));
}

#[tokio::test]
async fn r5_with_little_space_a_snapshot_can_still_be_taken() {
    let place = Place::new();
    let store = place.open();
    let user = store.create_user(ada(), at(0)).await.unwrap();
    store.close().await.unwrap();
    let store = Store::open(Settings { min_free_bytes: u64::MAX, ..place.settings() }).unwrap();
    assert_eq!(store.create_user(somebody(2), at(0)).await, Err(StoreError::NoSpace));
    let (trees, _) = store.with_snapshot(export).await.unwrap();
    assert!(trees["users"].contains_key(user.id.as_bytes().as_slice()));
}

#[tokio::test]
async fn a_panic_while_somebody_looks_breaks_nothing_else() {
    let place = Place::new();
    let store = place.open();
    let outcome: Result<(), _> = store.with_snapshot(|_| panic!("as a damaged page makes the database do")).await;
    assert!(matches!(outcome, Err(StoreError::Failed(_))));
    assert!(!store.is_degraded());
    store.create_user(ada(), at(0)).await.unwrap();
}

#[test]
fn f7_what_no_export_has_is_not_taken() {
    let place = Place::new();
    let mut import = Import::begin(&place.path()).unwrap();
    assert!(import.take(Piece::Entry { key: b"key", value: b"value" }).is_err(), "there is no tree");
    for name in ["", "__sled__default", "Users", "../x", &"n".repeat(65)] {
        assert!(import.take(Piece::Tree(name)).is_err(), "{name}");
    }
    import.take(Piece::Tree("users")).unwrap();
    assert!(import.take(Piece::Entry { key: b"", value: b"value" }).is_err(), "there is no key");
    assert!(import.take(Piece::Entry { key: b"key", value: &[0; 64 * 1024] }).is_err(), "it is too large");
    import.take(Piece::Entry { key: b"key", value: b"value" }).unwrap();
    assert!(import.take(Piece::Entry { key: b"key", value: b"value" }).is_err(), "it stands there twice");
    assert!(import.finish(SCHEMA).is_err(), "it tells no schema");
    assert!(matches!(Import::begin(&place.path()), Err(OpenError::Failed { .. })), "there is something already");
}

#[tokio::test]
async fn an_import_of_another_schema_than_it_tells_is_refused() {
    let place = Place::new();
    let store = place.open();
    store.create_user(NewUser { email: UserId::random().to_string(), ..ada() }, at(0)).await.unwrap();
    let (trees, _) = store.with_snapshot(export).await.unwrap();
    let other = Place::new();
    let mut import = Import::begin(&other.path()).unwrap();
    for (name, entries) in &trees {
        import.take(Piece::Tree(name)).unwrap();
        entries.iter().for_each(|(key, value)| import.take(Piece::Entry { key, value }).unwrap());
    }
    assert!(import.finish(SCHEMA + 1).is_err());
}

#[tokio::test]
async fn while_everything_is_looked_at_for_long_the_writer_counts_as_alive() {
    let place = Place::new();
    let store = place.open();
    store.create_user(ada(), at(1)).await.unwrap();
    let (told, enough) = (AtomicBool::new(false), Arc::new(AtomicBool::new(false)));
    let until = Arc::clone(&enough);
    let long = store.with_snapshot(move |snapshot| {
        while !until.load(Ordering::Relaxed) {
            snapshot.export(&mut |_| Ok(())).unwrap();
        }
    });
    let alive = async {
        told.store(store.answer().await, Ordering::Relaxed);
        enough.store(true, Ordering::Relaxed);
    };
    let (looked, ()) = tokio::join!(long, alive);
    looked.unwrap();
    assert!(told.load(Ordering::Relaxed));
}
