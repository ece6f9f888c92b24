//! What was heard of each shard: whether some doorbell is missing, so that the pulse knows where to look.

use parking_lot::Mutex;

use crate::topic::{SHARDS, Shard};

/// The shards of this node.
pub(super) struct Shards {
    heard: Vec<Mutex<Heard>>,
}

/// What was heard of one shard. Counts rise by one with every entry of the shard.
#[derive(Default)]
struct Heard {
    /// How many topics of the shard are followed here.
    topics: usize,
    /// Every count up to this one was heard, or looked after by the pulse; none before the first pulse.
    through: Option<u64>,
    /// Bit n: count `through + 2 + n` was heard. Doorbells overtake each other, and a bit remembers that.
    beyond: u64,
}

impl Default for Shards {
    fn default() -> Self {
        Self { heard: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Shards {
    /// Notes that the doorbell with this count was heard.
    pub(super) fn heard(&self, shard: Shard, count: u64) {
        self.of(shard).lock().hear(count);
    }

    /// Counts one more topic that is followed; true for the first of its shard.
    pub(super) fn bind(&self, shard: Shard) -> bool {
        let mut heard = self.of(shard).lock();
        heard.topics += 1;
        heard.topics == 1
    }

    /// Counts one topic less; true for the last of its shard.
    pub(super) fn release(&self, shard: Shard) -> bool {
        let mut heard = self.of(shard).lock();
        heard.topics = heard.topics.saturating_sub(1);
        if heard.topics == 0 {
            (heard.through, heard.beyond) = (None, 0);
        }
        heard.topics == 0
    }

    /// Forgets what was heard, because the counters begin anew: the next comparison looks into every shard.
    pub(super) fn forget(&self) {
        (0..=u8::MAX).map(Shard).for_each(|shard| self.doubt(shard));
    }

    /// A shard was not looked into that should have been: the next comparison does.
    pub(super) fn doubt(&self, shard: Shard) {
        let mut heard = self.of(shard).lock();
        (heard.through, heard.beyond) = (None, 0);
    }

    /// The shards in which topics are followed.
    pub(super) fn bound(&self) -> Vec<Shard> {
        (0..=u8::MAX).map(Shard).filter(|shard| self.of(*shard).lock().topics > 0).collect()
    }

    /// Takes the store's count of a shard; true when a doorbell up to it was not heard.
    pub(super) fn compare(&self, shard: Shard, count: u64) -> bool {
        let mut heard = self.of(shard).lock();
        let missed = heard.through != Some(count) && heard.through.is_none_or(|through| through < count);
        if missed {
            (heard.through, heard.beyond) = (Some(count), 0);
        }
        missed
    }

    fn of(&self, shard: Shard) -> &Mutex<Heard> {
        #[expect(clippy::indexing_slicing, reason = "there is one for each of the 256 shards")]
        &self.heard[usize::from(shard.0)]
    }
}

impl Heard {
    fn hear(&mut self, count: u64) {
        let Some(through) = self.through else { return };
        match count.checked_sub(through) {
            None | Some(0) => {}
            Some(1) => {
                self.through = Some(count);
                // The bits move down, and those that now follow without a gap are consumed.
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
    fn counts_heard_in_any_order_leave_nothing_missing() {
        let shards = Shards::default();
        let shard = Shard(7);
        assert!(shards.bind(shard));
        assert!(shards.compare(shard, 10), "before the first pulse nothing is known");
        for count in [12, 11, 14, 13, 13, 9, 15] {
            shards.heard(shard, count);
        }
        assert!(!shards.compare(shard, 15));
        shards.heard(shard, 17);
        assert!(shards.compare(shard, 17), "16 was not heard");
        assert!(!shards.compare(shard, 17));
    }
}
