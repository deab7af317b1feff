//! The automatic backups.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::make::{of_running, refuse_without_room, write_archive, write_file};
use super::{STORE, names};
use crate::clock::Timestamp;
use crate::lifecycle::Tasks;
use crate::private_files::make_directory;
use crate::store::{Snapshot, Store};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Until the first look, so that it doesn't slow down the start.
const FIRST_LOOK: Duration = Duration::from_secs(3);
/// Between two looks at whether one is due.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// After a failure.
const RETRY_AFTER: Duration = Duration::from_secs(3600);
/// What the automatic backups need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daily {
    /// What is backed up.
    pub data_dir: PathBuf,
    /// Where the backups lie. Made with mode 0700 when it is not there.
    pub directory: PathBuf,
    /// Whether one is made each day.
    pub enabled: bool,
    /// How many are kept; at least one.
    pub keep: usize,
}

/// How the automatic backups fare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupStatus {
    /// Whether one is made each day.
    pub enabled: bool,
    /// Where they lie.
    pub directory: PathBuf,
    /// When the newest was made that is whole; one of a time to come, left by a clock that was wrong, counts for none.
    pub last_at: Option<Timestamp>,
    /// Why the last attempt failed, until one succeeds.
    pub last_error: Option<String>,
}

impl BackupStatus {
    /// What keeps backups from being made, as a sentence with the mend.
    pub fn problem(&self) -> Option<String> {
        let error = self.last_error.as_deref()?.trim_end_matches('.');
        Some(format!(
            "The daily backup could not be made: {error}. Mend that, or set backup.directory to a place with room; it is tried again \
             every hour."
        ))
    }
}

/// Tells how the automatic backups fare. All clones are one.
#[derive(Clone, Debug, Default)]
pub struct BackupWatch(Arc<Mutex<BackupStatus>>);

impl BackupWatch {
    /// As it is at present.
    pub fn status(&self) -> BackupStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut BackupStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Makes a backup each day for as long as the program runs, the first when the data are a day old. A failure is a warning, stands in
/// the status, and is tried again after an hour.
pub fn keep_daily(settings: Daily, store: Store, tasks: &Tasks) -> BackupWatch {
    let watch = BackupWatch::default();
    watch.change(|status| {
        status.enabled = settings.enabled;
        status.directory.clone_from(&settings.directory);
    });
    let (told, stop) = (watch.clone(), tasks.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = stop.stopping() => {}
            () = work(settings, store, told) => {}
        }
    });
    watch
}

/// The newest daily backup in a directory.
pub fn newest(directory: &Path) -> Option<PathBuf> {
    list(directory).ok()?.pop()
}

/// Makes the backup that goes before an upgrade of the data, and says where it is.
///
/// # Errors
/// When there is no room for it, or it can't be written.
pub fn before_upgrade(snapshot: &Snapshot<'_>, data_dir: &Path, directory: &Path, now: Timestamp) -> Result<PathBuf, String> {
    let path = directory.join(names::before_upgrade(snapshot.schema(), now));
    prepare(data_dir, directory)?;
    write_file(&path, |file| write_archive(snapshot, data_dir, now, file)).map_err(|error| error.to_string())?;
    Ok(path)
}

