//! Accounts.
mod attempts;
mod identity;
pub mod keys;
mod password;
pub mod throttle;
mod tokens;
