//! What keeps the data: the claim on their directory, the store with its upgrades, the backups, and the socket to ask for one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow};

use super::DamagedData;
use super::listeners::Addresses;
use crate::auth::Auth;
use crate::backup::{self, BackupWatch, Claim, Daily, STORE};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::control::{Answerer, BoxedAnswer, ControlSocket, Given, Reply, Request};
use crate::lifecycle::Tasks;
use crate::store::{self, Snapshot, Store};

/// Where automatic backups lie.
pub fn backup_directory(config: &Config) -> PathBuf {
    config.backup.directory.clone().unwrap_or_else(|| config.server.data_dir.join(backup::BACKUPS))
}

/// Where the units in `systemd/` keep the data.
const SERVICE_DATA: &str = "/var/lib/hearth";

/// What to do about data that can't be read, as a sentence with the commands.
pub fn restore_hint(config: &Config) -> String {
    let (data_dir, directory) = (&config.server.data_dir, backup_directory(config));
    let is_service = data_dir == Path::new(SERVICE_DATA) && Path::new("/run/systemd/system").is_dir();
    match backup::newest(&directory) {
        Some(newest) => format!("Put the newest automatic backup in place. {}", restore_steps(data_dir, &newest, is_service)),
        None => format!(
            "There is no automatic backup in {}. If you have one elsewhere, put it in place. {}",
            directory.display(),
            restore_steps(data_dir, Path::new("FILE"), is_service)
        ),
    }
}

/// With its sockets open, systemd would start the server again for whoever connects while the data are being restored.
fn restore_steps(data_dir: &Path, file: &Path, is_service: bool) -> String {
    let restore = format!("hearth restore --data-dir {} {}", data_dir.display(), file.display());
    if is_service {
        format!("Type:\nsudo systemctl stop hearth.socket hearth\nsudo {restore}\nsudo systemctl start hearth")
    } else {
        format!("Stop Hearth, and type: {restore}")
    }
}

/// The right to the data directory. Whoever starts a second server on the same data hears of that and of nothing else.
pub(super) fn claim(config: &Config) -> Result<Claim> {
    Ok(Claim::take_to_serve(&config.server.data_dir)?)
}

/// Opens the store. Data of an older version are backed up and then upgraded.
pub(super) fn open_store(config: &Config) -> Result<Store> {
    let data_dir = &config.server.data_dir;
    let mut keep = |snapshot: &Snapshot<'_>| {
        let kept = backup::before_upgrade(snapshot, data_dir, &backup_directory(config), Timestamp::now())?;
        tracing::info!(file = %kept.display(), "the data were backed up before their upgrade");
        Ok(())
    };
    Store::open_migrating(store::Settings::new(data_dir.join(STORE)), &mut keep).map_err(|error| {
        if error.calls_for_restore() { anyhow!("{error}.\n{}", restore_hint(config)).context(DamagedData) } else { error.into() }
    })
}

/// Starts the daily backups, and answers commands.
pub(super) fn start(config: &Config, store: &Store, doors: (&Auth, &Addresses), tasks: &Tasks) -> BackupWatch {
    let data_dir = config.server.data_dir.clone();
    match ControlSocket::bind(&data_dir) {
        Ok(socket) => {
            let (auth, addresses) = (doors.0.clone(), doors.1.clone());
            let answers = Answers { data_dir: data_dir.clone(), store: store.clone(), auth, addresses };
            tasks.spawn(socket.serve(Arc::new(answers), tasks.clone()));
        }
        Err(error) => tracing::warn!(%error, "commands can't ask this server: `hearth backup` works only while it is stopped"),
    }
    let daily =
        Daily { data_dir, directory: backup_directory(config), enabled: config.backup.daily, keep: config.backup.keep as usize };
    backup::keep_daily(daily, store.clone(), tasks)
}

/// What this server answers to commands.
struct Answers {
    data_dir: PathBuf,
    store: Store,
    auth: Auth,
    addresses: Addresses,
}

impl Answerer for Answers {
    fn answer(&self, request: Request) -> BoxedAnswer {
        let (data_dir, store) = (self.data_dir.clone(), self.store.clone());
        let (auth, addresses) = (self.auth.clone(), self.addresses.clone());
        Box::pin(async move {
            match request {
                Request::Version => {
                    Given::Words(Reply::Version { version: String::from(env!("CARGO_PKG_VERSION")), schema: store::SCHEMA })
                }
                Request::SetupLink => Given::Words(match auth.setup_token(Timestamp::now()).await {
                    Ok(Some(token)) => Reply::SetupLink { links: addresses.setup_links(&token) },
                    Ok(None) => Reply::Refused {
                        message: String::from("there are accounts already, so there is no setup link; sign in as the admin"),
                    },
                    Err(error) => Reply::Refused { message: error.to_string() },
                }),
                Request::Backup => match backup::of_running(&store, data_dir, Timestamp::now()).await {
                    Ok((file, _)) => Given::Backup(file),
                    Err(message) => Given::Words(Reply::Refused { message }),
                },
            }
        })
    }
}
