//! The last warnings and errors, for the admin page.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tracing::Level;

use super::record::Record;
use super::render;
use crate::clock::Timestamp;

/// How many are kept.
const KEPT: usize = 50;
/// How long one may be, in characters.
const LONGEST: usize = 600;

/// A warning or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// When it was last said.
    pub at: Timestamp,
    /// Whether it is an error, rather than a warning.
    pub is_error: bool,
    /// What it says, with its fields, in one line.
    pub text: String,
    /// How often it was said since it came into the list.
    pub times: u64,
}

/// The last remarks, each once however often it is repeated, so that a flood of one doesn't push out the others.
#[derive(Debug)]
pub(super) struct Recent {
    remarks: Mutex<VecDeque<Remark>>,
}

impl Recent {
    pub(super) const fn new() -> Self {
        Self { remarks: Mutex::new(VecDeque::new()) }
    }

    pub(super) fn add(&self, record: &Record) {
        let mut text = render::sentence(record);
        if let Some((end, _)) = text.char_indices().nth(LONGEST) {
            text.truncate(end);
            text.push('…');
        }
        let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        let before = remarks.iter().position(|remark| remark.text == text).and_then(|position| remarks.remove(position));
        let times = before.map_or(0, |remark| remark.times).saturating_add(1);
        remarks.push_back(Remark { at: record.at, is_error: record.level == Level::ERROR, text, times });
        if remarks.len() > KEPT {
            remarks.pop_front();
        }
    }

    /// Newest first.
    pub(super) fn list(&self) -> Vec<Remark> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(at: u64, message: &str) -> Record {
        Record {
            at: Timestamp::from_millis(at),
            level: Level::WARN,
            target: String::from("hearth"),
            message: message.to_owned(),
            fields: Vec::new(),
        }
    }

    #[test]
    fn the_last_fifty_are_kept_newest_first_and_none_is_endless() {
        let recent = Recent::new();
        for at in 0..70 {
            recent.add(&record(at, &format!("number {at}")));
        }
        recent.add(&record(70, &"x".repeat(100_000)));
        let list = recent.list();
        assert_eq!((list.len(), list[1].text.as_str(), list[49].text.as_str()), (50, "number 69", "number 21"));
        assert_eq!(list[0].text.chars().count(), LONGEST + 1);
    }

    #[test]
    fn what_is_said_again_and_again_stands_there_once() {
        let recent = Recent::new();
        recent.add(&record(1, "the disk is full"));
        for at in 2..1000 {
            recent.add(&record(at, "a connection could not be accepted"));
        }
        recent.add(&record(1000, "the disk is full"));
        let told: Vec<_> = recent.list().into_iter().map(|remark| (remark.at.as_millis(), remark.times)).collect();
        assert_eq!(told, [(1000, 2), (999, 998)]);
    }
}
