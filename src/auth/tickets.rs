//! Tokens for a seat in a meeting. Whether a ticket was used before and whether the seat is still held, the meeting decides.

use super::Auth;
use super::tokens::{SeatClaims, TokenError};
use crate::clock::Timestamp;
use crate::ids::Secret;

impl Auth {
    /// A ticket that takes a seat for the first time, good for [`Limits::ticket`](super::Limits::ticket).
    pub fn issue_ticket(&self, claims: &SeatClaims, now: Timestamp) -> Secret<String> {
        self.0.tickets.issue(claims, now)
    }

    /// What a ticket says.
    ///
    /// # Errors
    /// When it is not a ticket of this server, or its time is over.
    pub fn verify_ticket(&self, ticket: &str, now: Timestamp) -> Result<SeatClaims, TokenError> {
        self.0.tickets.verify(ticket, now)
    }

    /// A token that takes the seat back after its socket was lost, good for
    /// [`Limits::resume_token`](super::Limits::resume_token).
    pub fn issue_resume(&self, claims: &SeatClaims, now: Timestamp) -> Secret<String> {
        self.0.resume.issue(claims, now)
    }

    /// What a resume token says.
    ///
    /// # Errors
    /// When it is not a resume token of this server, or its time is over.
    pub fn verify_resume(&self, token: &str, now: Timestamp) -> Result<SeatClaims, TokenError> {
        self.0.resume.verify(token, now)
    }
}
