//! Known damage of a store. Each damaged position is logged and counted once until the process restarts.

use std::{
    collections::HashSet,
    fmt::Display,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use gateway_runtime::log_limited;
use parking_lot::Mutex;

/// The maximum number of remembered positions. A position beyond it is counted each time it is found.
const MAX_POSITIONS: usize = 65_536;

/// The positions in a store that are known to be damaged.
#[derive(Debug, Default)]
pub(super) struct Damage {
    count: AtomicU64,
    positions: Mutex<HashSet<u64>>,
    hasher: RandomState,
}

impl Damage {
    /// Records `rows` unreadable rows at a position. Logs and counts them unless the position is already known.
    pub(super) fn record(&self, what: &'static str, position: &impl Display, rows: u64) {
        let position = position.to_string();
        let known = {
            let mut positions = self.positions.lock();
            let hash = self.hasher.hash_one((what, &position));
            positions.contains(&hash) || (positions.len() < MAX_POSITIONS && !positions.insert(hash))
        };
        if !known {
            self.count.fetch_add(rows, Ordering::Relaxed);
            log_limited!(ERROR, { what, position, rows }, "stored data is damaged or missing");
        }
    }

    /// Returns the number of rows that are known to be damaged or missing.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_position_once() {
        let damage = Damage::default();
        for _ in 0..3 {
            damage.record("entries", &"clan:a 1-4", 4);
            damage.record("entries", &"clan:b 2-2", 1);
            damage.record("users", &"clan:b 2-2", 1);
        }
        assert_eq!(damage.count(), 6);
    }
}
