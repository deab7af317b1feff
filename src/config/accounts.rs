//! `[accounts]`

use super::declare::section;
use super::value::choice;

section! {
    /// Who may have an account.
    Accounts, "accounts" {
        /// Who may make an account for themselves: "open" for everybody who can reach the server, "closed" for nobody.
        registration: Registration = Registration::Open => Live, Offered;
    }
}

/// Who may make an account for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Everybody who can reach the server.
    Open,
    /// Nobody.
    Closed,
}

choice!(Registration, "\"open\" or \"closed\"", "write \"open\" or \"closed\"", "open" => Open, "closed" => Closed);
