//! One log in memory.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use realtime_gateway_protocol::{MessageId, Timestamp};

use crate::store::{
    Append, ContentDigest, Entry, Head, IdempotencyKey, PageLimit, Repeat, Retention, StoreError,
    clock::after,
    page::{PageBudget, Read, next_position},
};

/// A log: its entries have no holes, so the place of an offset is its distance from the floor.
#[derive(Debug)]
pub(super) struct MemoryLog {
    head: u64,
    entries: VecDeque<Entry>,
    max_age: Duration,
    /// What the store's index of ages says of this log.
    indexed: Option<Timestamp>,
    keys: HashMap<IdempotencyKey, Remembered>,
    /// About how many bytes of memory the entries and keys take.
    bytes: u64,
}

/// About how many bytes an entry takes next to its body.
const ENTRY_BYTES: u64 = 64;
/// About how many bytes a key takes, in this log and in the order of keys.
const KEY_BYTES: u64 = 384;

/// What an earlier append was answered.
#[derive(Debug)]
struct Remembered {
    offset: u64,
    id: MessageId,
    at: Timestamp,
    content: ContentDigest,
}

/// What an append did.
pub(super) struct Stored {
    /// The entry's offset.
    pub(super) offset: u64,
    /// When the index of ages must follow: the old and the new value.
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
    /// About how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Finds the entry whose key came within the window: its offset and the message's name.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when that entry says something else.
    pub(super) fn repeated(&self, append: &Append, window: Duration) -> Result<Option<(u64, MessageId)>, StoreError> {
        let Some(idempotency) = &append.key else { return Ok(None) };
        let known = self.keys.get(&idempotency.key).filter(|known| after(known.at, window) > append.at);
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
            // What was too old under the retention before does not come back under the new one.
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
        // The index may say too early a time, never too late a one, so that most appends leave it alone.
        let ages = if self.indexed.is_none() || self.max_age != max_age {
            self.max_age = max_age;
            let before = self.indexed;
            self.due().map(|due| (before, due))
        } else {
            None
        };
        Stored { offset: self.head, ages }
    }

    /// The ends of the log. What is too old is not there, whether swept or not.
    pub(super) fn ends(&self, now: Timestamp) -> Head {
        Head { head: self.head, floor: self.stored_floor() + self.aged(now) as u64 }
    }

    /// Reads the entries after a position.
    pub(super) fn read(&self, position: u64, limit: PageLimit, now: Timestamp) -> (Head, Read) {
        let ends = self.ends(now);
        let from = position.saturating_add(1).max(ends.floor);
        let mut budget = PageBudget::new(limit);
        let skipped = self.place(from).unwrap_or(self.entries.len());
        let fits = |entry: &&Entry| budget.take(entry.body.len());
        let entries: Vec<Entry> = self.entries.range(skipped..).take_while(fits).cloned().collect();
        let exhausted = skipped + entries.len() == self.entries.len();
        let next = next_position(&entries, exhausted, position, ends.head);
        (ends, Read { entries, next, lost: None })
    }

    /// Reads the last entries before an offset, in ascending order.
    pub(super) fn read_back(&self, before: u64, limit: PageLimit, now: Timestamp) -> (Head, Read) {
        let ends = self.ends(now);
        let mut budget = PageBudget::new(limit);
        let first = self.place(ends.floor).unwrap_or(self.entries.len());
        let end = self.place(before).unwrap_or(if before > self.head { self.entries.len() } else { 0 });
        let fits = |entry: &&Entry| budget.take(entry.body.len());
        let mut entries: Vec<Entry> = self.entries.range(first.min(end)..end).rev().take_while(fits).cloned().collect();
        entries.reverse();
        let next = entries.last().map_or(ends.head, |last| last.offset);
        (ends, Read { entries, next, lost: None })
    }

    /// Removes entries that are too old, at most so many, and tells how many.
    pub(super) fn remove_aged(&mut self, now: Timestamp, at_most: usize) -> usize {
        let removed = self.aged(now).min(at_most);
        self.remove(removed);
        self.indexed = None;
        removed
    }

    /// When the oldest entry ends; the caller puts it into the index of ages.
    pub(super) fn due(&mut self) -> Option<Timestamp> {
        self.indexed = self.entries.front().map(|entry| after(entry.at, self.max_age));
        self.indexed
    }

    /// Forgets a key whose window is over. A later append may have renewed it meanwhile.
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

    /// How many entries are too old.
    fn aged(&self, now: Timestamp) -> usize {
        self.entries.partition_point(|entry| after(entry.at, self.max_age) <= now)
    }

    fn stored_floor(&self) -> u64 {
        self.head + 1 - self.entries.len() as u64
    }

    /// Where an offset is among the entries, if it is.
    fn place(&self, offset: u64) -> Option<usize> {
        let place = usize::try_from(offset.checked_sub(self.stored_floor())?).ok()?;
        (place < self.entries.len()).then_some(place)
    }

    fn entry_mut(&mut self, offset: u64) -> Option<&mut Entry> {
        let place = self.place(offset)?;
        self.entries.get_mut(place)
    }
}
