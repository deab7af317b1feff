//! When to look at what again: one time for each thing, however often that thing changes its mind.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use crate::clock::Tick;

/// The earliest time at which each of some things may have to be looked at.
#[derive(Debug)]
pub(super) struct Timers<K> {
    due: BTreeSet<(Tick, K)>,
    set: HashMap<K, Tick>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { due: BTreeSet::new(), set: HashMap::new() }
    }
}

impl<K: Copy + Ord + Hash> Timers<K> {
    /// Looks at `key` at `at`, unless that is to happen earlier anyway.
    pub(super) fn set(&mut self, key: K, at: Tick) {
        if self.set.get(&key).is_some_and(|earlier| *earlier <= at) {
            return;
        }
        if let Some(later) = self.set.insert(key, at) {
            self.due.remove(&(later, key));
        }
        self.due.insert((at, key));
    }

    /// Looks at `key` no more.
    pub(super) fn clear(&mut self, key: K) {
        if let Some(at) = self.set.remove(&key) {
            self.due.remove(&(at, key));
        }
    }

    /// The next thing to look at, at `now` or before.
    pub(super) fn pop(&mut self, now: Tick) -> Option<K> {
        let (at, key) = self.due.first().copied().filter(|(at, _)| *at <= now)?;
        self.due.remove(&(at, key));
        self.set.remove(&key);
        Some(key)
    }

    /// When the first thing is due.
    pub(super) fn first(&self) -> Option<Tick> {
        self.due.first().map(|(at, _)| *at)
    }

    /// How many things there are to look at.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.due.len()
    }
}
