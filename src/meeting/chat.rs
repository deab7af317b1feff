//! What was written in a room.

use std::collections::VecDeque;

use super::event::ChatMessage;
use crate::ids::ParticipantId;

/// The most text that is kept, in bytes: whoever enters is sent all of it at once, so it must be little.
pub(super) const MAX_KEPT_BYTES: usize = 128 * 1024;

/// The latest lines, the oldest first.
#[derive(Debug)]
pub(super) struct Chat {
    lines: VecDeque<ChatMessage>,
    limit: usize,
    bytes: usize,
}

impl Chat {
    /// No lines yet; at most `limit` later.
    pub(super) fn new(limit: usize) -> Self {
        Self { lines: VecDeque::new(), limit, bytes: 0 }
    }

    /// The line that `from` sent under this id, if it is still kept.
    pub(super) fn find(&self, from: ParticipantId, id: &str) -> Option<&ChatMessage> {
        self.lines.iter().find(|line| line.from == from && line.id == id)
    }

    /// Keeps a line, and drops the oldest beyond the limits of number and size.
    pub(super) fn keep(&mut self, line: ChatMessage) {
        self.bytes += line.text.len();
        self.lines.push_back(line);
        while self.lines.len() > self.limit || self.bytes > MAX_KEPT_BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.text.len();
        }
    }

    /// What `reader` may read: lines for everybody, and private ones from or to this seat.
    pub(super) fn visible_to(&self, reader: ParticipantId) -> Vec<ChatMessage> {
        let visible = |line: &&ChatMessage| line.to.is_none_or(|to| to == reader || line.from == reader);
        self.lines.iter().filter(visible).cloned().collect()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.bytes = 0;
    }
}
