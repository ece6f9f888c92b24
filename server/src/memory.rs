//! The memory budget of a node (`limits.outbound_total`): the sum of what clients can make it hold.
//!
//! Each queue is bounded on its own, and thousands of full queues together are not. Every connection therefore reports
//! what it holds in a [`Footprint`], and all footprints add up in one [`MemoryBudget`]. `node/relief.rs` closes the
//! connections that hold most when the sum is over the budget.

mod footprint;
mod machine;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

pub use self::{footprint::Footprint, machine::quarter_of_memory};

/// Changes below this many bytes are not counted, so that a connection that keeps up with its messages never touches the
/// shared counter. It is also the largest error of one part of a footprint.
const STEP: usize = 4 * 1024;
/// The bytes that an HTTP exchange counts until its end: what hyper reads into, and the request's headers.
pub(crate) const HANDSHAKE: usize = 16 * 1024;
/// The kernel's send buffer of one accepted socket, with the kernel's own overhead.
pub(crate) const SEND_BUFFER: usize = 128 * 1024;

/// How much clients may make this node hold, and how much they do.
#[derive(Debug)]
pub struct MemoryBudget {
    limit: AtomicUsize,
    /// By clients that may stay.
    used: AtomicUsize,
    /// By what ends soon by itself: handshakes, and connections that are being closed.
    passing: AtomicUsize,
    exceeded: Notify,
}

/// Bytes that count until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<MemoryBudget>,
    bytes: usize,
}

impl MemoryBudget {
    /// A budget of `limit` bytes, of which none is used.
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

    /// Whether clients that may stay use more than the budget allows.
    pub fn is_exceeded(&self) -> bool {
        self.staying() > self.limit()
    }

    /// Whether everything together uses more than the budget allows, so that what takes long is cut short.
    pub(crate) fn is_short(&self) -> bool {
        self.used() > self.limit()
    }

    /// Whether so much more is in use that no new client is taken in until others are gone: a quarter more by those that
    /// may stay, or as much again by what ends soon.
    pub(crate) fn is_far_exceeded(&self) -> bool {
        let limit = self.limit();
        self.staying() > limit.saturating_add(limit / 4) || self.used() > limit.saturating_mul(2)
    }

    /// Waits until more is in use than the budget allows.
    pub(crate) async fn until_exceeded(&self) {
        while !self.is_exceeded() {
            self.exceeded.notified().await;
        }
    }

    /// Counts the bytes of something that ends soon, until the returned value is dropped.
    pub(crate) fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        self.passing.fetch_add(bytes, Ordering::Relaxed);
        Charge { budget: Arc::clone(self), bytes }
    }

    fn add(&self, bytes: usize) {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let limit = self.limit();
        // The task that makes room is woken once, by the addition that passes the limit.
        if before <= limit && before.saturating_add(bytes) > limit {
            self.exceeded.notify_one();
        }
    }

    fn subtract(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts bytes as those of a connection that is being closed.
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
    fn handshakes_count_and_push_no_client_out() {
        let budget = MemoryBudget::new(100);
        let charge = budget.charge(150);
        assert_eq!((budget.used(), budget.is_short(), budget.is_exceeded()), (150, true, false));
        let another = budget.charge(60);
        assert!(budget.is_far_exceeded());
        drop((charge, another));
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn wakes_the_waiting_task_when_the_limit_is_passed_or_lowered() {
        let budget = MemoryBudget::new(100);
        budget.add(90);
        tokio::join!(budget.until_exceeded(), async { budget.add(20) });
        budget.subtract(20);
        tokio::join!(budget.until_exceeded(), async { budget.set_limit(50) });
    }
}
