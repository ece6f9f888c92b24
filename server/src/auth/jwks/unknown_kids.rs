//! The `kid`s that tokens named and no fetched set had, with the time at which each was first asked for. A set that was
//! requested after that time settles the question; an older set may be from before a rotation.

use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    hash::BuildHasher,
    time::{Duration, Instant},
};

/// The most `kid`s that are remembered. The oldest make room.
const CAPACITY: usize = 10_000;
/// After this time a `kid` counts as asked for the first time again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10 * 60);

/// Unknown `kid`s, by their hashes: a client chooses them, and they may be long.
#[derive(Default)]
pub(super) struct UnknownKids {
    first_asked: HashMap<u64, Instant>,
    /// In the order in which they were first asked for.
    order: VecDeque<u64>,
    hasher: RandomState,
}

impl UnknownKids {
    /// Returns when this `kid` was first asked for, which is `now` for one that is not remembered.
    pub(super) fn first_asked(&mut self, kid: &str, now: Instant) -> Instant {
        let hash = self.hasher.hash_one(kid);
        if let Some(first) = self.first_asked.get_mut(&hash) {
            if now.saturating_duration_since(*first) >= FORGOTTEN_AFTER {
                *first = now;
            }
            return *first;
        }
        if self.first_asked.len() >= CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.first_asked.remove(&oldest);
        }
        self.order.push_back(hash);
        self.first_asked.insert(hash, now);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_first_time_until_it_is_long_ago() {
        let (mut kids, now) = (UnknownKids::default(), Instant::now());
        assert_eq!(kids.first_asked("a", now), now);
        let later = now + Duration::from_secs(1);
        assert_eq!(kids.first_asked("a", later), now);
        assert_eq!(kids.first_asked("b", later), later);
        let much_later = now + FORGOTTEN_AFTER;
        assert_eq!(kids.first_asked("a", much_later), much_later);
    }

    #[test]
    fn the_oldest_kids_make_room() {
        let (mut kids, now) = (UnknownKids::default(), Instant::now());
        for number in 0..=CAPACITY {
            kids.first_asked(&number.to_string(), now);
        }
        let later = now + Duration::from_secs(1);
        assert_eq!((kids.first_asked.len(), kids.order.len()), (CAPACITY, CAPACITY));
        assert_eq!(kids.first_asked("0", later), later, "it made room");
        assert_eq!(kids.first_asked(&CAPACITY.to_string(), later), now);
    }
}
