//! A disk that fails, from the moment it is told to.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;

use super::super::disk::{DataDir, Disk};
use super::*;
use crate::ids::UserId;

#[derive(Clone, Default)]
struct Faults {
    full: Arc<AtomicBool>,
    failing: Arc<AtomicBool>,
}

struct FaultyDisk {
    real: DataDir,
    faults: Faults,
}

impl FaultyDisk {
    fn refuse(&self) -> io::Result<()> {
        if self.faults.failing.load(Ordering::SeqCst) { Err(io::Error::other("the test's disk fails")) } else { Ok(()) }
    }
}

impl Disk for FaultyDisk {
    fn free_bytes(&self) -> io::Result<u64> {
        Ok(if self.faults.full.load(Ordering::SeqCst) { 0 } else { 1 << 30 })
    }

    fn attach(&mut self) -> io::Result<()> {
        self.real.attach()
    }

    fn sync(&self) -> io::Result<()> {
        self.refuse()?;
        self.real.sync()
    }

    fn probe(&self) -> io::Result<()> {
        self.refuse()?;
        self.real.probe()
    }

    fn rewrite(&self) -> io::Result<()> {
        self.refuse()?;
        self.real.rewrite()
    }
}

fn open_with(place: &Place, faults: &Faults) -> Store {
    let settings = Settings { min_free_bytes: 1, ..place.settings() };
    let faults = faults.clone();
    let disk = |dir: &Path| Box::new(FaultyDisk { real: DataDir::new(dir), faults }) as Box<dyn Disk>;
    Store::open_on(settings, disk, &Plan::CURRENT, &mut |_| Ok(())).unwrap()
}

