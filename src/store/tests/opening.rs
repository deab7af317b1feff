use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::super::migrate::{SCHEMA, SCHEMA_KEY};
use super::super::tables::Table;
use super::super::{codec, open};
use super::*;

/// A closed store with `count` accounts.
async fn filled(count: usize) -> (Place, Vec<User>) {
    let place = Place::new();
    let store = place.open();
    let mut users = Vec::new();
    for number in 0..count {
        users.push(store.create_user(somebody(number), at(0)).await.unwrap());
    }
    // A second start writes a snapshot of what the first left.
    place.reopen(store).await.close().await.unwrap();
    (place, users)
}

async fn assert_whole(store: &Store, users: &[User]) {
    for user in users {
        assert_eq!(store.user(user.id).await.unwrap().as_ref(), Some(user));
        assert_eq!(store.user_by_email(&user.email).await.unwrap().as_ref(), Some(user));
    }
}

fn snapshots(place: &Place) -> Vec<String> {
    names(&place.path()).into_iter().filter(|name| name.starts_with("snap.")).collect()
}

#[tokio::test]
async fn r10_a_second_opener_is_told_that_the_directory_is_in_use() {
    let place = Place::new();
    let store = place.open();
    let error = place.try_open().unwrap_err();
    assert_eq!(error, OpenError::Locked { dir: place.path() });
    assert!(error.to_string().starts_with("another Hearth is using this data directory"));
    store.close().await.unwrap();
    place.open();
}

