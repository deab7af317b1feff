//! `hearth doctor`.

use std::io::Write;

use super::{Outcome, best_effort, say};
use crate::app;
use crate::config::Config;
use crate::doctor;

/// Looks at everything and prints what was found. Only what is bad makes it a failure: scripts may go on with a warning.
pub(super) fn run(config: &Config, json: bool, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    let report = match app::doctor::examine(config) {
        Ok(report) => report,
        Err(error) => {
            best_effort(err, &format!("hearth: {error:#}\n"));
            return Outcome::Failed;
        }
    };
    let text = if json { as_json(&report) } else { report.to_string() };
    let said = say(out, &text);
    if report.count(doctor::Outcome::Bad) > 0 { Outcome::Failed } else { said }
}

fn as_json(report: &doctor::Report) -> String {
    let mut text = serde_json::to_string_pretty(report).expect("a report is made of text");
    text.push('\n');
    text
}
