//! What administrators have set in the browser: a file of its own among the data, which this program alone writes.
//!
//! It has the form of the configuration file and stands below it: what somebody wrote down by hand wins.

use std::fs;
use std::io;
use std::path::Path;

use toml::{Table, Value};

use super::declare::{Mark, SectionInfo};
use super::ice::HIDDEN;
use super::problem::{Problem, Problems};
use super::sources::read_table;
use crate::private_files;

/// What the file is called, in the data directory.
pub const FILE_NAME: &str = "settings.toml";

const HEAD: &str = "\
# What was set on the administrators' page. The server writes this file anew whenever something is set there.
# To decide something for good, write it into the configuration file, which wins over this one.

";

/// One key that is to be set, or to be as if nobody had said anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The section.
    pub section: String,
    /// The key in it.
    pub key: String,
    /// What it is to be; `None` takes back what was set in the browser.
    pub value: Option<Value>,
}

/// What stands in the file. Nothing when there is none.
pub(super) fn read(path: &Path) -> Result<Table, Problem> {
    match fs::symlink_metadata(path) {
        // Where the data directory is none, whoever needs it says so in better words.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Table::new()),
        Ok(_) | Err(_) => read_table(path).map_err(|problem| Problem { mend: mend(path), ..problem }),
    }
}

/// Nobody writes this file but the server, so whatever is wrong with it is mended by doing without it.
fn mend(path: &Path) -> String {
    format!(
        "run this as the server's own user; if that is so, set aside {} and set everything in the browser again",
        path.display()
    )
}

/// Adds to `problems` what stands in the file and can't be set in the browser.
pub(super) fn check(table: &Table, sections: &[SectionInfo], problems: &mut Problems) {
    for (section, keys) in table {
        let keys = keys.as_table().into_iter().flat_map(Table::keys);
        for key in keys.filter(|key| !is_offered(sections, section, key)) {
            let what = format!("this can't be set in the browser, but stands in {FILE_NAME}");
            problems.add(Problem::new(format!("{section}.{key}"), what, "remove it there, and set it in the configuration file"));
        }
    }
    refuse_files(table, problems);
}

/// What the file names would be read with the server's rights and handed to browsers. That is for whoever may read it anyway.
fn refuse_files(table: &Table, problems: &mut Problems) {
    let servers = table.get("ice").and_then(|ice| ice.get("servers")).and_then(Value::as_array);
    let named = servers.into_iter().flatten().filter_map(Value::as_table).flat_map(Table::keys);
    if let Some(key) = named.into_iter().find(|key| key.ends_with("_file")) {
        let mend = "write the password or secret itself, or set ice.servers in the configuration file";
        problems.add(Problem::new("ice.servers", format!("{key} can't be set in the browser"), mend));
    }
}

/// Whether administrators may set this key in the browser.
pub(super) fn is_offered(sections: &[SectionInfo], section: &str, key: &str) -> bool {
    let keys = sections.iter().filter(|known| known.name == section).flat_map(|section| &section.keys);
    keys.filter(|known| known.name == key).any(|key| key.marks.contains(&Mark::Offered))
}

/// Makes one change.
pub(super) fn apply(table: &mut Table, Change { section, key, value }: &Change) {
    let keys = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
    let Some(keys) = keys.as_table_mut() else { return };
    match value {
        Some(value) => {
            let mut value = value.clone();
            restore_hidden(&mut value, keys.get(key));
            keys.insert(key.clone(), value);
        }
        None => drop(keys.remove(key)),
    }
    if keys.is_empty() {
        table.remove(section);
    }
}

/// Puts the passwords and secrets back that were not shown, for servers whose addresses are what they were.
fn restore_hidden(value: &mut Value, before: Option<&Value>) {
    let before: Vec<&Table> = before.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table).collect();
    for table in value.as_array_mut().into_iter().flatten().filter_map(Value::as_table_mut) {
        let same = before.iter().find(|before| before.get("urls") == table.get("urls")).copied();
        for (key, value) in table.iter_mut().filter(|(_, value)| value.as_str() == Some(HIDDEN)) {
            if let Some(known) = same.and_then(|same| same.get(key)) {
                *value = known.clone();
            }
        }
    }
}

/// The text of the file.
pub(super) fn write(table: &Table) -> String {
    format!("{HEAD}{table}")
}

/// Puts `text` in the place of the file at `path`.
pub(super) fn save(path: &Path, text: &str) -> io::Result<()> {
    private_files::write(path, text.as_bytes())
}
