//! `[meetings]`

use super::declare::section;

section! {
    /// What holds for every meeting.
    Meetings, "meetings" {
        /// How many people a meeting can hold at most, 2 to 8. Each sends to every other one, so more than 6 need good lines.
        max_participants: u32 = 6;
        /// Whether people without an account may join, where the host of the meeting has not decided it.
        guests_allowed: bool = true;
    }
}
