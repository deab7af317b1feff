//! `config.example.toml`, made from the declarations.

use std::fmt::{self, Write};

use super::Config;
use super::declare::{KeyInfo, Mark, SectionInfo, variable};

const HEAD: &str = "\
# The settings of Hearth, each with what holds when it is left out. All may be left out.
# Start the server with this file: hearth --config hearth.toml
# Look for mistakes without starting: hearth config check --config hearth.toml
# In place of a path, \"credential:NAME\" means a file that systemd passes by LoadCredential=NAME:/some/path.
# A variable HEARTH_<SECTION>_<KEY> in the environment wins over the file; a list is written there with commas.
# The running server reads this file again on `systemctl reload hearth` or SIGHUP. What is wrong then changes nothing.
# This file is made by: hearth config example
";

/// A configuration file that names every key, its meaning and its default, and changes none of them.
pub fn example() -> String {
    let mut text = String::from(HEAD);
    for section in Config::sections() {
        write_section(&mut text, &section).expect("writing to a String can't fail");
    }
    text
}

fn write_section(text: &mut String, section: &SectionInfo) -> fmt::Result {
    writeln!(text)?;
    write_doc(text, section.doc)?;
    writeln!(text, "[{}]", section.name)?;
    section.keys.iter().try_for_each(|key| write_key(text, section.name, key))
}

fn write_key(text: &mut String, section: &str, key: &KeyInfo) -> fmt::Result {
    writeln!(text)?;
    write_doc(text, key.doc)?;
    let when = if key.marks.contains(&Mark::Live) { "may change while the server runs" } else { "a change needs a restart" };
    writeln!(text, "# Variable: {} ({when})", variable(section, key.name))?;
    match (&key.default, &key.sample) {
        (Some(default), _) => writeln!(text, "#{} = {default}", key.name),
        (None, Some(sample)) => writeln!(text, "# Not set; for example:\n#{} = {}", key.name, sample),
        (None, None) => writeln!(text, "# Not set.\n#{} = \"\"", key.name),
    }
}

fn write_doc(text: &mut String, doc: &[&str]) -> fmt::Result {
    doc.iter().try_for_each(|line| writeln!(text, "#{line}"))
}
