//! `hearth backup` and `hearth restore`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{Outcome, best_effort, say};
use crate::app;
use crate::backup::{self, Claim, ClaimError, Contents, STORE};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::control::{self, Request, Told};
use crate::store::{self, OpenError};

/// Where a backup goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To this file.
    File(PathBuf),
    /// To the standard output.
    Output,
}

impl From<PathBuf> for Target {
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Output } else { Self::File(path) }
    }
}

/// Makes a backup, by the server that runs on the data or else by itself.
pub(super) fn backup(config: &Config, target: &Target, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    match make(config, target, out, err) {
        Ok(()) => Outcome::Done,
        Err(error) => fail(&error, config, err),
    }
}

/// Puts a backup in the place of the data.
pub(super) fn restore(config: &Config, file: &Path, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    match put_back(config, file, out) {
        Ok(outcome) => outcome,
        Err(error) => fail(&error, config, err),
    }
}

fn fail(error: &anyhow::Error, config: &Config, err: &mut dyn Write) -> Outcome {
    best_effort(err, &format!("hearth: {error:#}\n"));
    let damaged = error.downcast_ref().is_some_and(OpenError::calls_for_restore);
    if damaged {
        best_effort(err, &format!("{}\n", app::restore_hint(config)));
        Outcome::Damaged
    } else {
        Outcome::Failed
    }
}

fn make(config: &Config, target: &Target, out: &mut dyn Write, err: &mut dyn Write) -> Result<()> {
    let data_dir = &config.server.data_dir;
    if !data_dir.join(STORE).is_dir() {
        bail!("there are no data in {}; name their directory with --data-dir, or the settings with --config", data_dir.display());
    }
    let bytes = match Claim::take(data_dir) {
        Ok(claim) => by_itself(&claim, target, out),
        Err(ClaimError::InUse { .. }) => by_the_server(data_dir, target, out),
        Err(error) => Err(error.into()),
    }?;
    let told = |what: &str| format!("{what} has the backup ({} kB). Keep it safe: it contains keys.\n", bytes.div_ceil(1000));
    match target {
        Target::File(path) => best_effort(out, &told(&path.display().to_string())),
        Target::Output => best_effort(err, &told("The standard output")),
    }
    for link in backup::links_left_out(data_dir).context("the data directory could not be searched for links")? {
        let link = data_dir.join(link);
        let warning =
            format!("{} is a link: what it leads to is not in the backup. Put the file itself there.\n", link.display());
        best_effort(err, &warning);
    }
    Ok(())
}

fn by_itself(claim: &Claim, target: &Target, out: &mut dyn Write) -> Result<u64> {
    let data_dir = claim.dir();
    let settings = store::Settings { min_free_bytes: 0, ..store::Settings::new(data_dir.join(STORE)) };
    let looked = store::with_closed(&settings, |snapshot| {
        let mut counted = Counted::default();
        match target {
            Target::File(path) => {
                backup::write_file(path, |file| backup::write_archive(snapshot, data_dir, Timestamp::now(), counted.over(file)))
                    .map(drop)
                    .map_err(anyhow::Error::from)
            }
            Target::Output => backup::write_archive(snapshot, data_dir, Timestamp::now(), counted.over(out))
                .map(drop)
                .context("the backup could not be written"),
        }
        .map(|()| counted.bytes)
    });
    // Also after a failure: what root has written must not keep the server from its data.
    claim.give_to_owner(&data_dir.join(STORE)).context("the files of the store could not be given back to their owner")?;
    looked?
}

fn by_the_server(data_dir: &Path, target: &Target, out: &mut dyn Write) -> Result<u64> {
    let Told::Backup { bytes, mut stream } = control::ask(data_dir, Request::Backup)? else {
        bail!("the running Hearth gave no backup; look into its log");
    };
    let mut copy = |to: &mut dyn Write| {
        let copied = io::copy(&mut stream, to)?;
        if copied == bytes { Ok(copied) } else { Err(io::Error::other("the running Hearth broke off; look into its log")) }
    };
    match target {
        Target::File(path) => Ok(backup::write_file(path, |file| copy(file))?),
        Target::Output => copy(out).and_then(|copied| out.flush().map(|()| copied)).context("the backup could not be written"),
    }
}

fn put_back(config: &Config, file: &Path, out: &mut dyn Write) -> Result<Outcome> {
    // Before anything is touched, a directory that is made included.
    let Contents { header, .. } = backup::examine(file).with_context(|| format!("{} was not restored", file.display()))?;
    let data_dir = &config.server.data_dir;
    let claim = Claim::take(data_dir)?;
    let restored = backup::restore(file, &claim).with_context(|| format!("{} was not restored", file.display()))?;
    let summary = restored.contents.summary;
    let mut text = format!(
        "Restored the backup of {} by Hearth {}: {} entries and {} files are in {}.\n",
        header.made_at,
        header.made_by,
        summary.entries,
        summary.files,
        data_dir.display()
    );
    if let Some(kept) = restored.kept {
        text += &format!("The data that were there before are in {}. Delete them when all is well.\n", kept.display());
    }
    Ok(say(out, &text))
}

/// Counts what is written.
#[derive(Default)]
struct Counted {
    bytes: u64,
}

impl Counted {
    fn over<'a>(&'a mut self, out: &'a mut dyn Write) -> impl Write + 'a {
        struct Over<'a>(&'a mut u64, &'a mut dyn Write);
        impl Write for Over<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let written = self.1.write(bytes)?;
                *self.0 += written as u64;
                Ok(written)
            }
            fn flush(&mut self) -> io::Result<()> {
                self.1.flush()
            }
        }
        Over(&mut self.bytes, out)
    }
}
