//! Whether this node's lease holds. A node that could not renew it in time freezes: it accepts and delivers nothing,
//! because others may take its sessions over, and goes on once the lease is back.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::store::LEASE;

/// The lease of one node.
#[derive(Debug)]
pub struct Lease {
    began: Instant,
    /// Until when it surely holds, in milliseconds since the beginning, or [`Self::NEVER`] for ever.
    until: AtomicU64,
    /// Since when it has been held without a break, or [`Self::NEVER`].
    held_since: AtomicU64,
}

impl Lease {
    const NEVER: u64 = u64::MAX;

    /// A lease that was just begun, in a store that is shared.
    pub fn begun() -> Self {
        let lease = Self { until: AtomicU64::new(0), ..Self::default() };
        lease.renewed(Instant::now());
        lease
    }

    /// The lease was renewed by a request that was sent at this moment.
    pub fn renewed(&self, sent: Instant) {
        if self.until.load(Ordering::Acquire) != Self::NEVER {
            self.until.store(self.millis(sent + LEASE), Ordering::Release);
        }
    }

    /// The lease had to be taken anew by a request that was sent at this moment.
    pub fn taken_anew(&self, sent: Instant) {
        self.held_since.store(self.millis(sent), Ordering::Release);
    }

    /// Whether others may have taken this node's sessions over.
    pub fn is_lost(&self) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until != Self::NEVER && self.millis(Instant::now()) >= until
    }

    /// Whether it was held for so long that this node may judge others.
    pub fn may_judge(&self) -> bool {
        let since = self.held_since.load(Ordering::Acquire);
        !self.is_lost() && self.millis(Instant::now()).saturating_sub(since) >= millis(LEASE)
    }

    fn millis(&self, at: Instant) -> u64 {
        millis(at.saturating_duration_since(self.began))
    }
}

impl Default for Lease {
    /// The lease of a node that has its store to itself: nobody can take it.
    fn default() -> Self {
        let never = || AtomicU64::new(Self::NEVER);
        Self { began: Instant::now(), until: never(), held_since: never() }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_lost_when_it_was_not_renewed_in_time_and_comes_back() {
        let lease = Lease::begun();
        assert!(!lease.is_lost());
        let long_ago = Instant::now().checked_sub(LEASE).unwrap();
        let lease = Lease { began: long_ago, until: AtomicU64::new(1), ..Lease::default() };
        assert!(lease.is_lost());
        lease.renewed(long_ago);
        assert!(lease.is_lost(), "what was sent so long ago says nothing of now");
        lease.renewed(Instant::now());
        assert!(!lease.is_lost());
    }

    #[test]
    fn only_who_held_it_long_may_judge_others() {
        let long_ago = Instant::now().checked_sub(LEASE).unwrap();
        let lease = Lease { began: long_ago, ..Lease::default() };
        assert!(!lease.may_judge(), "it was never taken");
        lease.taken_anew(long_ago);
        assert!(lease.may_judge());
        lease.taken_anew(Instant::now());
        assert!(!lease.may_judge());
    }

    #[test]
    fn a_node_that_has_its_store_to_itself_never_loses_it() {
        let lease = Lease::default();
        lease.renewed(Instant::now());
        assert_eq!(lease.until.load(Ordering::Acquire), Lease::NEVER);
    }
}
