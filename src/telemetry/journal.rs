//! The systemd journal's own protocol: one datagram an entry, one field a line, or with its length where it has several lines
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).

use tracing::Level;

use super::record::Record;
use super::render;

/// Where the journal takes entries.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// What the fields of events are called in the journal: `seconds` is `HEARTH_SECONDS`.
const PREFIX: &str = "HEARTH_";
/// The longest name of a field.
const LONGEST_NAME: usize = 64;

/// Whether the standard error stream leads to the journal: systemd names the device and inode of the stream that does
/// (systemd.exec(5)), and whoever redirects it elsewhere has another one.
pub(super) fn is_standard_error(journal_stream: Option<&str>) -> bool {
    #[cfg(unix)]
    {
        let Ok(stat) = rustix::fs::fstat(std::io::stderr()) else { return false };
        journal_stream == Some(format!("{}:{}", stat.st_dev, stat.st_ino).as_str())
    }
    #[cfg(not(unix))]
    {
        let _ = journal_stream;
        false
    }
}

/// A socket to send entries from; `None` where there is no journal.
#[cfg(unix)]
pub(super) fn socket() -> Option<std::os::unix::net::UnixDatagram> {
    std::path::Path::new(SOCKET).exists().then(std::os::unix::net::UnixDatagram::unbound)?.ok()
}

/// One entry. The message has the fields in it as well: they are what most people see of an entry.
pub(super) fn entry(record: &Record) -> Vec<u8> {
    let mut entry = Vec::with_capacity(256);
    add(&mut entry, "MESSAGE", &render::sentence(record));
    add(&mut entry, "PRIORITY", priority(record.level));
    add(&mut entry, "SYSLOG_IDENTIFIER", "hearth");
    add(&mut entry, "TARGET", &record.target);
    for (name, value) in &record.fields {
        add(&mut entry, &field_name(name), value.text());
    }
    entry
}

fn add(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

/// As syslog(3) numbers them.
const fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

fn field_name(name: &str) -> String {
    let letter = |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' };
    PREFIX.chars().chain(name.chars().map(letter)).take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::telemetry::record::Value;

    #[test]
    fn f8_a_value_with_several_lines_begins_no_field_of_its_own() {
        let fields = vec![
            (String::from("event"), Value::Text(String::from("named"))),
            (String::from("peer.name"), Value::Text(String::from("Eve\nPRIORITY=0"))),
            (String::from("seconds"), Value::Plain(String::from("7"))),
        ];
        let (at, target) = (Timestamp::from_millis(0), String::from("hearth::hub"));
        let record = Record { at, level: Level::WARN, target, message: String::from("somebody\nMESSAGE=x"), fields };
        let message = "MESSAGE=somebody\\nMESSAGE=x event=named peer.name=\"Eve\\nPRIORITY=0\" seconds=7\n";
        let expected = [
            message.as_bytes(),
            b"PRIORITY=4\nSYSLOG_IDENTIFIER=hearth\nTARGET=hearth::hub\nHEARTH_EVENT=named\n",
            b"HEARTH_PEER_NAME\n\x0e\0\0\0\0\0\0\0Eve\nPRIORITY=0\nHEARTH_SECONDS=7\n",
        ];
        assert_eq!(String::from_utf8_lossy(&entry(&record)), String::from_utf8_lossy(&expected.concat()));
    }

    #[test]
    fn names_of_fields_are_such_as_the_journal_takes() {
        assert_eq!(field_name("relayed_bytes"), "HEARTH_RELAYED_BYTES");
        assert_eq!(field_name("ä=\n"), "HEARTH____");
        assert_eq!(field_name(&"x".repeat(100)).len(), 64);
    }

    #[test]
    #[cfg(unix)]
    fn only_the_stream_that_systemd_named_is_the_journal() {
        let stat = rustix::fs::fstat(std::io::stderr()).unwrap();
        let here = format!("{}:{}", stat.st_dev, stat.st_ino);
        assert!(is_standard_error(Some(&here)));
        for other in [None, Some(""), Some("1:1"), Some(&*format!("{here}0"))] {
            assert!(!is_standard_error(other), "{other:?}");
        }
    }
}
