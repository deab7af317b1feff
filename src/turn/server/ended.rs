//! What allocations had moved when they ended, for each participant together, so that it can still be asked for afterwards.

use std::collections::{HashMap, VecDeque};

use crate::ids::ParticipantId;
use crate::turn::counters::Traffic;

/// How many participants are remembered: those of whom an allocation ended last for the first time.
const MAX_REMEMBERED: usize = 4096;

/// What the allocations of each participant had moved that have ended.
#[derive(Default)]
pub(super) struct Ended {
    traffic: HashMap<ParticipantId, Traffic>,
    /// In the order in which they were first heard of.
    order: VecDeque<ParticipantId>,
}

impl Ended {
    /// Adds what one allocation had moved when it ended.
    pub(super) fn add(&mut self, participant: ParticipantId, traffic: Traffic) {
        if let Some(sum) = self.traffic.get_mut(&participant) {
            *sum = *sum + traffic;
            return;
        }
        if self.order.len() >= MAX_REMEMBERED
            && let Some(first) = self.order.pop_front()
        {
            self.traffic.remove(&first);
        }
        self.order.push_back(participant);
        self.traffic.insert(participant, traffic);
    }

    /// What the participant's allocations had moved, if one has ended and it is not too long ago.
    pub(super) fn of(&self, participant: ParticipantId) -> Option<Traffic> {
        self.traffic.get(&participant).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn participant(number: u64) -> ParticipantId {
        let mut bytes = [0; 10];
        bytes[2..].copy_from_slice(&number.to_be_bytes());
        ParticipantId::from_bytes(bytes)
    }

    #[test]
    fn the_allocations_of_one_participant_are_added_up() {
        let mut ended = Ended::default();
        ended.add(participant(1), Traffic { packets_out: 1, bytes_out: 100, ..Traffic::default() });
        ended.add(participant(2), Traffic::default());
        ended.add(participant(1), Traffic { bytes_out: 10, packets_in: 2, bytes_in: 20, throttled: 3, ..Traffic::default() });
        let sum = Traffic { packets_out: 1, bytes_out: 110, packets_in: 2, bytes_in: 20, throttled: 3 };
        assert_eq!((ended.of(participant(1)), ended.of(participant(3))), (Some(sum), None));
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let mut ended = Ended::default();
        let many = MAX_REMEMBERED as u64 + 10;
        for number in 0..many {
            ended.add(participant(number), Traffic::default());
            ended.add(participant(number), Traffic::default());
        }
        assert_eq!((ended.traffic.len(), ended.order.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
        assert_eq!((ended.of(participant(9)), ended.of(participant(10))), (None, Some(Traffic::default())));
        assert!(ended.of(participant(many - 1)).is_some());
    }
}
