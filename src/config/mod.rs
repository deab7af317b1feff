//! What the person running the server may decide: one typed tree, read once at the start.
//!
//! Later sources win: the defaults, the TOML file, `HEARTH_<SECTION>_<KEY>` from the environment, flags. A name that means nothing
//! is an error in every source, and all that is wrong is told at once, each with its key and its mend. Each key is declared once, in
//! the file of its section, with its type, its default and the text that people read; `config.example.toml` is made from the same
//! declarations.

mod accounts;
mod backup;
mod check;
mod credentials;
mod declare;
mod example;
mod ice;
mod log;
mod meetings;
mod metrics;
mod problem;
mod public;
mod relay;
mod server;
#[cfg(test)]
mod tests;
mod tls;
mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use accounts::{Accounts, Registration};
pub use backup::Backup;
pub use example::example;
pub use ice::{Confidential, Ice, IceAccess, IceServer, IceServers, IceUrl, Scheme};
pub use log::{Log, LogFormat};
pub use meetings::Meetings;
pub use metrics::Metrics;
pub use problem::{Problem, Problems};
pub use relay::Relay;
pub use server::{PublicUrl, Server};
pub use tls::{HttpsAddress, Tls, TlsMode};
pub use value::{Cidr, PortRange};

use declare::{Reader, Section, SectionInfo};
use public::is_public;

/// Variables that begin with `HEARTH_` and are no settings: where the file lies, and a switch of the build.
const OTHER_VARIABLES: [&str; 2] = ["HEARTH_CONFIG", "HEARTH_WEB_PREBUILT"];

/// The largest file that is read as configuration, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Declares the tree, so that reading it and describing it go over the same sections.
macro_rules! tree {
    ($($(#[doc = $doc:literal])* $field:ident: $section:ident),+ $(,)?) => {
        /// The whole configuration, complete and checked.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Config {
            $($(#[doc = $doc])* pub $field: $section,)+
        }

        impl Config {
            fn read(reader: &mut Reader) -> Self {
                Self { $($field: $section::read(reader),)+ }
            }

            /// Every section with its keys, in the order in which they are read.
            fn sections() -> Vec<SectionInfo> {
                vec![$($section::info(),)+]
            }
        }
    };
}

tree! {
    /// `[server]`
    server: Server,
    /// `[tls]`
    tls: Tls,
    /// `[accounts]`
    accounts: Accounts,
    /// `[meetings]`
    meetings: Meetings,
    /// `[relay]`
    relay: Relay,
    /// `[ice]`
    ice: Ice,
    /// `[backup]`
    backup: Backup,
    /// `[metrics]`
    metrics: Metrics,
    /// `[log]`
    log: Log,
}

/// What was given on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Instead of `server.data_dir`.
    pub data_dir: Option<PathBuf>,
    /// Instead of `server.listen`, when there are any.
    pub listen: Vec<SocketAddr>,
}

impl Config {
    /// Reads the file at `path`, where one is given, then the variables in `env`, then the flags.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, so that it can be mended in one go. Nothing but the file is read and nothing is written.
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        overrides: Overrides,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let file = match path.map(read_file).transpose() {
            Ok(file) => file.unwrap_or_default(),
            Err(problem) => {
                problems.add(problem);
                toml::Table::new()
            }
        };
        let mut reader = Reader::new(file, env, problems);
        let mut config = Self::read(&mut reader);
        let mut problems = reader.finish(&Self::sections(), &OTHER_VARIABLES);
        if let Some(data_dir) = overrides.data_dir {
            config.server.data_dir = data_dir;
        }
        if !overrides.listen.is_empty() {
            config.server.listen = overrides.listen;
        }
        check::check(&config, &mut problems);
        problems.none_or(config)
    }
}

impl Default for Config {
    /// What holds when nothing is configured.
    fn default() -> Self {
        Self::read(&mut Reader::new(toml::Table::new(), std::iter::empty(), Problems::default()))
    }
}

fn read_file(path: &Path) -> Result<toml::Table, Problem> {
    let name = path.display().to_string();
    let unreadable = |error: &dyn std::fmt::Display| {
        Problem::new(&name, format!("the file can't be read: {error}"), "give the path of a file that this user may read")
    };
    let size = std::fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if size > MAX_FILE_BYTES {
        return Err(Problem::new(&name, "the file is larger than 1 MiB", "give the path of a configuration file"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count());
        let message = error.message().replace('\n', " ");
        Problem::new(&name, format!("line {line} is not TOML: {message}"), "`hearth config example` prints a file to start from")
    })
}
