//! How a record reads: as a line for people, as JSON, as an entry of the journal.
//!
//! Whatever a stranger gets into a value stays in that value (attack F8): characters that would begin a new line, move the cursor or
//! turn the direction of writing are written as escapes.

use std::fmt::Write as _;

use tracing::Level;

use super::journal;
use super::record::{Record, Value};
use crate::clock::Timestamp;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Pretty { colours: bool },
    Json,
    Journal,
}

/// What goes to the outlet for one record.
pub(super) fn line(record: &Record, style: Style) -> Vec<u8> {
    match style {
        Style::Pretty { colours } => pretty(record, colours).into_bytes(),
        Style::Json => json(record).into_bytes(),
        Style::Journal => journal::entry(record),
    }
}

/// The message with its fields, as one line without an end.
pub(super) fn sentence(record: &Record) -> String {
    let mut text = String::new();
    escape(&mut text, &record.message, Escape::Rust);
    for (name, value) in &record.fields {
        let _ = write!(text, " {name}=");
        match value {
            Value::Text(value) if !is_plain(value) => {
                text.push('"');
                escape(&mut text, value, Escape::RustQuoted);
                text.push('"');
            }
            Value::Text(value) | Value::Plain(value) => text.push_str(value),
        }
    }
    text
}

/// A moment in UTC, with as many digits whenever it is.
pub(super) fn moment(at: Timestamp) -> String {
    let millis = at.as_millis() % 1000;
    let whole = Timestamp::from_millis(at.as_millis() - millis).to_rfc3339();
    format!("{}.{millis:03}Z", whole.trim_end_matches('Z'))
}

fn pretty(record: &Record, colours: bool) -> String {
    let at = moment(record.at);
    let sentence = sentence(record);
    let Record { level, target, .. } = record;
    if colours {
        let colour = match *level {
            Level::ERROR => "31",
            Level::WARN => "33",
            Level::INFO => "32",
            Level::DEBUG => "34",
            Level::TRACE => "35",
        };
        format!("\x1b[2m{at}\x1b[0m \x1b[{colour}m{level:>5}\x1b[0m \x1b[2m{target}:\x1b[0m {sentence}\n")
    } else {
        format!("{at} {level:>5} {target}: {sentence}\n")
    }
}

fn json(record: &Record) -> String {
    let mut text = String::from("{");
    let mut string = |name: &str, value: &str| {
        quote(&mut text, name);
        text.push(':');
        quote(&mut text, value);
        text.push(',');
    };
    string("timestamp", &moment(record.at));
    string("level", record.level.as_str());
    string("target", &record.target);
    string("message", &record.message);
    for (position, (name, value)) in record.fields.iter().enumerate() {
        // No key may stand twice: what reads it would take the one or the other.
        let taken = ["timestamp", "level", "target", "message"].contains(&name.as_str())
            || record.fields[..position].iter().any(|(earlier, _)| earlier == name);
        quote(&mut text, &if taken { format!("{name}_{position}") } else { name.clone() });
        text.push(':');
        match value {
            Value::Plain(value) => text.push_str(value),
            Value::Text(value) => quote(&mut text, value),
        }
        text.push(',');
    }
    text.pop();
    text.push_str("}\n");
    text
}

fn quote(text: &mut String, value: &str) {
    text.push('"');
    escape(text, value, Escape::Json);
    text.push('"');
}

fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && !value.chars().any(|character| character.is_whitespace() || is_hostile(character) || "\"'=\\".contains(character))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    Rust,
    RustQuoted,
    Json,
}

fn escape(into: &mut String, text: &str, how: Escape) {
    for character in text.chars() {
        let code = u32::from(character);
        match character {
            '"' | '\\' if how != Escape::Rust => into.extend(['\\', character]),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            // All of them have at most four digits.
            character if is_hostile(character) && how == Escape::Json => {
                let _ = write!(into, "\\u{code:04x}");
            }
            character if is_hostile(character) => {
                let _ = write!(into, "\\u{{{code:x}}}");
            }
            character => into.push(character),
        }
    }
}

/// Control characters of both kinds, ends of lines and paragraphs, and what turns the direction of writing.
fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "Eve\r\n2026-01-01T00:00:00.000Z ERROR hearth: forged\u{1b}[2J\u{9b}31m\u{202e}gro\u{2028}\"\\ x=1";

    fn record() -> Record {
        Record {
            at: Timestamp::parse_rfc3339("2026-11-21T03:04:05.06Z").unwrap(),
            level: Level::WARN,
            target: String::from("hearth::hub"),
            message: format!("somebody called {EVIL}"),
            fields: vec![
                (String::from("event"), Value::Text(String::from("named"))),
                (String::from("name"), Value::Text(EVIL.to_owned())),
                (String::from("seconds"), Value::Plain(String::from("7"))),
                (String::from("level"), Value::Text(String::new())),
            ],
        }
    }

    #[test]
    fn f8_a_line_for_people_stays_one_line_and_shows_what_was_escaped() {
        let text = pretty(&record(), false);
        assert!(text.starts_with("2026-11-21T03:04:05.060Z  WARN hearth::hub: somebody called Eve\\r\\n2026"), "{text}");
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let plain = |character: char| !is_hostile(character) || character == '\n';
        assert!(text.chars().all(plain) && text.ends_with('\n'), "{text:?}");
        assert!(
            text.contains(" event=named name=\"Eve\\r\\n") && text.contains("\\u{202e}gro\\u{2028}\\\"\\\\ x=1\" seconds=7"),
            "{text}"
        );
        assert!(text.ends_with(" level=\"\"\n"), "{text}");
    }

    #[test]
    fn f8_json_says_exactly_what_was_said_in_one_line_without_a_key_twice() {
        let text = json(&record());
        assert!(!text.trim_end_matches('\n').chars().any(is_hostile), "{text:?}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["name"], EVIL);
        assert_eq!(read["message"], format!("somebody called {EVIL}"));
        assert_eq!((&read["level"], &read["seconds"], &read["level_3"]), (&"WARN".into(), &7.into(), &"".into()));
        assert_eq!(read["timestamp"], "2026-11-21T03:04:05.060Z");
    }

    #[test]
    fn colours_are_the_only_escapes_on_a_terminal() {
        let text = pretty(&record(), true);
        assert_eq!(text.matches('\u{1b}').count(), 6, "{text:?}");
        assert!(text.contains("\x1b[33m WARN\x1b[0m"), "{text:?}");
    }
}
