//! Which file the commands read the settings from, when nobody names one.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{Options, env_file};
use crate::config::{Loaded, Problem, Problems, Sources};

/// Where an installed server has its settings: the package's, and those of the units in `systemd/`.
pub(super) const INSTALLED: &str = "/etc/hearth/config.toml";

/// The file of variables that the unit names, beside the installed one.
const VARIABLES: &str = "hearth.env";
/// Where the unit has the data, whatever the file says, unless the file of variables names another place.
const DATA_OF_THE_UNIT: &str = "/var/lib/hearth";

/// The settings as the server has them, for a command that looks after it: from the file that is named, or else from the `installed`
/// one and the variables beside it, where there are such and nobody names other data. The server itself reads no file that it wasn't
/// told of.
///
/// # Errors
/// Everything that is wrong with them, and that there is an installed server whose settings this user may not read.
pub(super) fn load(options: Options, mut env: Vec<(String, String)>, installed: &Path) -> Result<(Loaded, Sources), Problems> {
    let other_data = options.data_dir.is_some() || variable(&env, "HEARTH_SERVER_DATA_DIR").is_some();
    if other_data || named(&options, &env).is_some() {
        let sources = Sources::new(named(&options, &env).as_deref(), env.into_iter(), options.into());
        return Ok((sources.load()?, sources));
    }
    let found = open(installed)?.map(|_| installed.to_owned());
    let variables = add_variables(&mut env, installed)?;
    let file = named(&options, &env).or(found);
    let sources = Sources::new(file.as_deref(), env.into_iter(), options.into()).with_variables_of(variables);
    Ok((sources.load()?, sources))
}

/// Adds what the unit's environment has and this one has not. The file that names it, where there is one.
fn add_variables(env: &mut Vec<(String, String)>, installed: &Path) -> Result<Option<PathBuf>, Problem> {
    let path = installed.with_file_name(VARIABLES);
    let Some(mut file) = open(&path)? else { return Ok(None) };
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(|error| unreadable(&path, &error))?;
    let mut added = env_file::variables(&String::from_utf8_lossy(&text));
    // The last one counts, and the unit's own stands behind all.
    added.reverse();
    added.push((String::from("HEARTH_SERVER_DATA_DIR"), String::from(DATA_OF_THE_UNIT)));
    for (name, value) in added {
        if env.iter().all(|(known, _)| *known != name) {
            env.push((name, value));
        }
    }
    Ok(Some(path))
}

/// The file that the command line or the environment names.
pub(super) fn named(options: &Options, env: &[(String, String)]) -> Option<PathBuf> {
    options.config.clone().or_else(|| variable(env, "HEARTH_CONFIG").map(PathBuf::from))
}

fn variable<'a>(env: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    env.iter().find(|(name, value)| name == wanted && !value.is_empty()).map(|(_, value)| value.as_str())
}

fn open(installed: &Path) -> Result<Option<File>, Problem> {
    match File::open(installed) {
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(unreadable(installed, &error)),
    }
}

fn unreadable(installed: &Path, error: &io::Error) -> Problem {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Problem::new(
            installed.display().to_string(),
            "a server is installed here, and this user may not read its settings",
            "run this with sudo, or name another file with --config",
        );
    }
    Problem::new(
        installed.display().to_string(),
        format!("a server is installed here, and its settings can't be read: {error}"),
        "mend that, or name another file with --config",
    )
}

/// A line that says what was read.
pub(super) fn told(sources: &Sources) -> String {
    let files: Vec<String> =
        sources.file().into_iter().chain(sources.variables()).map(|file| file.display().to_string()).collect();
    if files.is_empty() { String::from("no configuration file") } else { format!("settings of {}", files.join(" and ")) }
}
