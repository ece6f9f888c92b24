//! Reserved slots beyond all limits for health probes, so that a node that accepts no more connections still answers
//! them.
//!
//! Whether a socket carries a probe is known only once its request arrives. A probe sends it immediately, so when all
//! slots are taken the oldest socket is evicted. Slow clients therefore cannot hold the slots.

use std::{collections::VecDeque, fs::File, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The number of sockets that the reserve can hold.
pub(super) const SLOTS: usize = 64;
/// How long a socket in the reserve may take for its request and the response.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// File descriptors that are kept open as spares.
const SPARE_DESCRIPTORS: usize = 8;

/// The reserved slots.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    reserved: Mutex<ReservedSlots>,
}

#[derive(Debug, Default)]
struct ReservedSlots {
    /// Ordered from the oldest to the newest.
    slots: VecDeque<(u64, CancellationToken)>,
    last_number: u64,
}

/// A slot in the reserve, released on drop.
#[derive(Debug)]
pub(super) struct ReservedSlot {
    reserve: Arc<Reserve>,
    number: u64,
    /// Cancelled when another socket takes over the slot.
    pub(super) evicted: CancellationToken,
}

impl Reserve {
    /// Takes a slot. Evicts the oldest socket when all slots are taken.
    pub(super) fn take(self: &Arc<Self>) -> ReservedSlot {
        let mut reserved = self.reserved.lock();
        if reserved.slots.len() >= SLOTS {
            reserved.evict_oldest();
        }
        reserved.last_number += 1;
        let (number, evicted) = (reserved.last_number, CancellationToken::new());
        reserved.slots.push_back((number, evicted.clone()));
        drop(reserved);
        ReservedSlot { reserve: Arc::clone(self), number, evicted }
    }

    /// Evicts the oldest socket, which frees its file descriptor.
    pub(super) fn evict_oldest(&self) {
        self.reserved.lock().evict_oldest();
    }
}

impl ReservedSlots {
    fn evict_oldest(&mut self) {
        if let Some((_, evicted)) = self.slots.pop_front() {
            evicted.cancel();
        }
    }
}

impl Drop for ReservedSlot {
    fn drop(&mut self) {
        self.reserve.reserved.lock().slots.retain(|(number, _)| *number != self.number);
    }
}

/// Spare file descriptors. When the process has no other left, closing one allows one more socket to be accepted.
#[derive(Debug, Default)]
pub(super) struct SpareDescriptors(Vec<File>);

impl SpareDescriptors {
    /// Opens the missing spares, as far as the system allows.
    pub(super) fn fill(&mut self) {
        while self.0.len() < SPARE_DESCRIPTORS {
            // Not an error: without a spare, the next socket waits until a descriptor becomes free.
            let Ok(file) = File::open("/dev/null") else { return };
            self.0.push(file);
        }
    }

    /// Closes one spare. Returns false when none is left.
    pub(super) fn release_one(&mut self) -> bool {
        self.0.pop().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evicts_the_oldest_socket_when_all_slots_are_taken() {
        let reserve = Arc::new(Reserve::default());
        let reserved: Vec<_> = (0..SLOTS).map(|_| reserve.take()).collect();
        assert!(reserved.iter().all(|slot| !slot.evicted.is_cancelled()));
        let newest = reserve.take();
        let evicted = reserved.iter().filter(|slot| slot.evicted.is_cancelled()).count();
        assert!(reserved[0].evicted.is_cancelled() && evicted == 1 && !newest.evicted.is_cancelled());
    }

    #[test]
    fn releases_the_slot_on_drop() {
        let reserve = Arc::new(Reserve::default());
        let first = reserve.take();
        for _ in 0..SLOTS * 2 {
            drop(reserve.take());
        }
        assert!(!first.evicted.is_cancelled());
        assert_eq!(reserve.reserved.lock().slots.len(), 1);
    }

    #[test]
    fn reopens_spare_descriptors() {
        let mut spare = SpareDescriptors::default();
        assert!(!spare.release_one());
        spare.fill();
        assert!((0..SPARE_DESCRIPTORS).all(|_| spare.release_one()) && !spare.release_one());
    }
}
