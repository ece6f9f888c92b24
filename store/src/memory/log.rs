//! One log in memory.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use realtime_gateway_protocol::{MessageId, Timestamp};

use crate::{
    Append, ContentDigest, Entry, Idempotency, IdempotencyKey, LogBounds, PageLimit, Repeat, Retention, StoreError,
    clock::after,
    page::{PageBudget, Read, next_position},
};

/// A log. Its offsets have no gaps, so the index of an entry is the distance of its offset from the floor.
#[derive(Debug)]
pub(super) struct MemoryLog {
    head: u64,
    entries: VecDeque<Entry>,
    max_age: Duration,
    /// The time of this log in the store's index of ages.
    indexed: Option<Timestamp>,
    keys: HashMap<IdempotencyKey, Remembered>,
    /// The approximate memory of the entries and keys, in bytes.
    bytes: u64,
}

/// The approximate size of an entry without its body, in bytes.
const ENTRY_BYTES: u64 = 64;
/// The approximate size of a key, in bytes, here and in the list of keys by time.
const KEY_BYTES: u64 = 384;

/// The result of an earlier append.
#[derive(Debug)]
struct Remembered {
    offset: u64,
    id: MessageId,
    at: Timestamp,
    content: ContentDigest,
}

/// The effect of an append.
pub(super) struct Stored {
    /// The entry's offset.
    pub(super) offset: u64,
    /// The old and the new time in the index of ages, if it has to be updated.
    pub(super) ages: Option<(Option<Timestamp>, Timestamp)>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self {
            head: 0,
            entries: VecDeque::new(),
            max_age: Duration::MAX,
            indexed: None,
            keys: HashMap::new(),
            bytes: 0,
        }
    }
}

