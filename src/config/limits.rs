//! `[limits]`

use super::declare::section;

section! {
    /// How much anybody may ask of this server. An address is an IPv4 address or an IPv6 network (/64); a whole office often shares
    /// one.
    Limits, "limits" {
        /// Connections at once by HTTPS and WebSocket.
        connections: u32 = 10_000 => Live, Offered;
        /// How many of them one address may hold. Each person in a meeting holds one or two.
        connections_per_address: u32 = 256 => Live, Offered;
        /// Requests to the API that one address may make in a minute. Joining a meeting takes some five.
        requests_per_minute: u32 = 600 => Live, Offered;
        /// Meetings that one account may create in an hour.
        meetings_per_hour: u32 = 60 => Live, Offered;
        /// Accounts that may be made from one address in an hour.
        registrations_per_hour: u32 = 60 => Live, Offered;
        /// Lines of chat that one person may write in ten seconds.
        chat_lines_per_ten_seconds: u32 = 20 => Live, Offered;
    }
}
