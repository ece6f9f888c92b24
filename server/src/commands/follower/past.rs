//! The past of a tail: the newest entries of several logs, merged by time and bounded.

use std::{collections::BTreeMap, sync::Arc};

use realtime_gateway_protocol::Timestamp;

use crate::{
    delivery::tail::TailedEntry,
    store::{Entry, NoticeEntry},
    topic::Topic,
};

/// The maximum number of entries.
const MAX_ENTRIES: usize = 10_000;
/// The maximum size of the entries, in bytes.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// The maximum number of entries that are looked at.
const MAX_LOOKED_AT: usize = 100_000;

/// The entries of the log that a tail begins with.
#[derive(Debug, Default)]
pub(crate) struct Past {
    /// The entries, the oldest first.
    pub(crate) entries: Vec<TailedEntry>,
    /// Whether older entries are missing because of the bounds.
    pub(crate) is_cut: bool,
}

/// Whether a log is read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Older entries may be shown, too.
    Continues,
    /// No older entry of the log is shown.
    Ends,
}

/// Gathers the newest entries of several logs, each of which is read backwards.
#[derive(Debug, Default)]
pub(super) struct Newest {
    entries: BTreeMap<(Timestamp, Topic, u64), Arc<Entry>>,
    bytes: usize,
    looked_at: usize,
    /// Whether an entry was removed because of the bounds.
    is_full: bool,
    is_cut: bool,
}

impl Newest {
    /// Records that logs are left out.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Takes the next older entry of a log, if it is to be shown.
    pub(super) fn take(&mut self, topic: &Topic, entry: Entry, is_shown: bool) -> Reading {
        self.looked_at += 1;
        if self.looked_at > MAX_LOOKED_AT {
            self.is_cut = true;
            return Reading::Ends;
        }
        let oldest = self.entries.first_key_value().map(|((at, ..), _)| *at);
        if self.is_full && oldest.is_some_and(|oldest| oldest > entry.at) {
            return Reading::Ends;
        }
        if is_shown {
            self.bytes += entry.body.len();
            self.entries.insert((entry.at, topic.clone(), entry.offset), Arc::new(entry));
            while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES && self.entries.len() > 1 {
                let Some((_, removed)) = self.entries.pop_first() else { break };
                self.bytes = self.bytes.saturating_sub(removed.body.len());
                (self.is_full, self.is_cut) = (true, true);
            }
        }
        Reading::Continues
    }

    /// Returns what was gathered.
    pub(super) fn into_past(self) -> Past {
        let tailed = |((_, topic, _), entry)| TailedEntry { topic, entry: NoticeEntry::Included(entry) };
        Past { entries: self.entries.into_iter().map(tailed).collect(), is_cut: self.is_cut }
    }
}

#[cfg(test)]
mod tests {
    use realtime_gateway_protocol::ClanId;

    use super::*;

    fn topic(name: &str) -> Topic {
        Topic::Clan(ClanId::new(name).unwrap())
    }

    fn entry(at: u64, length: usize) -> Entry {
        Entry { offset: at, at: Timestamp::from_millis(at), body: vec![b'x'; length].into() }
    }

    #[test]
    fn merges_logs_by_time() {
        let mut newest = Newest::default();
        for (name, times) in [("a", [5, 3, 1]), ("b", [4, 2, 0])] {
            for at in times {
                assert_eq!(newest.take(&topic(name), entry(at, 1), at != 3), Reading::Continues);
            }
        }
        let past = newest.into_past();
        let times: Vec<u64> = past.entries.iter().map(|entry| entry.entry.offset()).collect();
        assert_eq!((times, past.is_cut), (vec![0, 1, 2, 4, 5], false));
    }

    #[test]
    fn keeps_newest_entries_within_bounds_and_stops_at_older_ones() {
        let mut newest = Newest::default();
        for at in (1..=10_001).rev() {
            assert_eq!(newest.take(&topic("a"), entry(at, 1), true), Reading::Continues);
        }
        assert_eq!(newest.take(&topic("b"), entry(20_000, 1), true), Reading::Continues);
        assert_eq!(newest.take(&topic("b"), entry(2, 1), true), Reading::Ends);
        let past = newest.into_past();
        assert_eq!((past.entries.len(), past.is_cut), (10_000, true));
        assert_eq!(past.entries.last().unwrap().topic, topic("b"));
        let mut large = Newest::default();
        for at in (1..=10).rev() {
            large.take(&topic("a"), entry(at, 1024 * 1024), true);
        }
        assert_eq!(large.into_past().entries.len(), 8);
    }

    #[test]
    fn bounds_entries_that_are_looked_at() {
        let mut newest = Newest::default();
        let read = (1..=200_000_u64).rev().map(|at| newest.take(&topic("a"), entry(at, 1), false));
        assert_eq!(read.take_while(|reading| *reading == Reading::Continues).count(), 100_000);
        assert!(newest.into_past().is_cut);
    }
}
