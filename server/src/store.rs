//! What must outlive a process: logs with offsets, pending notifications, sessions. The contract of every store.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{ClientMessageId, DeviceId, MessageId, NotificationId, SessionId, Timestamp, UserId};

use crate::topic::{Shard, Topic};

/// Names one life of a store: a new one means that confirmed entries may have been lost.
pub type Epoch = Arc<str>;

/// Why the store did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot confirm now; the operation may have taken effect all the same.
    #[error("the store is not available: {0}")]
    Unavailable(Arc<str>),
}

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

/// Makes an append safe to repeat: the same key of the same sender on the same topic is stored once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// Who sends.
    pub sender: UserId,
    /// The sender's name for what is sent.
    pub id: ClientMessageId,
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
    pub key: Option<IdempotencyKey>,
    /// When it was accepted.
    pub at: Timestamp,
    /// What to keep.
    pub body: Bytes,
    /// How long the log's entries are kept.
    pub retention: Retention,
    /// An earlier entry that this one takes back.
    pub redaction: Option<Redaction>,
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
}

/// A notification to keep until it is acknowledged.
#[derive(Debug, Clone)]
pub struct Notify {
    /// For whom.
    pub user: UserId,
    /// Tells copies apart, within the idempotency window and for as long as the first one is pending.
    pub id: NotificationId,
    /// When it was accepted.
    pub at: Timestamp,
    /// What to keep.
    pub body: Bytes,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// How many the user may have pending; the oldest are dropped beyond it.
    pub max_pending: u64,
}

/// A notification that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notified {
    /// Its place among the user's.
    pub offset: u64,
    /// Whether one with the same id came before; nothing was stored then.
    pub duplicate: bool,
    /// What was dropped to make room.
    pub dropped: Vec<NotificationId>,
    /// The counter of the topic's shard after this.
    pub shard_count: u64,
}

/// A live session, as all nodes see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The session.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// On which device.
    pub device: Option<DeviceId>,
    /// On which node.
    pub node: Arc<str>,
    /// Since when.
    pub since: Timestamp,
    /// The client instance, made once by a client that reconnects by itself.
    pub instance: Option<Arc<str>>,
    /// The instance's attempt.
    pub attempt: Option<u64>,
}

/// What happens when a user has too many sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExcess {
    /// The oldest goes.
    Replace,
    /// The new one is refused.
    Reject,
}

/// What the limit of sessions counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKey {
    /// A user's sessions.
    User,
    /// A user's sessions on one device; sessions without a `deviceId` count as one device.
    Device,
}

/// The rule for sessions of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// How many a user (or device) may have.
    pub max: usize,
    /// What happens beyond it.
    pub on_excess: OnExcess,
    /// What is counted.
    pub key: SessionKey,
    /// How many devices a user may have, when devices are counted; the oldest goes.
    pub max_devices: usize,
}

/// What came of opening a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It lives; these, if any, were replaced by it.
    Admitted(Vec<SessionRecord>),
    /// Others live, and the policy is to refuse.
    Refused,
    /// A later attempt of the same client instance lives already.
    Superseded,
}

/// What a store tells of itself.
#[derive(Debug, Clone, Default)]
pub struct StoreStatus {
    /// Whether it serves writes.
    pub writable: bool,
    /// The last error, without secrets.
    pub last_error: Option<Arc<str>>,
    /// Bytes that it holds, where that is known.
    pub bytes: Option<u64>,
    /// Pending notifications of all users; those that expired count until they are swept.
    pub pending_notifications: u64,
    /// Commits since the start, where operations share them.
    pub commits: u64,
    /// Operations that those commits confirmed.
    pub committed_operations: u64,
}

/// What a sweep removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Entries beyond the age of their logs.
    pub entries: u64,
    /// Notifications whose time ended.
    pub expired: u64,
    /// Whether there is more to remove now.
    pub more: bool,
}

/// Logs: an append gives an entry the next offset of its topic, for ever.
#[async_trait]
pub trait Log {
    /// The store's epoch.
    fn epoch(&self) -> Epoch;

    /// Appends an entry and resolves once it is confirmed. A user's topic takes notifications only.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it is not confirmed; it may have been stored all the same.
    async fn append(&self, append: Append) -> Result<Appended, StoreError>;

    /// Reads the entries after a position. Of a user's topic these are the pending notifications.
    /// After a position that is out of retention the page begins at the floor.
    async fn read(&self, topic: &Topic, after: u64, limit: PageLimit) -> Result<Page, StoreError>;

    /// Reads the last entries before an offset, in ascending order.
    async fn read_back(&self, topic: &Topic, before: u64, limit: PageLimit) -> Result<Page, StoreError>;

    /// The ends of several logs, in the order asked.
    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Head>, StoreError>;

    /// The counters of shards: each rises by one with every append or notification of the shard, in the same step.
    async fn shard_counts(&self, shards: &[Shard]) -> Result<Vec<u64>, StoreError>;
}

/// Notifications, each kept until it is acknowledged, dropped or at its end.
#[async_trait]
pub trait Pending {
    /// Stores a notification under the next offset of the user's topic.
    async fn notify(&self, notify: Notify) -> Result<Notified, StoreError>;

    /// Removes notifications and tells which of them were pending.
    async fn acknowledge(&self, user: &UserId, ids: &[NotificationId]) -> Result<Vec<NotificationId>, StoreError>;

    /// How many of the user's notifications are pending.
    async fn pending_count(&self, user: &UserId) -> Result<u64, StoreError>;
}

/// Sessions of all nodes: one atomic step decides who lives.
#[async_trait]
pub trait Sessions {
    /// Admits a session, evicting others, or refuses it.
    async fn open_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError>;

    /// Removes a session's record, if it is there.
    async fn close_session(&self, user: &UserId, session: &SessionId) -> Result<(), StoreError>;

    /// The user's sessions, oldest first.
    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, StoreError>;
}

/// A store, whole.
#[async_trait]
pub trait Store: Log + Pending + Sessions + Send + Sync + 'static {
    /// Removes what is beyond its age, some hundred rows at a time, so that writers are not held up.
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError>;

    /// What the store tells of itself.
    fn status(&self) -> StoreStatus;

    /// Writes everything out and stops. Later calls answer `Unavailable`.
    async fn close(&self);
}

pub mod clock;
#[cfg(test)]
mod conformance;
pub mod memory;
#[cfg(test)]
mod model;
pub mod open;
mod page;
pub mod redb;
pub mod sessions;
pub mod shards;
