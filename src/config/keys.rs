//! All keys, for those who tell people of them.

use super::Config;
use super::declare::{Mark, Origin, variable};
use super::sources::Loaded;

/// A key and what holds for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// `section.key`.
    pub name: String,
    /// The variable of the environment that sets it.
    pub variable: String,
    /// What it is for, in one paragraph.
    pub doc: String,
    /// What holds when nobody says anything; `None` when it may be left out.
    pub default: Option<toml::Value>,
    /// Whether the running server takes another value over.
    pub live: bool,
    /// Whether administrators may set it in the browser.
    pub offered: bool,
}

/// Every key, in the order in which they stand in the example.
pub fn keys() -> Vec<Key> {
    let key = |section: &'static str, info: &super::declare::KeyInfo| Key {
        name: format!("{section}.{}", info.name),
        variable: variable(section, info.name),
        doc: info.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "),
        default: info.default.clone(),
        live: info.marks.contains(&Mark::Live),
        offered: info.marks.contains(&Mark::Offered),
    };
    let sections = Config::sections();
    sections.iter().flat_map(|section| section.keys.iter().map(|info| key(section.name, info))).collect()
}

impl Config {
    /// The keys whose values differ from those of `other`.
    pub fn differences(&self, other: &Self) -> Vec<Key> {
        keys().into_iter().zip(self.same(other)).filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }
}

impl Loaded {
    /// Every key with its value, in which nothing secret stands, and where that comes from.
    pub fn values(&self) -> Vec<(Key, Option<toml::Value>, Origin)> {
        let with_origin = |(key, value): (Key, Option<toml::Value>)| {
            let origin = self.origin(&key.name);
            (key, value, origin)
        };
        keys().into_iter().zip(self.config.shown()).map(with_origin).collect()
    }
}
