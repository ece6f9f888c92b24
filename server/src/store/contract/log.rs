//! Logs: what is appended to a topic, read from it, and kept of it.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{MessageId, Timestamp};

use super::{Event, Idempotency, StoreError};
use crate::topic::Topic;

/// Names one life of a store: a new one means that confirmed entries may have been lost.
pub type Epoch = Arc<str>;

/// An entry of a log, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log, from 1.
    pub offset: u64,
    /// When it was accepted.
    pub at: Timestamp,
    /// What the service wrote.
    pub body: Bytes,
}

/// How long entries of a log are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// At most so many entries.
    pub max_entries: u64,
    /// At most so long.
    pub max_age: Duration,
}

/// An earlier entry whose body is replaced in the same step as an append (moderation).
#[derive(Debug, Clone)]
pub struct Redaction {
    /// The entry.
    pub offset: u64,
    /// Its new body.
    pub body: Bytes,
}

/// What to append to a log.
#[derive(Debug, Clone)]
pub struct Append {
    /// The log.
    pub topic: Topic,
    /// Names the message; remembered with the key.
    pub id: MessageId,
    /// Makes it safe to repeat.
    pub key: Option<Idempotency>,
    /// When it was accepted.
    pub at: Timestamp,
    /// What to keep.
    pub body: Bytes,
    /// How long the log's entries are kept.
    pub retention: Retention,
    /// An earlier entry that this one takes back.
    pub redaction: Option<Redaction>,
    /// What backend services are told of it, in the same step; not for a repeat.
    pub event: Option<Event>,
}

/// An append that is confirmed: it survives the process, and with `durability = fsync` the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The entry's place.
    pub offset: u64,
    /// The message's name: of the first append, when this one repeats it.
    pub id: MessageId,
    /// Whether an earlier append had the same key; nothing was stored then.
    pub duplicate: bool,
    /// The counter of the topic's shard after this append.
    pub shard_count: u64,
    /// The epoch that the offset belongs to.
    pub epoch: Epoch,
}

/// How much one read may return.
#[derive(Debug, Clone, Copy)]
pub struct PageLimit {
    /// At most so many entries.
    pub entries: usize,
    /// At most so many bytes of bodies, but at least one entry.
    pub bytes: usize,
}

/// The ends of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The last offset that was assigned, 0 when none was.
    pub head: u64,
    /// The first offset from which nothing was trimmed: `head + 1` for an empty log. Positions from `floor - 1` to
    /// `head` are within retention. Always 1 for pending notifications, whose offsets have holes.
    pub floor: u64,
}

/// The ends of several logs at one moment.
#[derive(Debug, Clone)]
pub struct Heads {
    /// The store's epoch.
    pub epoch: Epoch,
    /// The ends, in the order asked.
    pub ends: Vec<Head>,
}

/// A page of a log in ascending offset.
#[derive(Debug, Clone)]
pub struct Page {
    /// The store's epoch.
    pub epoch: Epoch,
    /// The ends of the log when the page was read.
    pub ends: Head,
    /// The entries.
    pub entries: Vec<Entry>,
    /// The position after this page: the last entry's offset, or the head when nothing comes after this page.
    pub next: u64,
    /// Entries that should come next and cannot be read, because they are damaged or missing. The page holds no entries
    /// then, and `next` is the last of the lost. A page ends before entries that are lost.
    pub lost: Option<Lost>,
}

/// Entries that a log should have and that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
}

impl Lost {
    /// How many entries these are at most.
    pub fn count(self) -> u64 {
        (self.last + 1).saturating_sub(self.first)
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

/// Logs: an append gives an entry the next offset of its topic, for ever. Every append, and every notification, raises
/// the counter of its topic's shard by one in the same step; [`Nodes::pulse`](super::Nodes::pulse) reads the counters.
#[async_trait]
pub trait Log {
    /// The store's epoch.
    fn epoch(&self) -> Epoch;

    /// Appends an entry and resolves once it is confirmed. A user's topic takes notifications only.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it is not confirmed; it may have been stored all the same.
    /// [`StoreError::Full`] when there is no space for new entries; nothing is stored then. A deletion is never refused.
    /// [`StoreError::Conflict`] when its key stands for other content; nothing is stored then.
    async fn append(&self, append: Append) -> Result<Appended, StoreError>;

    /// Reads the entries after a position. Of a user's topic these are the pending notifications.
    /// After a position that is out of retention the page begins at the floor.
    async fn read(&self, topic: &Topic, after: u64, limit: PageLimit) -> Result<Page, StoreError>;

    /// Reads the last entries before an offset, in ascending order.
    async fn read_back(&self, topic: &Topic, before: u64, limit: PageLimit) -> Result<Page, StoreError>;

    /// The ends of several logs.
    async fn heads(&self, topics: &[Topic]) -> Result<Heads, StoreError>;
}
