//! Tails: an operator watches the entries that go through this node. A tail is a bounded queue, so a reader that is too
//! slow misses entries, which are counted, and nothing waits for it.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use realtime_gateway_protocol::ServiceName;
use tokio::sync::Notify;

use crate::{
    store::{AppendNotice, NoticeEntry},
    topic::Topic,
};

/// The maximum number of tails of a node.
const MAX_TAILS: usize = 8;
/// The maximum number of entries that wait for a reader.
const MAX_ENTRIES: usize = 1_000;
/// The maximum size of the entries that wait for a reader, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// The entries that a tail shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TailFilter {
    /// Only those of this topic.
    pub topic: Option<Topic>,
    /// Only those of this service.
    pub service: Option<ServiceName>,
}

impl TailFilter {
    fn selects(&self, topic: &Topic) -> bool {
        self.topic.as_ref().is_none_or(|only| only == topic)
            && self.service.as_ref().is_none_or(|only| topic.service() == *only)
    }
}

/// An entry that has gone through.
#[derive(Debug, Clone)]
pub struct TailedEntry {
    /// The topic.
    pub topic: Topic,
    /// The entry.
    pub entry: NoticeEntry,
}

/// What a tail reads next.
#[derive(Debug, Clone)]
pub enum Tailed {
    /// An entry.
    Entry(TailedEntry),
    /// The number of entries that were dropped here.
    Dropped(u64),
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<TailedEntry>,
    bytes: usize,
    dropped: u64,
}

/// The queue of one tail.
#[derive(Debug)]
struct TailQueue {
    filter: TailFilter,
    queue: Mutex<Queue>,
    filled: Notify,
}

/// The tails of this node.
#[derive(Debug, Default)]
pub struct Tails {
    /// The number of tails, so that a node without any only reads this.
    count: AtomicUsize,
    tails: RwLock<Vec<Arc<TailQueue>>>,
}

/// A tail, until it is dropped.
#[derive(Debug)]
pub struct Tail {
    tails: Arc<Tails>,
    queue: Arc<TailQueue>,
}

impl Tails {
    /// Opens a tail. Returns `None` when the node has the maximum number of tails.
    pub fn open(self: &Arc<Self>, filter: TailFilter) -> Option<Tail> {
        let mut tails = self.tails.write();
        if tails.len() >= MAX_TAILS {
            return None;
        }
        let queue = Arc::new(TailQueue { filter, queue: Mutex::default(), filled: Notify::new() });
        tails.push(queue.clone());
        self.count.store(tails.len(), Ordering::Relaxed);
        Some(Tail { tails: self.clone(), queue })
    }

    /// Offers an entry to the tails. Never waits for a reader.
    pub fn offer(&self, notice: &AppendNotice) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        for tail in self.tails.read().iter().filter(|tail| tail.filter.selects(&notice.topic)) {
            tail.push(notice);
        }
    }
}

impl TailQueue {
    fn push(&self, notice: &AppendNotice) {
        let size = bytes(&notice.entry);
        let mut queue = self.queue.lock();
        // After the first entry that is dropped, the count of dropped entries comes before later ones.
        if queue.dropped > 0 || queue.entries.len() >= MAX_ENTRIES || queue.bytes + size > MAX_BYTES {
            queue.dropped += 1;
        } else {
            queue.bytes += size;
            queue.entries.push_back(TailedEntry { topic: notice.topic.clone(), entry: notice.entry.clone() });
        }
        drop(queue);
        self.filled.notify_one();
    }
}

fn bytes(entry: &NoticeEntry) -> usize {
    match entry {
        NoticeEntry::Included(entry) => entry.body.len() + 128,
        NoticeEntry::Omitted(_) => 128,
    }
}

impl Tail {
    /// Returns what comes next. It can be cancelled without losing an entry.
    pub async fn next(&self) -> Tailed {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.queue.filled.notified().await;
        }
    }

    fn take(&self) -> Option<Tailed> {
        let mut queue = self.queue.queue.lock();
        if let Some(entry) = queue.entries.pop_front() {
            queue.bytes = queue.bytes.saturating_sub(bytes(&entry.entry));
            return Some(Tailed::Entry(entry));
        }
        (queue.dropped > 0).then(|| Tailed::Dropped(std::mem::take(&mut queue.dropped)))
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let mut tails = self.tails.tails.write();
        tails.retain(|other| !Arc::ptr_eq(other, &self.queue));
        self.tails.count.store(tails.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use realtime_gateway_protocol::{ClanId, Timestamp};

    use super::*;
    use crate::store::Entry;

    fn notice(clan: &str, offset: u64, length: usize) -> AppendNotice {
        let entry = Entry { offset, at: Timestamp::from_millis(0), body: vec![b'x'; length].into() };
        AppendNotice {
            topic: Topic::Clan(ClanId::new(clan).unwrap()),
            epoch: "e".into(),
            shard_count: offset,
            entry: NoticeEntry::Included(Arc::new(entry)),
        }
    }

    fn read(tail: &Tail) -> (Vec<u64>, u64) {
        let (mut offsets, mut dropped) = (Vec::new(), 0);
        while let Some(next) = tail.take() {
            match next {
                Tailed::Entry(entry) => offsets.push(entry.entry.offset()),
                Tailed::Dropped(count) => dropped += count,
            }
        }
        (offsets, dropped)
    }

    #[test]
    fn drops_and_counts_what_a_slow_reader_does_not_take() {
        let tails = Arc::new(Tails::default());
        let tail = tails.open(TailFilter::default()).unwrap();
        for offset in 1..=1_010 {
            tails.offer(&notice("c", offset, 1));
        }
        let (offsets, dropped) = read(&tail);
        assert_eq!((offsets.len(), dropped), (1_000, 10));
        tails.offer(&notice("c", 1_011, 1));
        assert_eq!(read(&tail), (vec![1_011], 0), "it goes on after it was read");
        for offset in 1..=20 {
            tails.offer(&notice("c", offset, 100_000));
        }
        let (offsets, dropped) = read(&tail);
        assert_eq!((offsets.len(), dropped), (10, 10), "the bytes are bounded too");
    }

    #[test]
    fn selects_topics_and_bounds_number_of_tails() {
        let tails = Arc::new(Tails::default());
        let topic = Some(Topic::Clan(ClanId::new("c").unwrap()));
        let tail = tails.open(TailFilter { topic, service: None }).unwrap();
        tails.offer(&notice("c", 1, 1));
        tails.offer(&notice("d", 2, 1));
        assert_eq!(read(&tail), (vec![1], 0));
        let others: Vec<_> = (1..MAX_TAILS).map(|_| tails.open(TailFilter::default()).unwrap()).collect();
        assert!(tails.open(TailFilter::default()).is_none());
        drop(others);
        assert!(tails.open(TailFilter::default()).is_some());
    }
}
