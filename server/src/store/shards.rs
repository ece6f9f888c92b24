//! The counters of shards of a store that one process has to itself.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::topic::{SHARDS, Shard};

/// One counter per shard, from the start of the process: they are only ever compared with each other.
///
/// A counter is raised once what it counts can be read, and before that is answered. So whoever sees it raised finds
/// the entry; the other order would let a pulse note the counter and miss the entry.
#[derive(Debug)]
pub struct ShardCounts(Box<[AtomicU64]>);

impl Default for ShardCounts {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl ShardCounts {
    /// Raises a shard's counter by one and tells it.
    pub fn raise(&self, shard: Shard) -> u64 {
        self.counter(shard).map_or(0, |counter| counter.fetch_add(1, Ordering::AcqRel) + 1)
    }

    /// A shard's counter.
    pub fn get(&self, shard: Shard) -> u64 {
        self.counter(shard).map_or(0, |counter| counter.load(Ordering::Acquire))
    }

    /// There is one for every value of a shard.
    fn counter(&self, shard: Shard) -> Option<&AtomicU64> {
        self.0.get(usize::from(shard.0))
    }
}
