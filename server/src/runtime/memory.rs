//! The memory budget of a node (`limits.outbound_total`): bounds the memory that all connections together hold.
//!
//! Each queue is bounded, but the sum of thousands of full queues is not. Every connection therefore reports the memory
//! that it holds in a [`Footprint`], and all footprints are added up in one [`MemoryBudget`]. `session/relief.rs`
//! closes the connections that hold most when the sum exceeds the budget.

mod footprint;
mod machine;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

pub use self::{footprint::Footprint, machine::quarter_of_memory};

/// Changes below this many bytes are not counted, so that a connection that keeps up never updates the shared counter.
/// It is also the largest error of one part of a footprint.
const STEP: usize = 4 * 1024;
/// The bytes that are counted for an HTTP exchange until its end: the read buffer of hyper and the request headers.
pub(crate) const HANDSHAKE: usize = 16 * 1024;
/// The size of the kernel's send buffer of one accepted socket, including the kernel's overhead.
pub(crate) const SEND_BUFFER: usize = 128 * 1024;

/// The budget and the memory in use, in bytes.
#[derive(Debug)]
pub struct MemoryBudget {
    limit: AtomicUsize,
    /// Bytes of connections that stay open.
    used: AtomicUsize,
    /// Bytes that are released soon: those of handshakes, and of connections that are being closed.
    passing: AtomicUsize,
    exceeded: Notify,
}

/// Bytes that are counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<MemoryBudget>,
    bytes: usize,
}

impl MemoryBudget {
    /// Creates a budget of `limit` bytes, none of which are in use.
    pub fn new(limit: usize) -> Arc<Self> {
        let none = || AtomicUsize::new(0);
        Arc::new(Self { limit: AtomicUsize::new(limit), used: none(), passing: none(), exceeded: Notify::new() })
    }

    /// Returns the budget in bytes.
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Replaces the budget, after the configuration was reloaded.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        self.exceeded.notify_one();
    }

    /// Returns the bytes in use.
    pub fn used(&self) -> usize {
        self.staying().saturating_add(self.passing.load(Ordering::Relaxed))
    }

    /// Returns the bytes in use without those of handshakes and of connections that are being closed.
    pub(crate) fn staying(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Returns whether the connections that stay open exceed the budget.
    pub fn is_exceeded(&self) -> bool {
        self.staying() > self.limit()
    }

    /// Returns whether all bytes together exceed the budget. Slow handshakes and closes are shortened then.
    pub(crate) fn is_short(&self) -> bool {
        self.used() > self.limit()
    }

    /// Returns whether the budget is exceeded so far that no new clients are accepted: by a quarter by the connections
    /// that stay open, or by the whole budget including bytes that are released soon.
    pub(crate) fn is_far_exceeded(&self) -> bool {
        let limit = self.limit();
        self.staying() > limit.saturating_add(limit / 4) || self.used() > limit.saturating_mul(2)
    }

    /// Waits until the budget is exceeded.
    pub(crate) async fn until_exceeded(&self) {
        while !self.is_exceeded() {
            self.exceeded.notified().await;
        }
    }

    /// Counts bytes that are released soon, until the returned value is dropped.
    pub(crate) fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        self.passing.fetch_add(bytes, Ordering::Relaxed);
        Charge { budget: Arc::clone(self), bytes }
    }

    fn add(&self, bytes: usize) {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let limit = self.limit();
        // Wake the relief task only once, by the addition that crosses the limit.
        if before <= limit && before.saturating_add(bytes) > limit {
            self.exceeded.notify_one();
        }
    }

    fn subtract(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Moves bytes to those of connections that are being closed.
    fn leave(&self, bytes: usize) {
        self.passing.fetch_add(bytes, Ordering::Relaxed);
        self.subtract(bytes);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.passing.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_count_but_do_not_exceed_the_budget_of_clients() {
        let budget = MemoryBudget::new(100);
        let charge = budget.charge(150);
        assert_eq!((budget.used(), budget.is_short(), budget.is_exceeded()), (150, true, false));
        let another = budget.charge(60);
        assert!(budget.is_far_exceeded());
        drop((charge, another));
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn wakes_waiting_task_when_limit_is_exceeded_or_lowered() {
        let budget = MemoryBudget::new(100);
        budget.add(90);
        tokio::join!(budget.until_exceeded(), async { budget.add(20) });
        budget.subtract(20);
        tokio::join!(budget.until_exceeded(), async { budget.set_limit(50) });
    }
}
