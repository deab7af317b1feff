//! What a page tells of its connections to others, for the server's figures.

use std::collections::HashSet;

use crate::hub::ConnectionOutcome;
use crate::ids::ParticipantId;

/// How many different ones one socket may tell; far more than a meeting has people.
const MOST: usize = 256;

/// What one socket has told. A page's word is all there is for it, so no page may tell more than it can know.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    told: HashSet<(ParticipantId, ConnectionOutcome)>,
}

impl Outcomes {
    /// Whether this one counts: it was not told before.
    pub(super) fn is_new(&mut self, to: ParticipantId, outcome: ConnectionOutcome) -> bool {
        self.told.len() < MOST && self.told.insert((to, outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_counts_once_and_nobody_can_tell_endlessly_many() {
        let mut outcomes = Outcomes::default();
        let somebody = ParticipantId::random();
        assert!(outcomes.is_new(somebody, ConnectionOutcome::Failed));
        assert!(outcomes.is_new(somebody, ConnectionOutcome::Connected));
        assert!(!outcomes.is_new(somebody, ConnectionOutcome::Connected));
        let counted = (0..10_000).filter(|_| outcomes.is_new(ParticipantId::random(), ConnectionOutcome::Connected)).count();
        assert_eq!(counted, MOST - 2);
    }
}