#[tokio::test]
async fn only_the_owner_may_read_the_data() {
    let (place, _) = filled(1).await;
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(place.path().join("db"), fs::Permissions::from_mode(0o644)).unwrap();
    let store = place.open();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.path()), 0o700);
    for name in names(&place.path()) {
        let path = place.path().join(&name);
        assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 }, "{name}");
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn r3_half_written_snapshots_are_removed_and_every_key_is_there() {
    for content in [&b""[..], b"half of a snapshot"] {
        let (place, users) = filled(20).await;
        let planted = place.path().join("snap.FFFFFFFFFFFFFFF0.generating");
        fs::write(&planted, content).unwrap();
        let store = place.open();
        assert!(!planted.exists());
        assert_whole(&store, &users).await;
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn r3_a_damaged_snapshot_is_set_aside_and_every_key_is_there() {
    let (place, users) = filled(20).await;
    let snapshot = snapshots(&place).pop().unwrap();
    let path = place.path().join(&snapshot);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    fs::write(&path, bytes).unwrap();

    let store = place.open();
    assert_whole(&store, &users).await;
    let aside: Vec<_> = names(&place.path()).into_iter().filter(|name| name.starts_with("aside.")).collect();
    assert!(aside.iter().any(|name| name.ends_with(&snapshot)), "{aside:?}");
    assert!(aside.iter().any(|name| name.ends_with(".db")), "{aside:?}");
    store.close().await.unwrap();
}

#[tokio::test]
async fn r2_half_written_settings_of_the_database_are_written_anew() {
    let (place, users) = filled(3).await;
    let path = place.path().join("conf");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
    let store = place.open();
    assert_whole(&store, &users).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn r11_settings_torn_by_a_first_start_that_made_nothing_else_are_written_anew() {
    let whole = fs::read(filled(1).await.0.path().join("conf")).unwrap();
    for (length, data) in [(0, None), (whole.len() / 2, None), (whole.len() - 4, None), (whole.len() - 4, Some(b""))] {
        let place = Place::new();
        fs::create_dir_all(place.path()).unwrap();
        let mut torn = whole.clone();
        torn[length..].fill(0);
        fs::write(place.path().join("conf"), torn).unwrap();
        if let Some(data) = data {
            fs::write(place.path().join("db"), data).unwrap();
        }
        let store = place.open();
        let user = store.create_user(somebody(0), at(0)).await.unwrap();
        let store = place.reopen(store).await;
        assert_whole(&store, &[user]).await;
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn r4_an_emptied_or_missing_data_file_is_damage_and_no_new_database() {
    let (place, _) = filled(3).await;
    let data = place.path().join("db");
    fs::write(&data, b"").unwrap();
    let is_damage = |error| matches!(error, OpenError::Damaged { .. });
    assert!(is_damage(place.try_open().unwrap_err()));
    assert_eq!(fs::metadata(&data).unwrap().len(), 0);

    for name in snapshots(&place) {
        fs::remove_file(place.path().join(name)).unwrap();
    }
    assert!(is_damage(place.try_open().unwrap_err()));
    fs::remove_file(&data).unwrap();
    let error = place.try_open().unwrap_err();
    assert!(error.to_string().contains("restore the latest backup"), "{error}");
    assert!(!data.exists());
}

#[tokio::test]
async fn r4_a_data_file_of_garbage_is_damage_and_is_kept() {
    let (place, _) = filled(3).await;
    let data = place.path().join("db");
    let garbage: Vec<u8> = (0..fs::metadata(&data).unwrap().len()).map(|number| (number * 31 % 253) as u8).collect();
    fs::write(&data, &garbage).unwrap();
    let settings = Settings { open_timeout: Duration::from_secs(5), ..place.settings() };
    let error = Store::open(settings).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. } | OpenError::TimedOut { .. }), "{error:?}");
    let kept = names(&place.path())
        .into_iter()
        .any(|name| name.ends_with("db") && fs::read(place.path().join(name)).unwrap() == garbage);
    assert!(kept);
}

#[tokio::test]
async fn r4_damage_in_the_middle_never_hangs_and_never_gives_wrong_data() {
    for place_of_damage in [0, 1, 20, 300, 4_000, 12_000, 30_000] {
        let (place, users) = filled(60).await;
        let data = place.path().join("db");
        let mut bytes = fs::read(&data).unwrap();
        let end = bytes.len();
        bytes[place_of_damage.min(end - 64)..][..64].fill(0xA7);
        fs::write(&data, bytes).unwrap();
        let settings = Settings { open_timeout: Duration::from_secs(5), ..place.settings() };
        match Store::open(settings) {
            Err(OpenError::Damaged { .. } | OpenError::TimedOut { .. }) => {}
            Err(other) => panic!("{other}"),
            Ok(store) => {
                for user in &users {
                    match store.user(user.id).await {
                        Ok(Some(found)) => assert_eq!(&found, user),
                        Ok(None) | Err(StoreError::Damaged { .. } | StoreError::Degraded | StoreError::Failed(_)) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
                store.close().await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn an_opening_that_takes_too_long_is_given_up() {
    let (place, _) = filled(1).await;
    let settings = Settings { open_timeout: Duration::ZERO, ..place.settings() };
    assert_eq!(Store::open(settings).unwrap_err(), OpenError::TimedOut { dir: place.path(), seconds: 0 });
    // What was opened too late is closed again.
    place.open();
}

#[tokio::test]
async fn r12_data_of_a_newer_schema_is_refused() {
    let (place, _) = filled(1).await;
    let store = place.open();
    plant(&store, Table::Meta, SCHEMA_KEY, &codec::encode(&(SCHEMA + 1)));
    store.close().await.unwrap();
    let error = place.try_open().unwrap_err();
    assert!(matches!(error, OpenError::TooNew { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("data version {}", SCHEMA + 1)));
}

#[tokio::test]
async fn r9_a_directory_that_is_none_is_refused() {
    let place = Place::new();
    fs::write(place.path(), b"a file").unwrap();
    let error = place.try_open().unwrap_err();
    assert!(matches!(error, OpenError::Permission { .. } | OpenError::Failed { .. }), "{error:?}");
    assert_eq!(fs::read(place.path()).unwrap(), b"a file");
}

#[tokio::test]
async fn r6_a_first_start_without_space_is_refused_and_a_later_one_serves_reads() {
    let place = Place::new();
    let hungry = Settings { min_free_bytes: u64::MAX, ..place.settings() };
    assert_eq!(Store::open(hungry.clone()).unwrap_err(), OpenError::NoSpace { dir: place.path() });

    let store = place.open();
    let user = store.create_user(ada(), at(0)).await.unwrap();
    store.close().await.unwrap();
    let store = Store::open(hungry).unwrap();
    assert!(store.is_degraded());
    assert_eq!(store.user(user.id).await.unwrap(), Some(user));
    assert_eq!(store.create_user(somebody(2), at(0)).await, Err(StoreError::NoSpace));
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_store_that_was_dropped_frees_its_directory() {
    let (place, users) = filled(1).await;
    drop(place.open());
    // The writer closes in its own time.
    let lock = loop {
        match open::lock(&place.path()) {
            Ok(lock) => break lock,
            Err(OpenError::Locked { .. }) => tokio::task::yield_now().await,
            Err(other) => panic!("{other}"),
        }
    };
    drop(lock);
    assert_whole(&place.open(), &users).await;
}
