//! One store copied into another, offline: backup, restore, and the step from a data file to Redis.
//!
//! Offsets, the epoch, idempotency keys within the window, what is pending, heads of empty logs, blocks of users and the
//! outbox go along.
//! Sessions and presence do not: they end with their nodes.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{MessageId, NotificationId, Timestamp, UserId};
use tokio::sync::mpsc;

use super::{Block, ContentDigest, Entry, Epoch, Head, IdempotencyKey, OutboxEntry, StoreError, clock::after};
use crate::topic::Topic;

/// How many pages may wait between the two stores.
const PAGES: usize = 4;
/// How many things one page holds.
const PAGE_ITEMS: usize = 256;
/// And how many bytes, about.
const PAGE_BYTES: usize = 1024 * 1024;

/// One thing that a store holds. What belongs to a log or a user comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A log; never a user's.
    Log {
        /// Its name.
        topic: Topic,
        /// Its ends, by count.
        ends: Head,
        /// How long its entries are kept, in milliseconds.
        max_age: u64,
        /// When its first entry was accepted, if there is one.
        oldest: Option<Timestamp>,
    },
    /// An entry of a log, in ascending offset.
    Entry(Topic, Entry),
    /// What an append with a key was answered.
    Repeat {
        /// The log.
        topic: Topic,
        /// The key.
        key: IdempotencyKey,
        /// When it was accepted.
        at: Timestamp,
        /// The entry's place.
        offset: u64,
        /// The message's name.
        id: MessageId,
        /// What it says, where that is known.
        content: Option<ContentDigest>,
    },
    /// A user who had a notification.
    User {
        /// Who.
        user: UserId,
        /// The last offset that was assigned.
        head: u64,
        /// When the first of those that are pending ends, or earlier.
        soonest: Timestamp,
    },
    /// A notification that is pending, in ascending offset.
    Pending {
        /// For whom.
        user: UserId,
        /// Its place.
        offset: u64,
        /// Tells copies apart.
        id: NotificationId,
        /// When it was accepted.
        at: Timestamp,
        /// When it ends.
        expires: Timestamp,
        /// What it says.
        body: PendingBody,
    },
    /// The body of a broadcast, before the first notification that refers to it.
    Body {
        /// The number that notifications refer to it by.
        number: u64,
        /// The notification that it is the body of.
        id: NotificationId,
        /// When its notifications end.
        expires: Timestamp,
        /// What they say.
        body: Bytes,
    },
    /// An id of a notification that came, pending or not.
    Notified {
        /// For whom.
        user: UserId,
        /// The id.
        id: NotificationId,
        /// Its notification's place.
        offset: u64,
        /// When that was accepted.
        at: Timestamp,
        /// What it says, where that is known.
        content: Option<ContentDigest>,
    },
    /// An event that waits for the broker, in ascending order.
    Event(OutboxEntry),
    /// The blocks of a user.
    Blocked(UserId, Vec<Block>),
    /// The store's epoch: the last thing, so that half a copy has another.
    Epoch(Epoch),
}

/// The body of a notification that is pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingBody {
    /// Its own.
    Own(Bytes),
    /// That of a broadcast: the number of an [`Item::Body`] that came before.
    Shared(u64),
}

impl Item {
    /// About how many bytes it holds.
    fn bytes(&self) -> usize {
        let body = match self {
            Self::Entry(_, entry) => entry.body.len(),
            Self::Pending { body: PendingBody::Own(body), .. } | Self::Body { body, .. } => body.len(),
            Self::Event(entry) => entry.event.body.len(),
            Self::Blocked(_, blocks) => 512 * blocks.len(),
            _ => 0,
        };
        body + 128
    }
}

/// Where a store puts what it holds, page after page.
#[derive(Debug)]
pub struct Pages {
    page: Vec<Item>,
    bytes: usize,
    out: mpsc::Sender<Result<Vec<Item>, StoreError>>,
}

/// Whoever took the pages has gone.
#[derive(Debug, thiserror::Error)]
#[error("the copy was abandoned")]
pub struct Abandoned;

