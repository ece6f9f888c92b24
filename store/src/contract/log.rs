//! Logs: appending to the log of a topic, reading from it, and retention.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{MessageId, Timestamp, topic::Topic};

use super::{Event, Idempotency, StoreError};

/// Identifies one continuous history of a store. A new epoch means that confirmed entries may have been lost.
pub type Epoch = Arc<str>;

/// An entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The offset in the log. The first entry has offset 1.
    pub offset: u64,
    /// When the entry was accepted.
    pub at: Timestamp,
    /// The stored body.
    pub body: Bytes,
}

/// How long entries of a log are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The maximum number of entries.
    pub max_entries: u64,
    /// The maximum age of an entry.
    pub max_age: Duration,
}

/// An earlier entry whose body is replaced in the same step as an append (moderation).
#[derive(Debug, Clone)]
pub struct Redaction {
    /// The offset of the entry.
    pub offset: u64,
    /// The new body.
    pub body: Bytes,
}

/// An append to a log.
#[derive(Debug, Clone)]
pub struct Append {
    /// The topic of the log.
    pub topic: Topic,
    /// The id of the message, which is stored with the idempotency key.
    pub id: MessageId,
    /// The idempotency key, which makes the append safe to repeat.
    pub key: Option<Idempotency>,
    /// When the entry was accepted.
    pub at: Timestamp,
    /// The body that is stored.
    pub body: Bytes,
    /// How long entries of the log are kept.
    pub retention: Retention,
    /// An earlier entry whose body is replaced in the same step.
    pub redaction: Option<Redaction>,
    /// The event for backend services, written in the same step. A repeated append does not write it again.
    pub event: Option<Event>,
}

/// The result of a confirmed append. The entry survives a crash of the process, and with `durability = fsync` also of the
/// machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The offset of the entry.
    pub offset: u64,
    /// The id of the message. For a repeated append, the id of the first one.
    pub id: MessageId,
    /// Whether an earlier append had the same key. If so, nothing was stored now.
    pub duplicate: bool,
    /// The counter of the topic's shard after this append.
    pub shard_count: u64,
    /// The epoch that the offset belongs to.
    pub epoch: Epoch,
}

/// An earlier append with the same idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierAppend {
    /// The offset of its entry.
    pub offset: u64,
    /// The id of its message.
    pub id: MessageId,
    /// The epoch that the offset belongs to.
    pub epoch: Epoch,
}

/// The size limit of one page.
#[derive(Debug, Clone, Copy)]
pub struct PageLimit {
    /// The maximum number of entries.
    pub entries: usize,
    /// The maximum number of bytes of all bodies. A page has at least one entry, even if it is larger.
    pub bytes: usize,
}

/// The first and the last offset of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogBounds {
    /// The last assigned offset, 0 for a log that was never written.
    pub head: u64,
    /// The first offset within retention; `head + 1` for an empty log. A client can recover from every position from
    /// `floor - 1` to `head`. Always 1 for pending notifications, because their offsets have gaps.
    pub floor: u64,
}

/// The bounds of several logs, read in one atomic step.
#[derive(Debug, Clone)]
pub struct Heads {
    /// The store's epoch.
    pub epoch: Epoch,
    /// The bounds, in the order of the request.
    pub bounds: Vec<LogBounds>,
}

/// A page of a log, in ascending order of offsets.
#[derive(Debug, Clone)]
pub struct Page {
    /// The store's epoch.
    pub epoch: Epoch,
    /// The bounds of the log when the page was read.
    pub bounds: LogBounds,
    /// The entries.
    pub entries: Vec<Entry>,
    /// The position after which the next page begins: the offset of the last entry, or the head if this is the last page.
    pub next: u64,
    /// Entries that cannot be read because they are damaged or missing. If present, the page has no entries, and `next`
    /// is the last lost offset. Readable entries before a loss are returned first, in a page of their own.
    pub lost: Option<Lost>,
}

/// A range of entries that are within the bounds of a log and cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The first lost offset.
    pub first: u64,
    /// The last lost offset.
    pub last: u64,
}

impl Lost {
    /// Returns the number of offsets in the range, which is the maximum number of lost entries.
    pub fn count(self) -> u64 {
        (self.last + 1).saturating_sub(self.first)
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

/// Logs with entries of late.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecentLogs {
    /// Their topics.
    pub topics: Vec<Topic>,
    /// Where the search continues. `None` when it is complete.
    pub next: Option<Arc<str>>,
}

/// The logs of all topics. An append assigns the next offset of its topic; offsets are never reused. Every append and every
/// notification increments the counter of its topic's shard in the same step. [`Nodes::reconcile`](super::Nodes::reconcile)
/// reads these counters.
#[async_trait]
pub trait Log {
    /// Returns the store's epoch.
    fn epoch(&self) -> Epoch;

    /// Appends an entry and returns once it is confirmed. Entries cannot be appended to a user's topic, which contains
    /// only notifications.
    ///
    /// # Errors
    /// - [`StoreError::Unavailable`] if the entry is not confirmed. It may have been stored nevertheless.
    /// - [`StoreError::Full`] if there is no space for new entries. Nothing is stored. A deletion is never refused.
    /// - [`StoreError::Conflict`] if the key was used before with different content. Nothing is stored.
    async fn append(&self, append: Append) -> Result<Appended, StoreError>;

    /// Returns the append with the same key within the idempotency window before a time, or `None`. An append with the key
    /// at that time would be a repeat of it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it had different content.
    async fn earlier_append(
        &self,
        topic: &Topic,
        key: &Idempotency,
        at: Timestamp,
    ) -> Result<Option<EarlierAppend>, StoreError>;

    /// Reads the entries after a position. For a user's topic these are the pending notifications. If the position is
    /// before the floor, the page begins at the floor.
    async fn read(&self, topic: &Topic, after: u64, limit: PageLimit) -> Result<Page, StoreError>;

    /// Reads the last entries before an offset, in ascending order.
    async fn read_back(&self, topic: &Topic, before: u64, limit: PageLimit) -> Result<Page, StoreError>;

    /// Returns logs whose newest entry was accepted at or after a time, in any order, and without pending notifications.
    /// It looks at a few hundred logs, and continues where an earlier search has stopped. A log that gets its first or its
    /// last entry meanwhile may be missing or occur twice.
    async fn recent_logs(&self, since: Timestamp, after: Option<Arc<str>>) -> Result<RecentLogs, StoreError>;

    /// Returns the bounds of several logs.
    async fn heads(&self, topics: &[Topic]) -> Result<Heads, StoreError>;
}