async fn recovery(store: &Store) {
    while store.is_degraded() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_writer_that_refuses_answers_all_the_same_and_one_that_is_gone_does_not() {
    let (place, faults) = (Place::new(), Faults::default());
    let store = open_with(&place, &faults);
    assert!(store.answer().await);
    for fault in [&faults.full, &faults.failing] {
        fault.store(true, Ordering::SeqCst);
        assert!(store.create_user(somebody(2), at(0)).await.is_err());
        assert!(store.is_degraded() && store.answer().await);
        fault.store(false, Ordering::SeqCst);
        recovery(&store).await;
    }
    store.close().await.unwrap();
    assert!(!store.answer().await);
}

#[tokio::test]
async fn r5_a_full_disk_refuses_writes_serves_reads_and_recovers_by_itself() {
    let (place, faults) = (Place::new(), Faults::default());
    let store = open_with(&place, &faults);
    let user = store.create_user(ada(), at(0)).await.unwrap();

    faults.full.store(true, Ordering::SeqCst);
    assert_eq!(store.create_user(somebody(2), at(0)).await, Err(StoreError::NoSpace));
    assert!(store.is_degraded());
    assert_eq!(store.user(user.id).await.unwrap().as_ref(), Some(&user));
    assert_eq!(store.user_by_email("person2@example.org").await.unwrap(), None);

    faults.full.store(false, Ordering::SeqCst);
    recovery(&store).await;
    let second = store.create_user(somebody(2), at(0)).await.unwrap();
    let store = place.reopen(store).await;
    assert_eq!(store.user(user.id).await.unwrap(), Some(user));
    assert_eq!(store.user(second.id).await.unwrap(), Some(second));
}

#[tokio::test]
async fn r7_nothing_is_acknowledged_when_the_disk_fails_and_all_before_is_kept() {
    let (place, faults) = (Place::new(), Faults::default());
    let store = open_with(&place, &faults);
    let user = store.create_user(ada(), at(0)).await.unwrap();

    faults.failing.store(true, Ordering::SeqCst);
    let (one, two) = tokio::join!(store.create_user(somebody(1), at(0)), store.create_user(somebody(2), at(0)));
    assert_eq!((one, two), (Err(StoreError::Degraded), Err(StoreError::Degraded)));
    assert!(store.is_degraded());
    assert_eq!(store.set_password_hash(user.id, String::from("new")).await, Err(StoreError::Degraded));
    assert_eq!(store.user(user.id).await.unwrap().as_ref(), Some(&user));

    faults.failing.store(false, Ordering::SeqCst);
    recovery(&store).await;
    assert_eq!(store.user(user.id).await.unwrap().as_ref(), Some(&user));
    assert!(store.set_password_hash(user.id, String::from("new")).await.unwrap());
    let store = place.reopen(store).await;
    assert_eq!(store.user(user.id).await.unwrap().unwrap().password_hash.expose(), "new");
}

#[tokio::test]
async fn r9_a_data_directory_that_went_away_is_an_error_and_no_new_database() {
    let (place, faults) = (Place::new(), Faults::default());
    let store = open_with(&place, &faults);
    let user = store.create_user(ada(), at(0)).await.unwrap();
    let elsewhere = place.path().with_extension("moved");
    std::fs::rename(place.path(), &elsewhere).unwrap();

    assert_eq!(store.create_user(somebody(2), at(0)).await, Err(StoreError::Degraded));
    assert!(store.is_degraded());
    assert_eq!(store.user(user.id).await.unwrap().as_ref(), Some(&user));
    assert!(!place.path().exists());

    std::fs::rename(&elsewhere, place.path()).unwrap();
    recovery(&store).await;
    assert_eq!(store.user(user.id).await.unwrap(), Some(user));
    store.create_user(somebody(3), at(0)).await.unwrap();
}

#[tokio::test]
async fn a_store_closes_while_its_disk_fails() {
    let (place, faults) = (Place::new(), Faults::default());
    let store = open_with(&place, &faults);
    let user = store.create_user(ada(), at(0)).await.unwrap();
    faults.failing.store(true, Ordering::SeqCst);
    assert!(store.create_user(somebody(2), at(0)).await.is_err());
    assert!(matches!(store.close().await, Err(StoreError::Failed(_))));
    assert_eq!(place.open().user(user.id).await.unwrap(), Some(user));
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_finishes_what_was_begun_and_refuses_what_comes_after() {
    let place = Place::new();
    let store = place.open();
    let mut writes = tokio::task::JoinSet::new();
    for number in 0..100 {
        let store = store.clone();
        writes.spawn(async move { store.create_user(somebody(number), at(0)).await });
    }
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let outcomes = writes.join_all().await;
    store.close().await.unwrap();
    assert_eq!(store.create_user(ada(), at(0)).await, Err(StoreError::Closed));
    assert_eq!(store.user(UserId::random()).await, Err(StoreError::Closed));
    assert!(!store.is_degraded());

    let store = place.open();
    for outcome in outcomes {
        match outcome {
            Ok(user) => assert_eq!(store.user(user.id).await.unwrap(), Some(user)),
            Err(error) => assert_eq!(error, StoreError::Closed),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_writes_beyond_the_queue_are_refused_at_once() {
    let place = Place::new();
    let store = place.open();
    let (entered, has_entered) = sync_channel(1);
    let (release, released) = sync_channel::<()>(0);
    let blocker = store.clone();
    let mut blocking = tokio::task::JoinSet::new();
    blocking.spawn(async move {
        let step = blocker.write(move |_, _| {
            entered.send(()).unwrap();
            // Until the other end is dropped.
            assert!(released.recv().is_err());
            Ok(())
        });
        step.await
    });
    tokio::task::spawn_blocking(move || has_entered.recv()).await.unwrap().unwrap();

    for _ in 0..QUEUE {
        assert_eq!(store.put_setup_token([1; 32], at(0)).now_or_never(), None);
    }
    assert_eq!(store.put_setup_token([1; 32], at(0)).now_or_never(), Some(Err(StoreError::Busy)));
    assert!(!store.has_users().await.unwrap());

    drop(release);
    assert_eq!(blocking.join_all().await, [Ok(())]);
    while store.create_user(ada(), at(0)).await == Err(StoreError::Busy) {
        tokio::task::yield_now().await;
    }
    assert!(store.has_users().await.unwrap());
}

#[tokio::test]
async fn r30_a_panic_inside_a_write_acknowledges_nothing_and_the_store_recovers() {
    let (place, faults) = (Place::new(), Faults::default());
    let store = open_with(&place, &faults);
    let user = store.create_user(ada(), at(0)).await.unwrap();
    let outcome: Result<(), _> = store.write(|_, _| panic!("as a damaged page makes the database do")).await;
    assert_eq!(outcome, Err(StoreError::Degraded));
    recovery(&store).await;
    assert_eq!(store.user(user.id).await.unwrap(), Some(user));
    store.create_user(somebody(2), at(0)).await.unwrap();
}
