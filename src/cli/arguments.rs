//! What may stand on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Overrides;

/// A meeting place of your own in one program.
#[derive(Debug, Parser)]
#[command(name = "hearth", version, about, long_about = None)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options that go before or after the command.
#[derive(Debug, Default, Args)]
pub(super) struct Options {
    /// Read the settings from this file [or name it in the variable HEARTH_CONFIG; commands about a server look into
    /// /etc/hearth/config.toml where none is named]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Keep the data in this directory instead of server.data_dir
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Answer HTTPS on this address instead of server.listen; may be given more than once
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub listen: Vec<SocketAddr>,
}

impl From<Options> for Overrides {
    fn from(options: Options) -> Self {
        Self { data_dir: options.data_dir, listen: options.listen }
    }
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// Run the server; what happens without a command
    Serve,
    /// Find out what is wrong with names, ports, certificate, relay and machine, and how to mend it
    Doctor {
        /// Print JSON for programs; the exit status is 1 when something is bad, as without it
        #[arg(long)]
        json: bool,
    },
    /// Write everything that must not be lost into one file, also while the server runs
    Backup {
        /// The file, or - for the standard output
        file: PathBuf,
    },
    /// Put a backup in the place of the data; what was there before is kept
    Restore {
        /// The backup
        file: PathBuf,
    },
    /// Tell whether this program can take over the data of the one that runs, and what it would change
    UpgradeCheck {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Make a new link for the first admin, and print it; the server must run
    SetupLink,
    /// Ask the running server whether it can do its work; exits with 0 when it can
    Health,
    /// Look after the settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Tell everything that is wrong with the settings, without starting
    Check,
    /// Print what every setting is and where that comes from, without secrets
    Show,
    /// Print a file with all settings, their meaning and their defaults
    Example,
}
