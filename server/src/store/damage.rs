//! What of a store is known to be damaged or missing: logged once for each place, counted, and shown until a restart.

use std::{
    collections::HashSet,
    fmt::Display,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

use crate::telemetry::log_limited;

/// How many places are told apart. Beyond it, a place that is met again counts again.
const PLACES: usize = 65_536;

/// The places of a store that turned out to be damaged.
#[derive(Debug, Default)]
pub(super) struct Damage {
    count: AtomicU64,
    places: Mutex<HashSet<u64>>,
    hasher: RandomState,
}

impl Damage {
    /// Notes `rows` rows that cannot be read at a place, which is counted and logged when it was not known before.
    pub(super) fn note(&self, what: &'static str, place: &impl Display, rows: u64) {
        let place = place.to_string();
        let known = {
            let mut places = self.places.lock();
            let hash = self.hasher.hash_one((what, &place));
            places.contains(&hash) || (places.len() < PLACES && !places.insert(hash))
        };
        if !known {
            self.count.fetch_add(rows, Ordering::Relaxed);
            log_limited!(ERROR, { what, place, rows }, "stored data is damaged or missing");
        }
    }

    /// How many rows are known to be damaged or missing.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_place_once() {
        let damage = Damage::default();
        for _ in 0..3 {
            damage.note("entries", &"clan:a 1-4", 4);
            damage.note("entries", &"clan:b 2-2", 1);
            damage.note("users", &"clan:b 2-2", 1);
        }
        assert_eq!(damage.count(), 6);
    }
}
