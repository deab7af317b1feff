//! How a section is declared and read.
//!
//! A key is written as `name: Type = default;`. Behind the default, `=> Live` says that the running server takes another value over
//! when it reads its settings again, and `=> Live, Offered` that administrators may set it in the browser as well.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::problem::{Problem, Problems};
use super::value::Setting;

/// What a section is called and which keys it has.
pub(super) struct SectionInfo {
    /// The name in the file.
    pub name: &'static str,
    /// What it is about, a line each.
    pub doc: &'static [&'static str],
    /// Its keys, in the order of their declaration.
    pub keys: Vec<KeyInfo>,
}

/// One key of a section.
pub(super) struct KeyInfo {
    /// The name in the file.
    pub name: &'static str,
    /// What it is for, a line each.
    pub doc: &'static [&'static str],
    /// What holds when nothing is said; `None` when the key may be left out.
    pub default: Option<Value>,
    /// What it could say, for a key that has no default.
    pub sample: Option<Value>,
    /// What else there is to know.
    pub marks: &'static [Mark],
}

/// What a declaration says of a key beside its type and its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The running server takes another value over. Without it, the value of the start holds until the next one.
    Live,
    /// Administrators may set it in the browser.
    Offered,
}

/// What is added to a problem with what was set in the browser, for those who look for it in the file.
pub const SET_IN_BROWSER: &str = " (set in the browser)";

/// Where a value comes from, in the order of precedence: later ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// An administrator set it in the browser.
    Browser,
    /// The configuration file.
    File,
    /// A variable of the environment.
    Environment,
    /// The command line.
    Flag,
}

/// The variable that sets a key.
pub(super) fn variable(section: &str, key: &str) -> String {
    format!("HEARTH_{section}_{key}").to_ascii_uppercase()
}

/// A part of the tree.
pub(super) trait Section: Sized {
    /// The section, described.
    fn info() -> SectionInfo;
    /// The section, read.
    fn read(reader: &mut Reader) -> Self;
    /// The values, in the order of the keys, without anything secret. `None` for what is left out.
    fn shown(&self) -> Vec<Option<Value>>;
    /// For each key, in their order, whether the other section has the same value.
    fn same(&self, other: &Self) -> Vec<bool>;
}

