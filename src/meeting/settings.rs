//! What a room is told about itself when it is made.

use std::time::Duration;

use super::details::Settings;

/// How long a seat waits for its person after the socket is lost, and how long a restarted server waits for those who were there.
pub const DEFAULT_RESUME_WINDOW: Duration = Duration::from_secs(30);
/// How long a seat is held between the answer to join and the socket.
pub const DEFAULT_RESERVATION_WINDOW: Duration = Duration::from_secs(30);
/// How long a room without any seat goes on before it counts as empty.
pub const DEFAULT_EMPTY_AFTER: Duration = Duration::from_secs(300);
/// How many lines of chat are kept for those who come later.
pub const DEFAULT_CHAT_LIMIT: usize = 500;
/// How many people fit when nobody said otherwise.
pub const DEFAULT_CAPACITY: usize = 8;

/// The rules of one room. They don't change while it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSettings {
    /// How many seats there are: the smaller of the host's choice and the server's limit.
    pub capacity: usize,
    /// Whether people may write to each other.
    pub chat_enabled: bool,
    /// Whether people may share their screens.
    pub screen_share_enabled: bool,
    /// How long a seat waits after its socket is lost. After a restart the whole room waits as long for those who were in it.
    pub resume_window: Duration,
    /// How long a reserved seat waits for its socket.
    pub reservation_window: Duration,
    /// How long a room without any seat goes on.
    pub empty_after: Duration,
    /// How many lines of chat are kept. A repeated line is recognised while the first one is among them.
    pub chat_limit: usize,
}

impl RoomSettings {
    /// The rules that follow from what the host decided, with at most `server_limit` seats and the default times.
    pub fn of(settings: &Settings, server_limit: usize) -> Self {
        let wanted = usize::try_from(settings.max_participants).unwrap_or(usize::MAX);
        Self {
            capacity: wanted.min(server_limit),
            chat_enabled: settings.chat_enabled,
            screen_share_enabled: settings.screen_share_enabled,
            ..Self::default()
        }
    }
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            capacity: DEFAULT_CAPACITY,
            chat_enabled: true,
            screen_share_enabled: true,
            resume_window: DEFAULT_RESUME_WINDOW,
            reservation_window: DEFAULT_RESERVATION_WINDOW,
            empty_after: DEFAULT_EMPTY_AFTER,
            chat_limit: DEFAULT_CHAT_LIMIT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_the_hosts_choice_and_the_servers_limit_holds() {
        let settings = Settings {
            max_participants: 6,
            recording_enabled: false,
            chat_enabled: false,
            screen_share_enabled: true,
            require_approval: false,
            allowed_domains: Vec::new(),
            guests_allowed: true,
        };
        assert_eq!(RoomSettings::of(&settings, 4).capacity, 4);
        let rules = RoomSettings::of(&settings, 50);
        assert_eq!((rules.capacity, rules.chat_enabled, rules.screen_share_enabled), (6, false, true));
    }
}