impl MemoryLog {
    /// Returns the approximate memory of the log, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns when the newest entry was accepted.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.entries.back().map(|entry| entry.at)
    }

    /// Finds an entry with the same key within the window. Returns its offset and the id of its message.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if that entry has different content.
    pub(super) fn earlier(
        &self,
        idempotency: &Idempotency,
        at: Timestamp,
        window: Duration,
    ) -> Result<Option<(u64, MessageId)>, StoreError> {
        let known = self.keys.get(&idempotency.key).filter(|known| after(known.at, window) > at);
        match known.map(|known| (known, Repeat::of(Some(known.content), idempotency.content))) {
            None => Ok(None),
            Some((known, Repeat::Same)) => Ok(Some((known.offset, known.id.clone()))),
            Some((_, Repeat::Conflict)) => Err(StoreError::Conflict),
        }
    }

    /// Appends an entry.
    pub(super) fn append(&mut self, append: &Append) -> Stored {
        if let Some(redaction) = &append.redaction
            && let Some(entry) = self.entry_mut(redaction.offset)
        {
            let before = std::mem::replace(&mut entry.body, redaction.body.clone());
            self.bytes = (self.bytes + redaction.body.len() as u64).saturating_sub(before.len() as u64);
        }
        let Retention { max_entries, max_age } = append.retention;
        if self.max_age != max_age {
            // Entries that were too old under the earlier retention stay removed under the new one.
            self.remove(self.aged(append.at));
        }
        self.head += 1;
        self.bytes += ENTRY_BYTES + append.body.len() as u64;
        self.entries.push_back(Entry { offset: self.head, at: append.at, body: append.body.clone() });
        let excess = self.entries.len().saturating_sub(usize::try_from(max_entries).unwrap_or(usize::MAX));
        self.remove(excess);
        if let Some(idempotency) = &append.key {
            let content = idempotency.content;
            let known = Remembered { offset: self.head, id: append.id.clone(), at: append.at, content };
            if self.keys.insert(idempotency.key.clone(), known).is_none() {
                self.bytes += KEY_BYTES;
            }
        }
        // The time in the index may be too early, but never too late, so that most appends do not write it.
        let ages = if self.indexed.is_none() || self.max_age != max_age {
            self.max_age = max_age;
            let before = self.indexed;
            self.due().map(|due| (before, due))
        } else {
            None
        };
        Stored { offset: self.head, ages }
    }

    /// Returns the bounds of the log. Entries that are too old are excluded even if they are not swept yet.
    pub(super) fn bounds(&self, now: Timestamp) -> LogBounds {
        LogBounds { head: self.head, floor: self.stored_floor() + self.aged(now) as u64 }
    }

    /// Reads the entries after a position.
    pub(super) fn read(&self, position: u64, limit: PageLimit, now: Timestamp) -> (LogBounds, Read) {
        let bounds = self.bounds(now);
        let from = position.saturating_add(1).max(bounds.floor);
        let mut budget = PageBudget::new(limit);
        let skipped = self.index_of(from).unwrap_or(self.entries.len());
        let fits = |entry: &&Entry| budget.take(entry.body.len());
        let entries: Vec<Entry> = self.entries.range(skipped..).take_while(fits).cloned().collect();
        let exhausted = skipped + entries.len() == self.entries.len();
        let next = next_position(&entries, exhausted, position, bounds.head);
        (bounds, Read { entries, next, lost: None })
    }

    /// Reads the last entries before an offset, in ascending order.
    pub(super) fn read_back(&self, before: u64, limit: PageLimit, now: Timestamp) -> (LogBounds, Read) {
        let bounds = self.bounds(now);
        let mut budget = PageBudget::new(limit);
        let first = self.index_of(bounds.floor).unwrap_or(self.entries.len());
        let end = self.index_of(before).unwrap_or(if before > self.head { self.entries.len() } else { 0 });
        let fits = |entry: &&Entry| budget.take(entry.body.len());
        let mut entries: Vec<Entry> = self.entries.range(first.min(end)..end).rev().take_while(fits).cloned().collect();
        entries.reverse();
        let next = entries.last().map_or(bounds.head, |last| last.offset);
        (bounds, Read { entries, next, lost: None })
    }

    /// Removes entries that are too old, up to a number, and returns how many were removed.
    pub(super) fn remove_aged(&mut self, now: Timestamp, at_most: usize) -> usize {
        let removed = self.aged(now).min(at_most);
        self.remove(removed);
        self.indexed = None;
        removed
    }

    /// Returns when the oldest entry expires. The caller writes it into the index of ages.
    pub(super) fn due(&mut self) -> Option<Timestamp> {
        self.indexed = self.entries.front().map(|entry| after(entry.at, self.max_age));
        self.indexed
    }

    /// Removes a key whose window has ended, unless a later append has renewed it.
    pub(super) fn forget(&mut self, key: &IdempotencyKey, now: Timestamp, window: Duration) {
        if self.keys.get(key).is_some_and(|known| after(known.at, window) <= now) {
            self.keys.remove(key);
            self.bytes = self.bytes.saturating_sub(KEY_BYTES);
        }
    }

    /// Removes the oldest entries.
    fn remove(&mut self, count: usize) {
        let bytes: u64 = self.entries.drain(..count).map(|entry| ENTRY_BYTES + entry.body.len() as u64).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Returns the number of entries that are too old.
    fn aged(&self, now: Timestamp) -> usize {
        self.entries.partition_point(|entry| after(entry.at, self.max_age) <= now)
    }

    fn stored_floor(&self) -> u64 {
        self.head + 1 - self.entries.len() as u64
    }

    /// Returns the index of an offset among the entries, if it is there.
    fn index_of(&self, offset: u64) -> Option<usize> {
        let index = usize::try_from(offset.checked_sub(self.stored_floor())?).ok()?;
        (index < self.entries.len()).then_some(index)
    }

    fn entry_mut(&mut self, offset: u64) -> Option<&mut Entry> {
        let index = self.index_of(offset)?;
        self.entries.get_mut(index)
    }
}
