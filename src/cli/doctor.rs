//! `hearth doctor`.

use std::io::Write;

use serde::Serialize;

use super::{Outcome, best_effort, say, settings_file};
use crate::app;
use crate::config::{Config, Sources};
use crate::doctor;

/// Looks at everything and prints what was found. Only what is bad makes it a failure: scripts may go on with a warning.
pub(super) fn run(config: &Config, sources: &Sources, json: bool, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    let report = match app::doctor::examine(config) {
        Ok(report) => report,
        Err(error) => {
            best_effort(err, &format!("hearth: {error:#}\n"));
            return Outcome::Failed;
        }
    };
    let text =
        if json { as_json(&report, sources) } else { format!("Looked at with {}.\n{report}", settings_file::told(sources)) };
    let said = say(out, &text);
    if report.count(doctor::Outcome::Bad) > 0 { Outcome::Failed } else { said }
}

/// What programs read.
#[derive(Serialize)]
struct Told<'a> {
    /// The file that the settings come from.
    configuration: Option<String>,
    #[serde(flatten)]
    report: &'a doctor::Report,
}

fn as_json(report: &doctor::Report, sources: &Sources) -> String {
    let configuration = sources.file().map(|file| file.display().to_string());
    let mut text = serde_json::to_string_pretty(&Told { configuration, report }).expect("a report is made of text");
    text.push('\n');
    text
}
