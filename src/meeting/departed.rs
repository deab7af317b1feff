//! Who had a seat and has it no more.

use std::collections::VecDeque;

use super::event::{LeaveReason, Pass, Refusal};
use crate::ids::ParticipantId;

/// How many are remembered. Forgetting the oldest is harmless: with an old token of one's own one only comes back to a meeting
/// that one was let into, the capacity is checked again, and tokens expire by themselves. The bound is there so that somebody who
/// joins and leaves all day doesn't fill the memory.
const REMEMBERED: usize = 1_024;

/// Those whose client had read its welcome and who then left or timed out, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Departed(VecDeque<(ParticipantId, LeaveReason)>);

impl Departed {
    /// Notes that `participant` is gone.
    pub(super) fn remember(&mut self, participant: ParticipantId, reason: LeaveReason) {
        self.forget(participant);
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((participant, reason));
    }

    /// Notes that `participant` has a seat again.
    pub(super) fn forget(&mut self, participant: ParticipantId) {
        self.0.retain(|(departed, _)| *departed != participant);
    }

    /// Whether somebody without a seat may take one by this right.
    ///
    /// # Errors
    /// [`Refusal::TicketUsed`] for the ticket of anybody remembered, [`Refusal::SeatGone`] for the resume token of one who left.
    pub(super) fn admit(&self, participant: ParticipantId, pass: Pass) -> Result<(), Refusal> {
        let reason = self.0.iter().find(|(departed, _)| *departed == participant).map(|(_, reason)| *reason);
        match (reason, pass) {
            (None, _) | (Some(LeaveReason::TimedOut), Pass::Resume) => Ok(()),
            (Some(_), Pass::Ticket) => Err(Refusal::TicketUsed),
            (Some(LeaveReason::Left), Pass::Resume) => Err(Refusal::SeatGone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest_first() {
        let id = |n: usize| {
            let mut bytes = [0; 10];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            ParticipantId::from_bytes(bytes)
        };
        let mut departed = Departed::default();
        for n in 0..=REMEMBERED {
            departed.remember(id(n), LeaveReason::Left);
        }
        assert_eq!(departed.0.len(), REMEMBERED);
        assert_eq!(departed.admit(id(0), Pass::Resume), Ok(()));
        assert_eq!(departed.admit(id(1), Pass::Resume), Err(Refusal::SeatGone));
    }
}
