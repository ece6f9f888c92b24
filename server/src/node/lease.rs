//! The lease of this node. A node that could not renew its lease in time suspends itself: it accepts and delivers
//! nothing, because other nodes may take its sessions over. It resumes when it holds the lease again.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::store::LEASE;

/// The lease of one node.
#[derive(Debug)]
pub struct Lease {
    created: Instant,
    /// Until when the lease is certainly held, in milliseconds since `created`. [`Self::NEVER`] if it cannot be lost.
    until: AtomicU64,
    /// Since when the lease has been held without interruption, in milliseconds since `created`, or [`Self::NEVER`].
    held_since: AtomicU64,
}

impl Lease {
    const NEVER: u64 = u64::MAX;

    /// Creates a lease in a shared store. It counts as renewed now.
    pub fn acquired_now() -> Self {
        let lease = Self { until: AtomicU64::new(0), ..Self::default() };
        lease.renewed(Instant::now());
        lease
    }

    /// Records that a request renewed the lease. The duration counts from the time at which the request was sent, so
    /// that this node never holds the lease for longer than the store.
    pub fn renewed(&self, sent: Instant) {
        if self.until.load(Ordering::Acquire) != Self::NEVER {
            self.until.store(self.millis(sent + LEASE), Ordering::Release);
        }
    }

    /// Records that a request acquired the lease after it had expired.
    pub fn acquired(&self, sent: Instant) {
        self.held_since.store(self.millis(sent), Ordering::Release);
    }

    /// Returns whether the lease is lost, so that other nodes may have taken this node's sessions over.
    pub fn is_lost(&self) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until != Self::NEVER && self.millis(Instant::now()) >= until
    }

    /// Returns whether this node may remove the records of dead nodes. It has to hold its lease for at least one lease
    /// duration first: after an outage of the store, live nodes need that long to renew their leases.
    pub fn may_reap(&self) -> bool {
        let since = self.held_since.load(Ordering::Acquire);
        !self.is_lost() && self.millis(Instant::now()).saturating_sub(since) >= millis(LEASE)
    }

    fn millis(&self, at: Instant) -> u64 {
        millis(at.saturating_duration_since(self.created))
    }
}

impl Default for Lease {
    /// Creates the lease of a node whose store is not shared. It cannot be lost.
    fn default() -> Self {
        let never = || AtomicU64::new(Self::NEVER);
        Self { created: Instant::now(), until: never(), held_since: never() }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_lost_when_not_renewed_in_time_and_recovers() {
        let lease = Lease::acquired_now();
        assert!(!lease.is_lost());
        let long_ago = Instant::now().checked_sub(LEASE).unwrap();
        let lease = Lease { created: long_ago, until: AtomicU64::new(1), ..Lease::default() };
        assert!(lease.is_lost());
        lease.renewed(long_ago);
        assert!(lease.is_lost(), "a renewal that was sent a lease duration ago does not count");
        lease.renewed(Instant::now());
        assert!(!lease.is_lost());
    }

    #[test]
    fn may_reap_only_after_holding_for_one_lease_duration() {
        let long_ago = Instant::now().checked_sub(LEASE).unwrap();
        let lease = Lease { created: long_ago, ..Lease::default() };
        assert!(!lease.may_reap(), "the lease was never acquired");
        lease.acquired(long_ago);
        assert!(lease.may_reap());
        lease.acquired(Instant::now());
        assert!(!lease.may_reap());
    }

    #[test]
    fn is_never_lost_when_the_store_is_not_shared() {
        let lease = Lease::default();
        lease.renewed(Instant::now());
        assert_eq!(lease.until.load(Ordering::Acquire), Lease::NEVER);
    }
}