impl Pages {
    /// Pages, and where they come out.
    pub fn begin() -> (Self, mpsc::Receiver<Result<Vec<Item>, StoreError>>) {
        let (out, pages) = mpsc::channel(PAGES);
        (Self { page: Vec::new(), bytes: 0, out }, pages)
    }

    /// Adds a thing; a full page is sent, which waits until there is room.
    ///
    /// # Errors
    /// When nobody takes the pages any more.
    pub async fn add(&mut self, item: Item) -> Result<(), Abandoned> {
        match self.filled(item) {
            Some(page) => self.out.send(Ok(page)).await.map_err(|_| Abandoned),
            None => Ok(()),
        }
    }

    /// The same, on a thread that may block.
    ///
    /// # Errors
    /// When nobody takes the pages any more.
    pub fn add_blocking(&mut self, item: Item) -> Result<(), Abandoned> {
        match self.filled(item) {
            Some(page) => self.out.blocking_send(Ok(page)).map_err(|_| Abandoned),
            None => Ok(()),
        }
    }

    /// The page, once it is full.
    fn filled(&mut self, item: Item) -> Option<Vec<Item>> {
        self.bytes += item.bytes();
        self.page.push(item);
        if self.page.len() < PAGE_ITEMS && self.bytes < PAGE_BYTES {
            return None;
        }
        self.bytes = 0;
        Some(std::mem::take(&mut self.page))
    }

    /// Sends what is left, or what went wrong.
    pub async fn end(self, result: Result<(), StoreError>) {
        // Whoever has gone needs neither.
        let _ = self.out.send(result.map(|()| self.page)).await;
    }
}

/// A store that can be copied.
#[async_trait]
pub trait Copied: Send + Sync {
    /// Whether it holds nothing.
    async fn is_empty(&self) -> Result<bool, StoreError>;

    /// Gives everything that it holds. It must not be written meanwhile.
    async fn dump(&self, pages: Pages);

    /// Takes a page of another store. It is empty at first, and not used meanwhile; it has to be opened again after.
    async fn load(&self, page: Vec<Item>) -> Result<(), StoreError>;
}

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Logs, empty ones as well.
    pub logs: u64,
    /// Entries of logs.
    pub entries: u64,
    /// Idempotency keys.
    pub keys: u64,
    /// Notifications that are pending.
    pub pending: u64,
    /// Events that wait for the broker.
    pub events: u64,
    /// Users who are blocked.
    pub blocked: u64,
}

/// Why a store was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The target holds something.
    #[error("the target is not empty; copy to a new place, or remove what is there first")]
    NotEmpty,
    /// One of the two failed.
    #[error("{0}; what was copied until then is of no use: remove it and begin again")]
    Store(#[from] StoreError),
}

/// Copies everything, but for keys that are out of the window.
///
/// # Errors
/// [`CopyError`]. A target that was not empty is left as it is.
pub async fn copy(from: &dyn Copied, to: &dyn Copied, window: Duration, now: Timestamp) -> Result<Tally, CopyError> {
    if !to.is_empty().await? {
        return Err(CopyError::NotEmpty);
    }
    let (pages, mut come) = Pages::begin();
    // It ends with the receiver, so that the other side does not wait for room for ever.
    let taking = async move {
        let mut tally = Tally::default();
        while let Some(page) = come.recv().await {
            let mut page = page?;
            page.retain(|item| !matches!(item, Item::Repeat { at, .. } if after(*at, window) <= now));
            page.iter().for_each(|item| tally.count(item));
            to.load(page).await?;
        }
        Ok(tally)
    };
    let ((), tally) = tokio::join!(from.dump(pages), taking);
    tally
}

impl Tally {
    fn count(&mut self, item: &Item) {
        match item {
            Item::Log { .. } => self.logs += 1,
            Item::Entry(..) => self.entries += 1,
            Item::Repeat { .. } => self.keys += 1,
            Item::Pending { .. } => self.pending += 1,
            Item::Event(_) => self.events += 1,
            Item::Blocked(..) => self.blocked += 1,
            Item::Body { .. } | Item::User { .. } | Item::Notified { .. } | Item::Epoch(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
