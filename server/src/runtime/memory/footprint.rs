//! The memory that one connection holds: its outbound queue, the kernel's send buffer, and messages from the client.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{MemoryBudget, SEND_BUFFER, STEP};

/// The memory that one connection holds. Dropping it releases the bytes from the budget.
#[derive(Debug)]
pub struct Footprint {
    budget: Arc<MemoryBudget>,
    created: Instant,
    outbound: AtomicUsize,
    unfinished: AtomicUsize,
    unanswered: AtomicUsize,
    kernel: AtomicUsize,
    /// Whether the connection is being closed, so that its bytes count as released soon.
    leaving: AtomicBool,
    /// When the socket last stopped accepting bytes, in milliseconds since `created`, plus one. 0 while it accepts
    /// bytes.
    blocked_at: AtomicU64,
}

impl Footprint {
    /// Creates the footprint of a connection that holds nothing.
    pub fn new(budget: &Arc<MemoryBudget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            created: Instant::now(),
            outbound: AtomicUsize::new(0),
            unfinished: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            kernel: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
            blocked_at: AtomicU64::new(0),
        }
    }

    /// Reports the bytes in the outbound queue. A frame that several queues share counts in each of them.
    pub(crate) fn set_outbound(&self, bytes: usize) {
        self.set(&self.outbound, bytes);
    }

    /// Reports the bytes of a message that the client has not finished sending.
    pub(crate) fn set_unfinished(&self, bytes: usize) {
        self.set(&self.unfinished, bytes);
    }

    /// Reports the bytes of a message that is being handled, and of the data received after it.
    pub(crate) fn set_unanswered(&self, bytes: usize) {
        self.set(&self.unanswered, bytes);
    }

    /// Reports that the socket accepts no more bytes because the kernel's send buffer is full.
    pub(crate) fn blocked(&self) {
        if self.blocked_at.load(Ordering::Relaxed) == 0 {
            self.set(&self.kernel, SEND_BUFFER);
            self.blocked_at.store(self.elapsed().saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Reports that the socket accepted bytes.
    pub(crate) fn progressed(&self) {
        if self.blocked_at.load(Ordering::Relaxed) != 0 {
            self.blocked_at.store(0, Ordering::Relaxed);
            self.set(&self.kernel, 0);
        }
    }

    /// Reports that the connection is being closed. No other report may run concurrently.
    pub(crate) fn leave(&self) {
        if !self.leaving.swap(true, Ordering::Relaxed) {
            self.budget.leave(self.bytes());
        }
    }

    /// Reports that the connection has ended, although the footprint may still be referenced.
    pub(crate) fn release(&self) {
        self.progressed();
        self.set_outbound(0);
        self.set_unfinished(0);
        self.set_unanswered(0);
    }

    /// Returns whether the node is short of memory, so that slow closes are shortened.
    pub(crate) fn is_memory_short(&self) -> bool {
        self.budget.is_short()
    }

    /// Returns the bytes that are counted.
    pub fn bytes(&self) -> usize {
        let parts = [&self.outbound, &self.unfinished, &self.unanswered, &self.kernel];
        parts.into_iter().map(|part| part.load(Ordering::Relaxed)).sum()
    }

    /// Returns whether the client causes the connection to hold memory, because it does not read or does not finish a
    /// message. A queue that is being written and a message that is being handled are not caused by the client.
    pub(crate) fn is_held_up(&self) -> bool {
        self.blocked_at.load(Ordering::Relaxed) != 0 || self.unfinished.load(Ordering::Relaxed) > 0
    }

    /// Returns how long the socket has accepted no bytes although frames are waiting.
    pub(crate) fn blocked_for(&self) -> Duration {
        match self.blocked_at.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(self.elapsed().saturating_sub(since - 1)),
        }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.created.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    /// Sets a part and updates the budget. Each part has one writer at a time, so a load and a store suffice.
    fn set(&self, part: &AtomicUsize, bytes: usize) {
        let counted = part.load(Ordering::Relaxed);
        if bytes.abs_diff(counted) < STEP && (bytes > 0 || counted == 0) {
            return;
        }
        let bytes = if bytes < STEP { 0 } else { bytes };
        part.store(bytes, Ordering::Relaxed);
        match (bytes > counted, self.leaving.load(Ordering::Relaxed)) {
            (true, false) => self.budget.add(bytes - counted),
            (false, false) => self.budget.subtract(counted - bytes),
            (true, true) => {
                self.budget.passing.fetch_add(bytes - counted, Ordering::Relaxed);
            }
            (false, true) => {
                self.budget.passing.fetch_sub(counted - bytes, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Footprint {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_are_released() {
        let budget = MemoryBudget::new(1 << 20);
        let footprint = Footprint::new(&budget);
        footprint.set_outbound(10_000);
        footprint.set_unfinished(20_000);
        footprint.blocked();
        footprint.blocked();
        assert_eq!((footprint.bytes(), budget.used()), (30_000 + SEND_BUFFER, 30_000 + SEND_BUFFER));
        footprint.progressed();
        footprint.set_outbound(1);
        assert_eq!(budget.used(), 20_000);
        footprint.release();
        assert_eq!(budget.used(), 0);
        footprint.set_outbound(50_000);
        drop(footprint);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn closing_connections_do_not_exceed_the_budget() {
        let budget = MemoryBudget::new(10_000);
        let footprint = Footprint::new(&budget);
        footprint.set_outbound(50_000);
        assert!(budget.is_exceeded());
        footprint.leave();
        footprint.leave();
        assert_eq!((budget.is_exceeded(), budget.used()), (false, 50_000));
        footprint.set_outbound(20_000);
        footprint.set_unanswered(10_000);
        assert_eq!((budget.staying(), budget.used()), (0, 30_000));
        drop(footprint);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn ignores_small_changes() {
        let budget = MemoryBudget::new(1 << 20);
        let footprint = Footprint::new(&budget);
        footprint.set_outbound(STEP - 1);
        assert_eq!(budget.used(), 0);
        footprint.set_outbound(STEP * 2);
        footprint.set_outbound(STEP * 3 - 1);
        assert_eq!(budget.used(), STEP * 2);
        footprint.set_outbound(0);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn connection_is_held_up_only_by_its_client() {
        let budget = MemoryBudget::new(1 << 20);
        let footprint = Footprint::new(&budget);
        footprint.set_outbound(1 << 20);
        assert!(!footprint.is_held_up());
        footprint.blocked();
        assert!(footprint.is_held_up());
        footprint.progressed();
        footprint.set_unanswered(1 << 16);
        assert!(!footprint.is_held_up());
        footprint.set_unfinished(1 << 16);
        assert!(footprint.is_held_up());
        assert_eq!(footprint.blocked_for(), Duration::ZERO);
    }
}