async fn work(settings: Daily, store: Store, watch: BackupWatch) {
    let last_at = on_the_disk(&settings, |settings| last_made(settings, Timestamp::now())).await;
    watch.change(|status| status.last_at = last_at.flatten());
    if !settings.enabled {
        return;
    }
    tokio::time::sleep(FIRST_LOOK).await;
    loop {
        let now = Timestamp::now();
        let mut pause = LOOK_EVERY;
        if on_the_disk(&settings, move |settings| is_due(settings, now)).await.unwrap_or_default() {
            match attempt(&settings, &store, now).await {
                Ok(()) => watch.change(|status| (status.last_at, status.last_error) = (Some(now), None)),
                Err(error) => {
                    tracing::warn!(%error, "the daily backup could not be made; it is tried again in an hour");
                    watch.change(|status| status.last_error = Some(error));
                    pause = RETRY_AFTER;
                }
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Looks at the disk on a thread that may wait for it. `None` when the program ends meanwhile.
async fn on_the_disk<T: Send + 'static>(settings: &Daily, look: impl FnOnce(&Daily) -> T + Send + 'static) -> Option<T> {
    let settings = settings.clone();
    tokio::task::spawn_blocking(move || look(&settings)).await.ok()
}

/// When the newest backup was made. A time in the future, left by a clock that was wrong, counts for none.
fn last_made(settings: &Daily, now: Timestamp) -> Option<Timestamp> {
    let made = list(&settings.directory).unwrap_or_default();
    made.iter().rev().filter_map(|path| time_of(path)).find(|time| *time <= now)
}

/// Whether the newest backup, or else the store, is a day old.
fn is_due(settings: &Daily, now: Timestamp) -> bool {
    let since = last_made(settings, now).or_else(|| created_at(&settings.data_dir).filter(|time| *time <= now));
    since.is_none_or(|since| now.since(since) >= DAY)
}

async fn attempt(settings: &Daily, store: &Store, now: Timestamp) -> Result<(), String> {
    if store.is_degraded() {
        return Err(String::from("The store takes no writes at present: its disk is full or fails"));
    }
    let (made, summary) = of_running(store, settings.data_dir.clone(), now).await?;
    let wanted = settings.clone();
    let put = tokio::task::spawn_blocking(move || put(made, &wanted, now)).await;
    let path = put.unwrap_or_else(|_| Err(String::from("It was given up")))?;
    tracing::info!(file = %path.display(), summary.entries, summary.files, "a daily backup was made");
    if summary.damaged > 0 {
        tracing::warn!(values = summary.damaged, "parts of the store are damaged; older backups are all kept");
        return Ok(());
    }
    let settings = settings.clone();
    let thinned = tokio::task::spawn_blocking(move || thin(&settings.directory, settings.keep, now)).await;
    match thinned {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "old backups could not be removed"),
        Err(_) => tracing::warn!("old backups could not be removed"),
    }
    Ok(())
}

/// Puts a backup into the directory, which may be on another disk.
fn put(mut made: File, settings: &Daily, now: Timestamp) -> Result<PathBuf, String> {
    prepare(&settings.data_dir, &settings.directory)?;
    let path = settings.directory.join(names::daily(now));
    write_file(&path, |file| io::copy(&mut made, file)).map_err(|error| error.to_string())?;
    Ok(path)
}

/// Makes the directory, where there is room.
fn prepare(data_dir: &Path, directory: &Path) -> Result<(), String> {
    refuse_without_room(data_dir, directory)?;
    make_directory(directory).map_err(|error| format!("{} can't be made: {error}", directory.display()))
}

/// Removes the oldest beyond the newest `keep`. Those of a time to come, left by a clock that was wrong, go first.
fn thin(directory: &Path, keep: usize, now: Timestamp) -> io::Result<()> {
    let mut made = list(directory)?;
    made.sort_by_key(|path| time_of(path).is_some_and(|time| time <= now));
    made.iter().take(made.len().saturating_sub(keep.max(1))).try_for_each(fs::remove_file)
}

/// The daily backups, oldest first.
fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let names = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut made: Vec<_> = names.into_iter().filter(|path| time_of(path).is_some()).collect();
    made.sort();
    Ok(made)
}

fn time_of(path: &Path) -> Option<Timestamp> {
    names::made_at(path.file_name()?.to_str()?)
}

/// When the store was made.
fn created_at(data_dir: &Path) -> Option<Timestamp> {
    Timestamp::of_writing(&fs::metadata(data_dir.join(STORE).join("created")).ok()?)
}

#[cfg(test)]
mod tests {
    use super::super::restore::inspect;
    use super::*;
    use crate::store;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn settings(home: &Path) -> Daily {
        Daily { data_dir: home.to_owned(), directory: home.join("backups"), enabled: true, keep: 3 }
    }

    fn plant(settings: &Daily, times: &[&str]) {
        fs::create_dir_all(&settings.directory).unwrap();
        for time in times {
            fs::write(settings.directory.join(names::daily(at(time))), "a backup").unwrap();
        }
    }

    #[test]
    fn a_backup_is_due_a_day_after_the_last_and_not_before() {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path());
        plant(&settings, &["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]);
        assert!(!is_due(&settings, at("2026-01-02T23:59:59Z")));
        assert!(is_due(&settings, at("2026-01-03T00:00:00Z")));
    }

    #[test]
    fn r13_a_backup_from_the_future_does_not_keep_others_from_being_made() {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path());
        plant(&settings, &["2026-01-01T00:00:00Z", "2036-01-02T00:00:00Z"]);
        assert!(!is_due(&settings, at("2026-01-01T12:00:00Z")));
        assert!(is_due(&settings, at("2026-01-02T12:00:00Z")));
    }

    #[test]
    fn only_the_newest_are_kept_and_nothing_else_is_touched() {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path());
        plant(
            &settings,
            &[
                "2026-01-05T00:00:00Z",
                "2026-01-01T00:00:00Z",
                "2026-01-03T00:00:00Z",
                "2026-01-04T00:00:00Z",
                "2026-01-02T00:00:00Z",
            ],
        );
        fs::write(settings.directory.join("my own.backup"), "").unwrap();
        thin(&settings.directory, 3, at("2030-01-01T00:00:00Z")).unwrap();
        let left: Vec<_> = list(&settings.directory).unwrap().iter().filter_map(|path| time_of(path)).collect();
        assert_eq!(left, [at("2026-01-03T00:00:00Z"), at("2026-01-04T00:00:00Z"), at("2026-01-05T00:00:00Z")]);
        assert!(settings.directory.join("my own.backup").exists());
        assert_eq!(newest(&settings.directory).and_then(|path| time_of(&path)), Some(at("2026-01-05T00:00:00Z")));
    }

    #[test]
    fn r13_backups_of_a_time_to_come_go_before_the_one_just_made() {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path());
        let now = at("2026-01-01T00:00:00Z");
        plant(&settings, &["2036-01-01T00:00:00Z", "2036-01-02T00:00:00Z", "2026-01-01T00:00:00Z"]);
        thin(&settings.directory, 1, now).unwrap();
        assert_eq!(newest(&settings.directory).and_then(|path| time_of(&path)), Some(now));
        assert!(!is_due(&settings, now));
    }

    #[tokio::test]
    async fn r40_the_backup_before_an_upgrade_is_named_for_the_version_and_stays() {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path());
        let of_the_store = store::Settings { min_free_bytes: 0, ..store::Settings::new(home.path().join(STORE)) };
        Store::open(of_the_store.clone()).unwrap().close().await.unwrap();
        let now = at("2026-01-02T03:04:05Z");
        let keep = |snapshot: &Snapshot<'_>| before_upgrade(snapshot, &settings.data_dir, &settings.directory, now);
        let file = store::with_closed(&of_the_store, keep).unwrap().unwrap();
        assert_eq!(file, settings.directory.join("before-upgrade-from-v1-20260102T030405Z.backup"));
        assert_eq!(inspect(&file).unwrap().header.made_at, now);
        thin(&settings.directory, 1, at("2030-01-01T00:00:00Z")).unwrap();
        assert!(file.exists());
    }

    #[test]
    fn without_room_there_is_no_backup_and_the_reason_is_told() {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path());
        fs::create_dir(home.path().join("store")).unwrap();
        // Four tebibytes of nothing are more than this disk has free, and take no room on it.
        File::create(home.path().join("store/db")).unwrap().set_len(1 << 42).unwrap();
        let error = refuse_without_room(&settings.data_dir, &settings.directory).unwrap_err();
        assert!(error.contains("not enough room") && error.contains("MiB are free"), "{error}");
    }
}
