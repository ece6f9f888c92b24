//! Tracks which append notices of each shard were received, so that reconciliation reads only shards with a missing
//! notice.

use parking_lot::Mutex;

use crate::topic::{SHARDS, Shard};

/// The shards of this node.
pub(super) struct Shards {
    states: Vec<Mutex<ShardState>>,
}

/// The received notices of one shard. The count of a notice is one higher than that of the shard's previous entry.
#[derive(Default)]
struct ShardState {
    /// The number of topics of the shard that have subscribers on this node.
    topics: usize,
    /// Every count up to this one was received, or was handled by reconciliation. `None` before the first
    /// reconciliation.
    through: Option<u64>,
    /// Bit n is set when count `through + 2 + n` was received. Notices may arrive out of order, so up to 64 counts
    /// after a gap are remembered.
    beyond: u64,
}

impl Default for Shards {
    fn default() -> Self {
        Self { states: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Shards {
    /// Records the notice with this count as received.
    pub(super) fn received(&self, shard: Shard, count: u64) {
        self.of(shard).lock().receive(count);
    }

    /// Adds a topic to a shard. Returns true for the first topic of the shard.
    pub(super) fn bind(&self, shard: Shard) -> bool {
        let mut state = self.of(shard).lock();
        state.topics += 1;
        state.topics == 1
    }

    /// Removes a topic from a shard. Returns true for the last topic of the shard.
    pub(super) fn release(&self, shard: Shard) -> bool {
        let mut state = self.of(shard).lock();
        state.topics = state.topics.saturating_sub(1);
        if state.topics == 0 {
            (state.through, state.beyond) = (None, 0);
        }
        state.topics == 0
    }

    /// Resets every shard because the counters of the store start again. The next comparison reports every shard.
    pub(super) fn reset_all(&self) {
        (0..=u8::MAX).map(Shard).for_each(|shard| self.reset(shard));
    }

    /// Resets a shard whose topics could not be read, so that the next comparison reports it again.
    pub(super) fn reset(&self, shard: Shard) {
        let mut state = self.of(shard).lock();
        (state.through, state.beyond) = (None, 0);
    }

    /// Returns the shards that have topics on this node.
    pub(super) fn bound(&self) -> Vec<Shard> {
        (0..=u8::MAX).map(Shard).filter(|shard| self.of(*shard).lock().topics > 0).collect()
    }

    /// Compares the store's count of a shard with the received notices. Returns true when a notice up to it is missing.
    pub(super) fn compare(&self, shard: Shard, count: u64) -> bool {
        let mut state = self.of(shard).lock();
        let missed = state.through != Some(count) && state.through.is_none_or(|through| through < count);
        if missed {
            (state.through, state.beyond) = (Some(count), 0);
        }
        missed
    }

    fn of(&self, shard: Shard) -> &Mutex<ShardState> {
        #[expect(clippy::indexing_slicing, reason = "there is one for each of the 256 shards")]
        &self.states[usize::from(shard.0)]
    }
}

impl ShardState {
    fn receive(&mut self, count: u64) {
        let Some(through) = self.through else { return };
        match count.checked_sub(through) {
            None | Some(0) => {}
            Some(1) => {
                self.through = Some(count);
                // Shift the bits by one, and advance over the counts that now follow without a gap.
                while self.beyond & 1 == 1 {
                    self.beyond >>= 1;
                    self.through = self.through.map(|through| through + 1);
                }
                self.beyond >>= 1;
            }
            Some(ahead) => {
                if let Ok(bit @ 0..=63) = u32::try_from(ahead - 2) {
                    self.beyond |= 1 << bit;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_shard_only_when_a_count_is_missing() {
        let shards = Shards::default();
        let shard = Shard(7);
        assert!(shards.bind(shard));
        assert!(shards.compare(shard, 10), "every shard is reported before the first reconciliation");
        for count in [12, 11, 14, 13, 13, 9, 15] {
            shards.received(shard, count);
        }
        assert!(!shards.compare(shard, 15));
        shards.received(shard, 17);
        assert!(shards.compare(shard, 17), "16 was not received");
        assert!(!shards.compare(shard, 17));
    }
}
