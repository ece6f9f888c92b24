//! The shard counters of a store that only one process uses.

use std::sync::atomic::{AtomicU64, Ordering};

use realtime_gateway_protocol::topic::{SHARDS, Shard};

/// One counter per shard. All counters start at zero with the process, because only their changes matter.
///
/// A counter is incremented after the entry becomes readable and before the append is confirmed. A reader that sees the new
/// counter therefore finds the entry. In the other order, a reconciliation could see the counter and miss the entry.
#[derive(Debug)]
pub struct ShardCounts(Box<[AtomicU64]>);

impl Default for ShardCounts {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl ShardCounts {
    /// Increments the counter of a shard and returns it.
    pub fn raise(&self, shard: Shard) -> u64 {
        self.counter(shard).map_or(0, |counter| counter.fetch_add(1, Ordering::AcqRel) + 1)
    }

    /// Returns the counter of a shard.
    pub fn get(&self, shard: Shard) -> u64 {
        self.counter(shard).map_or(0, |counter| counter.load(Ordering::Acquire))
    }

    /// Returns the counter of a shard, which exists for every shard number.
    fn counter(&self, shard: Shard) -> Option<&AtomicU64> {
        self.0.get(usize::from(shard.0))
    }
}