/// Declares a section: a struct with a field for each key, and what is needed to read and to describe it.
macro_rules! section {
    (
        $(#[doc = $section_doc:literal])*
        $type:ident, $name:literal {
            $($(#[doc = $doc:literal])* $key:ident: $kind:ty = $default:expr $(, for example $sample:literal)? $(=> $($mark:ident),+)?;)+
        }
    ) => {
        $(#[doc = $section_doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $type {
            $($(#[doc = $doc])* pub $key: $kind,)+
        }

        impl $crate::config::declare::Section for $type {
            fn info() -> $crate::config::declare::SectionInfo {
                use $crate::config::declare::{KeyInfo, SectionInfo};
                let keys = vec![$(KeyInfo {
                    name: stringify!($key),
                    doc: &[$($doc),*],
                    default: <$kind as $crate::config::value::Setting>::to_value(&$default),
                    sample: None::<&str>$(.or(Some($sample)))?.map(<$kind as $crate::config::value::Setting>::from_text),
                    marks: &[$($($crate::config::declare::Mark::$mark),+)?],
                },)+];
                SectionInfo { name: $name, doc: &[$($section_doc),*], keys }
            }

            fn read(reader: &mut $crate::config::declare::Reader) -> Self {
                Self { $($key: reader.take($name, stringify!($key), $default),)+ }
            }

            fn shown(&self) -> Vec<Option<toml::Value>> {
                vec![$($crate::config::value::Setting::to_shown(&self.$key),)+]
            }

            fn same(&self, other: &Self) -> Vec<bool> {
                vec![$(self.$key == other.$key,)+]
            }
        }
    };
}
pub(super) use section;

/// The sources, from which each key is taken once. What is left at the end is unknown.
pub(super) struct Reader {
    browser: Table,
    file: Table,
    env: BTreeMap<String, String>,
    origins: BTreeMap<String, Origin>,
    problems: Problems,
}

impl Reader {
    /// Reads `file`, below it what was set in the browser, and above it those variables of `env` that are meant for Hearth.
    pub fn new(browser: Table, file: Table, env: impl Iterator<Item = (String, String)>, problems: Problems) -> Self {
        let env = env.filter(|(name, _)| name.starts_with("HEARTH_")).collect();
        Self { browser, file, env, origins: BTreeMap::new(), problems }
    }

    /// The value of a key from the last source that has it, or `default`.
    pub fn take<T: Setting>(&mut self, section: &str, key: &str, default: T) -> T {
        let variable = variable(section, key);
        let name = format!("{section}.{key}");
        let (in_browser, in_file) = (take_from(&mut self.browser, section, key), take_from(&mut self.file, section, key));
        let (value, origin, told) = match (self.env.remove(&variable), in_file, in_browser) {
            (Some(text), _, _) => (T::from_text(&text), Origin::Environment, format!(" (from {variable})")),
            (None, Some(value), _) => (value, Origin::File, String::new()),
            (None, None, Some(value)) => (value, Origin::Browser, String::from(SET_IN_BROWSER)),
            (None, None, None) => return default,
        };
        self.origins.insert(name.clone(), origin);
        T::from_value(&value).unwrap_or_else(|wrongs| {
            for wrong in wrongs {
                self.problems.add(Problem::new(&name, wrong + &told, T::MEND));
            }
            default
        })
    }

    /// Says that the command line decides a key.
    pub fn overridden(&mut self, section: &str, key: &str) {
        self.origins.insert(format!("{section}.{key}"), Origin::Flag);
    }

    /// Where each value comes from that is not the default, and everything that was wrong, the names that no section claimed among
    /// it.
    pub fn finish(mut self, sections: &[SectionInfo], other_variables: &[&str]) -> (BTreeMap<String, Origin>, Problems) {
        for (name, value) in std::mem::take(&mut self.file) {
            match sections.iter().find(|section| section.name == name) {
                Some(section) => self.unknown_keys(section, value, sections),
                None => self.unknown_section(&name, sections),
            }
        }
        let variables: Vec<String> =
            sections.iter().flat_map(|section| section.keys.iter().map(|key| variable(section.name, key.name))).collect();
        for name in std::mem::take(&mut self.env).into_keys().filter(|name| !other_variables.contains(&name.as_str())) {
            let mend = closest(&name, variables.iter().map(String::as_str)).map_or_else(
                || String::from("remove it; `hearth config example` lists the names"),
                |known| format!("did you mean {known}?"),
            );
            self.problems.add(Problem::new(name, "there is no such variable", mend));
        }
        (self.origins, self.problems)
    }

    fn unknown_keys(&mut self, section: &SectionInfo, value: Value, sections: &[SectionInfo]) {
        let name = section.name;
        let Value::Table(left) = value else {
            self.problems.add(Problem::new(
                name,
                // Without the value: a secret may stand in it.
                "this is not a section",
                format!("write [{name}] on a line of its own"),
            ));
            return;
        };
        for key in left.into_iter().map(|(key, _)| key) {
            let near = closest(&key, section.keys.iter().map(|key| key.name));
            let home = sections.iter().find(|section| section.keys.iter().any(|known| known.name == key));
            let mend = match (near, home) {
                (_, Some(home)) => format!("move it to [{}]", home.name),
                (Some(near), None) => format!("did you mean {near}?"),
                (None, None) => String::from("remove it; `hearth config example` lists the keys"),
            };
            self.problems.add(Problem::new(format!("{name}.{key}"), "there is no such key", mend));
        }
    }

    fn unknown_section(&mut self, name: &str, sections: &[SectionInfo]) {
        let home = sections.iter().find(|section| section.keys.iter().any(|key| key.name == name));
        let mend = match (home, closest(name, sections.iter().map(|section| section.name))) {
            (Some(home), _) => format!("move it to [{}]", home.name),
            (None, Some(near)) => format!("did you mean [{near}]?"),
            (None, None) => String::from("remove it; `hearth config example` lists the sections"),
        };
        self.problems.add(Problem::new(name, "there is no such section", mend));
    }
}

fn take_from(table: &mut Table, section: &str, key: &str) -> Option<Value> {
    table.get_mut(section).and_then(Value::as_table_mut).and_then(|table| table.remove(key))
}

/// The known name that `name` was likely meant to be: at most a third of its letters differ.
pub(super) fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.chars().count() / 3).clamp(1, 3);
    known.map(|known| (edits(name, known), known)).filter(|(edits, _)| *edits <= most).min().map(|(_, known)| known)
}

/// How many letters must be put in, taken out or changed to make `one` of `other` (Levenshtein).
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
