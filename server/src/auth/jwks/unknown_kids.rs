//! Remembers `kid`s that tokens named but no fetched set contained, with the time at which each was first seen. A set
//! requested after that time decides whether the key exists; an older set may predate a rotation.

use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    hash::BuildHasher,
    time::{Duration, Instant},
};

/// The most `kid`s that are remembered. The oldest are evicted.
const CAPACITY: usize = 10_000;
/// The time after which a `kid` counts as seen for the first time again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10 * 60);

/// Unknown `kid`s by their hashes. Clients choose them, so they may be long.
#[derive(Default)]
pub(super) struct UnknownKids {
    first_seen: HashMap<u64, Instant>,
    /// In the order in which they were first seen.
    order: VecDeque<u64>,
    hasher: RandomState,
}

impl UnknownKids {
    /// Returns when this `kid` was first seen: `now` if it is not remembered.
    pub(super) fn first_seen(&mut self, kid: &str, now: Instant) -> Instant {
        let hash = self.hasher.hash_one(kid);
        if let Some(first) = self.first_seen.get_mut(&hash) {
            if now.saturating_duration_since(*first) >= FORGOTTEN_AFTER {
                *first = now;
            }
            return *first;
        }
        if self.first_seen.len() >= CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.first_seen.remove(&oldest);
        }
        self.order.push_back(hash);
        self.first_seen.insert(hash, now);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_first_time_until_it_expires() {
        let (mut kids, now) = (UnknownKids::default(), Instant::now());
        assert_eq!(kids.first_seen("a", now), now);
        let later = now + Duration::from_secs(1);
        assert_eq!(kids.first_seen("a", later), now);
        assert_eq!(kids.first_seen("b", later), later);
        let much_later = now + FORGOTTEN_AFTER;
        assert_eq!(kids.first_seen("a", much_later), much_later);
    }

    #[test]
    fn evicts_the_oldest_kids() {
        let (mut kids, now) = (UnknownKids::default(), Instant::now());
        for number in 0..=CAPACITY {
            kids.first_seen(&number.to_string(), now);
        }
        let later = now + Duration::from_secs(1);
        assert_eq!((kids.first_seen.len(), kids.order.len()), (CAPACITY, CAPACITY));
        assert_eq!(kids.first_seen("0", later), later, "it was evicted");
        assert_eq!(kids.first_seen(&CAPACITY.to_string(), later), now);
    }
}
