//! The limit of the number of events in the outbox, and the count of events that were discarded because of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gateway_runtime::log_limited;

/// The limit of an outbox. Logs once when the limit is reached, and once when there is room again.
#[derive(Debug)]
pub(super) struct OutboxBound {
    limit: u64,
    overflowed: AtomicU64,
    full: AtomicBool,
}

impl OutboxBound {
    /// Creates the limit for an outbox of at most `limit` events.
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, overflowed: AtomicU64::new(0), full: AtomicBool::new(false) }
    }

    /// Returns whether one more event fits. Counts the event if it does not.
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
                "outbox.max_entries events wait for the broker: further events are not sent to backend services"
            );
        }
        false
    }

    /// Returns the number of discarded events.
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_events_that_do_not_fit() {
        let bound = OutboxBound::new(2);
        assert!(bound.admits(0) && bound.admits(1));
        assert!(!bound.admits(2) && !bound.admits(3));
        assert!(bound.admits(1));
        assert_eq!(bound.overflowed(), 2);
    }
}
