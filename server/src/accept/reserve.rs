//! Places beyond all limits, for health probes: a node that takes no more connections still answers them.
//!
//! Whether a socket carries a probe is known when its request has come. A probe sends it immediately, so a socket that
//! is slow is the one that gives way when all places are taken: a crowd cannot hold them.

use std::{collections::VecDeque, fs::File, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// Sockets in the reserve at a time.
pub(super) const PLACES: usize = 64;
/// How long a socket may take for its request and the answer.
pub(super) const WITHIN: Duration = Duration::from_secs(2);
/// File descriptors that are kept for the reserve.
const SPARE_DESCRIPTORS: usize = 8;

/// The places.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// From the oldest to the newest.
    places: VecDeque<(u64, CancellationToken)>,
    last: u64,
}

/// A place in the reserve; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    reserve: Arc<Reserve>,
    number: u64,
    /// Cancelled when another socket has taken the place.
    pub(super) evicted: CancellationToken,
}

impl Reserve {
    /// Takes a place. When all are taken, the oldest socket gives way.
    pub(super) fn take(self: &Arc<Self>) -> Reserved {
        let mut taken = self.taken.lock();
        if taken.places.len() >= PLACES {
            taken.evict_oldest();
        }
        taken.last += 1;
        let (number, evicted) = (taken.last, CancellationToken::new());
        taken.places.push_back((number, evicted.clone()));
        drop(taken);
        Reserved { reserve: Arc::clone(self), number, evicted }
    }

    /// Ends the oldest socket, so that its descriptor becomes free.
    pub(super) fn evict_oldest(&self) {
        self.taken.lock().evict_oldest();
    }
}

impl Taken {
    fn evict_oldest(&mut self) {
        if let Some((_, evicted)) = self.places.pop_front() {
            evicted.cancel();
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.reserve.taken.lock().places.retain(|(number, _)| *number != self.number);
    }
}

/// File descriptors that are held open to be closed when the process has no others left: a socket can be accepted in the
/// place of each.
#[derive(Debug, Default)]
pub(super) struct SpareDescriptors(Vec<File>);

impl SpareDescriptors {
    /// Opens as many as are missing, as far as the system allows.
    pub(super) fn fill(&mut self) {
        while self.0.len() < SPARE_DESCRIPTORS {
            // Without one the next socket has to wait, as it would without this.
            let Ok(file) = File::open("/dev/null") else { return };
            self.0.push(file);
        }
    }

    /// Closes one; false when none is left.
    pub(super) fn release_one(&mut self) -> bool {
        self.0.pop().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_when_all_places_are_taken() {
        let reserve = Arc::new(Reserve::default());
        let taken: Vec<_> = (0..PLACES).map(|_| reserve.take()).collect();
        assert!(taken.iter().all(|place| !place.evicted.is_cancelled()));
        let newest = reserve.take();
        let evicted = taken.iter().filter(|place| place.evicted.is_cancelled()).count();
        assert!(taken[0].evicted.is_cancelled() && evicted == 1 && !newest.evicted.is_cancelled());
    }

    #[test]
    fn a_place_is_given_back() {
        let reserve = Arc::new(Reserve::default());
        let first = reserve.take();
        for _ in 0..PLACES * 2 {
            drop(reserve.take());
        }
        assert!(!first.evicted.is_cancelled());
        assert_eq!(reserve.taken.lock().places.len(), 1);
    }

    #[test]
    fn spare_descriptors_are_opened_again() {
        let mut spare = SpareDescriptors::default();
        assert!(!spare.release_one());
        spare.fill();
        assert!((0..SPARE_DESCRIPTORS).all(|_| spare.release_one()) && !spare.release_one());
    }
}
