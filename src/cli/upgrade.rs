//! `hearth upgrade-check`, to be run with the new program before the old one is stopped.

use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::{Outcome, best_effort, say};
use crate::app;
use crate::backup::{self, Claim, ClaimError, STORE};
use crate::config::Config;
use crate::control::{self, Reply, Request, Told};
use crate::store::{self, OpenError};

/// What was found out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Whether this program can take over.
    ready: bool,
    /// This program.
    version: &'static str,
    /// The version of data that it writes.
    reads_data_version: u32,
    /// The version of the data.
    data_version: u32,
    /// The program that runs on the data at present, if one does.
    running: Option<String>,
    /// What happens to the data at the first start, in order.
    steps: Vec<&'static str>,
    /// Room for the backup that is made before, in bytes; nothing when none is needed.
    backup_needs_bytes: u64,
    /// What stands in the way, each with its mend.
    problems: Vec<String>,
}

/// Tells whether this program can take over the data.
pub(super) fn check(config: &Config, json: bool, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    let report = match examine(config) {
        Ok(report) => report,
        Err(error) => {
            best_effort(err, &format!("hearth: {error:#}\n"));
            let damaged = error.downcast_ref().is_some_and(OpenError::calls_for_restore);
            return if damaged { Outcome::Damaged } else { Outcome::Failed };
        }
    };
    let text = if json {
        serde_json::to_string_pretty(&report).expect("a report is words and numbers, which JSON can always write") + "\n"
    } else {
        describe(&report)
    };
    let said = say(out, &text);
    if report.ready { said } else { Outcome::Failed }
}

fn examine(config: &Config) -> Result<Report> {
    let data_dir = &config.server.data_dir;
    if !data_dir.join(STORE).is_dir() {
        bail!("there are no data in {}; name their directory with --data-dir, or the settings with --config", data_dir.display());
    }
    let (data_version, running) = data_version(data_dir)?;
    let (steps, mut problems) = (store::steps_from(data_version), Vec::new());
    let mut backup_needs_bytes = 0;
    if data_version > store::SCHEMA {
        problems.push(format!(
            "The data have version {data_version}; this Hearth {} reads data up to version {}. Use the Hearth that wrote them, or a newer one.",
            env!("CARGO_PKG_VERSION"),
            store::SCHEMA
        ));
    } else if data_version < store::SCHEMA {
        backup_needs_bytes = backup::expected_bytes(data_dir).context("the size of the data can't be found out")?;
        if let Err(problem) = backup::refuse_without_room(data_dir, &app::backup_directory(config)) {
            problems.push(format!("{problem}. Free some, or name another directory in backup.directory."));
        }
    }
    Ok(Report {
        ready: problems.is_empty(),
        version: env!("CARGO_PKG_VERSION"),
        reads_data_version: store::SCHEMA,
        data_version,
        running,
        steps,
        backup_needs_bytes,
        problems,
    })
}

/// The version of the data, as the server tells that runs on them, or else as they are found.
fn data_version(data_dir: &Path) -> Result<(u32, Option<String>)> {
    match Claim::take(data_dir) {
        Ok(claim) => {
            let dir = data_dir.join(STORE);
            let settings = store::Settings { min_free_bytes: 0, ..store::Settings::new(dir.clone()) };
            let schema = store::version_of(&settings);
            claim.give_to_owner(&dir).context("the files of the store could not be given back to their owner")?;
            Ok((schema?, None))
        }
        Err(ClaimError::InUse { .. }) => match control::ask(data_dir, Request::Version)? {
            Told::Words(Reply::Version { version, schema }) => Ok((schema, Some(version))),
            Told::Words(Reply::Backup { .. } | Reply::SetupLink { .. } | Reply::Refused { .. }) | Told::Backup { .. } => {
                bail!("the running Hearth did not tell its version; look into its log")
            }
        },
        Err(error) => Err(error.into()),
    }
}

fn describe(report: &Report) -> String {
    let mut text = format!("This is Hearth {}.\n", report.version);
    if let Some(running) = &report.running {
        text += &format!("Hearth {running} is running on the data.\n");
    }
    if report.ready && report.steps.is_empty() {
        text +=
            &format!("The data have version {}, which this Hearth writes too. Nothing has to be changed.\n", report.data_version);
    }
    if !report.steps.is_empty() {
        text += &format!("The data have version {} and will be brought to {}:\n", report.data_version, report.reads_data_version);
        for step in &report.steps {
            text += &format!("  - {step}\n");
        }
        text += &format!("They are backed up before, which takes at most {} kB.\n", report.backup_needs_bytes.div_ceil(1000));
    }
    for problem in &report.problems {
        text += &format!("{problem}\n");
    }
    text + if report.ready { "The upgrade can be done.\n" } else { "The upgrade can't be done yet.\n" }
}
