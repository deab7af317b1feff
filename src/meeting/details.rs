//! A meeting as it is planned and remembered, whether or not anybody is in it.

use crate::clock::Timestamp;
use crate::ids::{RoomId, UserId};

/// The most people that a meeting may be planned for.
pub const MAX_PARTICIPANTS: u32 = 50;
/// Longest title, in characters.
pub const MAX_TITLE_CHARS: usize = 120;
/// Longest description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 2_000;
/// Longest display name, in characters.
pub const MAX_NAME_CHARS: usize = 60;

/// What the host decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many people at most; the server's own limit holds beside it.
    pub max_participants: u32,
    /// Whether the meeting may be recorded.
    pub recording_enabled: bool,
    /// Whether people may write to each other.
    pub chat_enabled: bool,
    /// Whether people may share their screens.
    pub screen_share_enabled: bool,
    /// Whether the host lets people in one by one.
    pub require_approval: bool,
    /// When not empty: only accounts with an e-mail address at one of these domains may join. Lower case.
    pub allowed_domains: Vec<String>,
    /// Whether people without an account may join with a name.
    pub guests_allowed: bool,
}

/// Where a meeting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Nobody is in it now.
    Waiting,
    /// Somebody is in it.
    Active,
    /// Over for good.
    Ended,
}

/// A meeting as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// Its code.
    pub room: RoomId,
    /// Whose it is.
    pub host: UserId,
    /// The host's name at the time of creation.
    pub host_name: String,
    /// What it is called.
    pub title: String,
    /// More about it; may be empty.
    pub description: String,
    /// When it is meant to begin.
    pub scheduled_at: Option<Timestamp>,
    /// The host's choices.
    pub settings: Settings,
    /// Where it stands.
    pub status: Status,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the first person entered.
    pub started_at: Option<Timestamp>,
    /// When it was ended.
    pub ended_at: Option<Timestamp>,
}
