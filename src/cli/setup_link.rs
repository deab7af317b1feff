//! `hearth setup-link`: the link that makes the first admin, for whoever missed it in the log or came too late.

use std::io::Write;

use super::{Outcome, best_effort, say};
use crate::config::Config;
use crate::control::{self, AskError, Reply, Request, Told};

/// Has the running server make a new link, and prints it under each address that the machine may be reached at.
pub(super) fn print(config: &Config, out: &mut dyn Write, err: &mut dyn Write) -> Outcome {
    let data_dir = &config.server.data_dir;
    let problem = match control::ask(data_dir, Request::SetupLink) {
        Ok(Told::Words(Reply::SetupLink { links })) => return say(out, &described(&links)),
        Ok(Told::Words(Reply::Version { .. } | Reply::Backup { .. } | Reply::Refused { .. }) | Told::Backup { .. }) => {
            String::from("the running Hearth made no link; look into its log")
        }
        Err(AskError::Refused(message)) => message,
        Err(error @ AskError::Nobody) => {
            format!("{error}: {}. Name another with --data-dir, or the settings with --config", data_dir.display())
        }
        Err(error @ AskError::Io(_)) => error.to_string(),
    };
    best_effort(err, &format!("hearth: {problem}\n"));
    Outcome::Failed
}

fn described(links: &[String]) -> String {
    let mut text = String::new();
    for link in links {
        text += &format!("{link}\n");
    }
    if links.len() > 1 {
        text += "Open the first that leads here from where your browser is.\n";
    }
    text + "It makes the first admin, once, within 24 hours. Links from before are void.\n"
}
