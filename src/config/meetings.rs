//! `[meetings]`

use super::declare::section;

section! {
    /// What holds for every meeting.
    Meetings, "meetings" {
        /// How many people a meeting can hold at most, 2 to 8. Each sends to every other one, so more than 6 need good lines.
        max_participants: u32 = 6 => Live, Offered;
        /// Whether people without an account may join, where the host of the meeting has not decided it.
        guests_allowed: bool = true => Live, Offered;
        /// How long the browser of somebody in a meeting may be silent until its connection counts as lost, 10 to 300 seconds. It
        /// is asked three times as often whether it is still there.
        ping_timeout_seconds: u32 = 45 => Live, Offered;
        /// How long a seat is kept for somebody whose connection was lost, 5 to 600 seconds. The others see meanwhile that they are
        /// away.
        resume_window_seconds: u32 = 30 => Live, Offered;
    }
}
