//! What the person running the server may decide: one typed tree, read once at the start.
//!
//! Later sources win: the defaults, what administrators set in the browser, the TOML file, `HEARTH_<SECTION>_<KEY>` from the
//! environment, flags. A name that means nothing is an error in every source, and all that is wrong is told at once, each with its key
//! and its mend. Each key is declared once, in the file of its section, with its type, its default, the text that people read, and
//! whether it may change while the server runs; `config.example.toml` is made from the same declarations.
//!
//! [`Sources`] can be read again at any time; what is wrong then changes nothing.

mod accounts;
mod backup;
mod browser;
mod check;
mod credentials;
mod declare;
mod example;
mod ice;
mod keys;
mod limits;
mod log;
mod meetings;
mod metrics;
mod problem;
mod public;
mod relay;
mod server;
mod sources;
#[cfg(test)]
mod tests;
mod tls;
mod value;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use accounts::{Accounts, Registration};
pub use backup::Backup;
pub use browser::{Change, FILE_NAME};
pub use declare::{Origin, SET_IN_BROWSER};
pub use example::example;
pub use ice::{Confidential, HIDDEN, Ice, IceAccess, IceServer, IceServers, IceUrl, Scheme};
pub use keys::{Key, keys};
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use meetings::Meetings;
pub use metrics::Metrics;
pub use problem::{Problem, Problems};
pub use relay::Relay;
pub use server::{PublicUrl, Server, WebOrigin};
pub use sources::{Loaded, Sources};
pub use tls::{HttpsAddress, Tls, TlsMode};
pub use value::{Cidr, PortRange};

use declare::{Reader, Section, SectionInfo};
use public::is_public;

/// Variables that begin with `HEARTH_` and are no settings: where the file lies, and a switch of the build.
const OTHER_VARIABLES: [&str; 2] = ["HEARTH_CONFIG", "HEARTH_WEB_PREBUILT"];

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

            /// The values of all keys in that order, without anything secret.
            fn shown(&self) -> Vec<Option<toml::Value>> {
                [$(self.$field.shown(),)+].concat()
            }

            /// For all keys in that order, whether they have the same value here and there.
            fn same(&self, other: &Self) -> Vec<bool> {
                [$(self.$field.same(&other.$field),)+].concat()
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
    /// `[limits]`
    limits: Limits,
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
    /// Reads the settings of the browser, the file at `path`, where one is given, then the variables in `env`, then the flags.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, so that it can be mended in one go. Nothing but those files is read and nothing is written.
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        overrides: Overrides,
    ) -> Result<Self, Problems> {
        Sources::new(path, env, overrides).load().map(|loaded| loaded.config)
    }
}

impl Default for Config {
    /// What holds when nothing is configured.
    fn default() -> Self {
        Self::read(&mut Reader::new(toml::Table::new(), toml::Table::new(), std::iter::empty(), Problems::default()))
    }
}
