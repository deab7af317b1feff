//! Which file the commands read the settings from, when nobody names one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::Options;
use crate::config::{Loaded, Problem, Problems, Sources};

/// Where an installed server has its settings: the package's, and those of the units in `systemd/`.
pub(super) const INSTALLED: &str = "/etc/hearth/config.toml";

/// The settings as the server has them, for a command that looks after it: from the file that is named, or else from the `installed`
/// one, where there is one and nobody names other data. The server itself reads no file that it wasn't told of.
///
/// # Errors
/// Everything that is wrong with them, and that there is an installed server whose settings this user may not read.
pub(super) fn load(options: Options, env: Vec<(String, String)>, installed: &Path) -> Result<(Loaded, Sources), Problems> {
    let other_data = options.data_dir.is_some() || variable(&env, "HEARTH_SERVER_DATA_DIR").is_some();
    let file = match named(&options, &env) {
        None if !other_data => find(installed)?,
        named => named,
    };
    let sources = Sources::new(file.as_deref(), env.into_iter(), options.into());
    Ok((sources.load()?, sources))
}

/// The file that the command line or the environment names.
pub(super) fn named(options: &Options, env: &[(String, String)]) -> Option<PathBuf> {
    options.config.clone().or_else(|| variable(env, "HEARTH_CONFIG").map(PathBuf::from))
}

fn variable<'a>(env: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    env.iter().find(|(name, value)| name == wanted && !value.is_empty()).map(|(_, value)| value.as_str())
}

fn find(installed: &Path) -> Result<Option<PathBuf>, Problem> {
    match File::open(installed) {
        Ok(_) => Ok(Some(installed.to_owned())),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(Problem::new(
            installed.display().to_string(),
            "a server is installed here, and this user may not read its settings",
            "run this with sudo, or name another file with --config",
        )),
        Err(error) => Err(Problem::new(
            installed.display().to_string(),
            format!("a server is installed here, and its settings can't be read: {error}"),
            "mend that, or name another file with --config",
        )),
    }
}

/// A line that says which file was read.
pub(super) fn told(sources: &Sources) -> String {
    match sources.file() {
        Some(file) => format!("settings of {}", file.display()),
        None => String::from("no configuration file"),
    }
}
