//! How many events may wait for the broker, and what was left out because so many did.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::telemetry::log_limited;

/// The bound of an outbox. It says in the log when it is reached and when there is room again, once each.
#[derive(Debug)]
pub(super) struct OutboxBound {
    limit: u64,
    overflowed: AtomicU64,
    full: AtomicBool,
}

impl OutboxBound {
    /// At most so many events may wait.
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, overflowed: AtomicU64::new(0), full: AtomicBool::new(false) }
    }

    /// Whether one more fits beside those that wait; counted when it does not.
    pub(super) fn admits(&self, waiting: u64) -> bool {
        if waiting < self.limit {
            if waiting <= self.limit / 2 && self.full.swap(false, Ordering::Relaxed) {
                log_limited!(INFO, {}, "the outbox has room again");
            }
            return true;
        }
        self.overflowed.fetch_add(1, Ordering::Relaxed);
        if !self.full.swap(true, Ordering::Relaxed) {
            log_limited!(
                ERROR,
                { limit = self.limit },
                "outbox.max_entries events wait for the broker: backend services are not told of what happens now"
            );
        }
        false
    }

    /// How many events were left out.
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted() {
        let bound = OutboxBound::new(2);
        assert!(bound.admits(0) && bound.admits(1));
        assert!(!bound.admits(2) && !bound.admits(3));
        assert!(bound.admits(1));
        assert_eq!(bound.overflowed(), 2);
    }
}
