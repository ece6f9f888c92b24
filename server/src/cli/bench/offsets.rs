//! The offsets that one client receives, which show what was lost, doubled or out of order.

use std::collections::BTreeSet;

/// The offsets of one topic as one client has received them.
#[derive(Debug)]
pub(super) struct Offsets {
    /// The offset that should come next.
    next: u64,
    /// Offsets that were skipped, and have not come since.
    missing: BTreeSet<u64>,
    /// The offsets that were received, each counted once.
    pub(super) received: u64,
    /// Those that were received more than once.
    pub(super) doubled: u64,
    /// Those that were received after a later one.
    pub(super) out_of_order: u64,
}

impl Offsets {
    /// Begins after the newest entry of the topic.
    pub(super) fn after(head: u64) -> Self {
        Self { next: head + 1, missing: BTreeSet::new(), received: 0, doubled: 0, out_of_order: 0 }
    }

    /// Notes an offset that was received.
    pub(super) fn note(&mut self, offset: u64) {
        if offset < self.next {
            if self.missing.remove(&offset) {
                self.out_of_order += 1;
                self.received += 1;
            } else {
                self.doubled += 1;
            }
            return;
        }
        self.missing.extend(self.next..offset);
        self.next = offset + 1;
        self.received += 1;
    }

    /// Returns whether everything up to this offset was received.
    pub(super) fn is_complete(&self, head: u64) -> bool {
        self.lost(head) == 0
    }

    /// Returns how many entries up to this offset were not received.
    pub(super) fn lost(&self, head: u64) -> u64 {
        self.missing.range(..=head).count() as u64 + (head + 1).saturating_sub(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(offsets: &[u64]) -> Offsets {
        let mut noted = Offsets::after(10);
        offsets.iter().for_each(|offset| noted.note(*offset));
        noted
    }

    #[test]
    fn in_order_nothing_is_missing() {
        let noted = noted(&[11, 12, 13]);
        assert_eq!((noted.received, noted.doubled, noted.out_of_order), (3, 0, 0));
        assert!(noted.is_complete(13) && noted.is_complete(10));
        assert_eq!(noted.lost(15), 2);
    }

    #[test]
    fn counts_what_was_skipped_doubled_or_late() {
        let noted = noted(&[11, 14, 14, 12, 11]);
        assert_eq!((noted.received, noted.doubled, noted.out_of_order), (3, 2, 1));
        assert_eq!(noted.lost(14), 1, "13 has not come");
    }
}
