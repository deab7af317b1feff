//! Settings that may be exchanged while the program runs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// A value that is read often and replaced seldom. Cheap to clone; all clones are one.
///
/// Whoever reads it goes on with what it read: a request is served by one set of settings from its begin to its end.
pub struct Live<T>(Arc<RwLock<Arc<T>>>);

impl<T> Live<T> {
    /// This value, until another one is set.
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The value as it is now.
    pub fn get(&self) -> Arc<T> {
        // What is inside is replaced whole, so that a panic elsewhere can't leave it half changed.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another value in its place.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_read_it_keeps_what_it_was_and_everybody_else_gets_the_new_one() {
        let live = Live::new(1);
        let (before, other) = (live.get(), live.clone());
        live.set(2);
        assert_eq!((*before, *other.get()), (1, 2));
    }
}
