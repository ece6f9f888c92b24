//! Copies one store into another while neither is in use: for backup, restore, and migration from a data file to Redis.
//!
//! A copy contains entries with their offsets, the heads of empty logs, pending notifications and when they are escalated,
//! idempotency keys within the window, blocks of users, server-side subscriptions, the outbox, the events and dead letters
//! of webhooks, and the epoch. It does not contain sessions and presence, which end with their nodes.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{MessageId, NotificationId, Timestamp, UserId, topic::Topic};
use tokio::sync::mpsc;

use super::{
    Block, ContentDigest, DeadEvent, Entry, Epoch, EscalationState, IdempotencyKey, LogBounds, OutboxEntry,
    ServerSubscription, StoreError, WaitingEvent, WebhookName, clock::after,
};

/// The maximum number of pages between the two stores.
const PAGES: usize = 4;
/// The maximum number of items of one page.
const PAGE_ITEMS: usize = 256;
/// The approximate maximum size of one page, in bytes.
const PAGE_BYTES: usize = 1024 * 1024;

/// One item of a store. The items of a log or a user follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The log of a clan or a service topic.
    Log {
        /// The topic.
        topic: Topic,
        /// The bounds of the log by count.
        bounds: LogBounds,
        /// The retention by age, in milliseconds.
        max_age: u64,
        /// When the first entry was accepted, if there is one.
        oldest: Option<Timestamp>,
    },
    /// An entry of a log. Entries are in ascending order of offsets.
    Entry(Topic, Entry),
    /// The result of an append with an idempotency key.
    Repeat {
        /// The log.
        topic: Topic,
        /// The key.
        key: IdempotencyKey,
        /// When it was accepted.
        at: Timestamp,
        /// The entry's offset.
        offset: u64,
        /// The id of the message.
        id: MessageId,
        /// The digest of its content, where it is known.
        content: Option<ContentDigest>,
    },
    /// A user who has received a notification.
    User {
        /// The user.
        user: UserId,
        /// The last offset that was assigned.
        head: u64,
        /// When the first pending notification expires, or earlier.
        soonest: Timestamp,
    },
    /// A pending notification. Notifications are in ascending order of offsets.
    Pending {
        /// The user.
        user: UserId,
        /// Its offset.
        offset: u64,
        /// The id, by which repeats are recognised.
        id: NotificationId,
        /// When it was accepted.
        at: Timestamp,
        /// When it expires.
        expires: Timestamp,
        /// The digest of its content.
        body: PendingBody,
    },
    /// The escalation of a pending notification. It follows the notification.
    Escalation {
        /// The user.
        user: UserId,
        /// The offset of the notification.
        offset: u64,
        /// When it is due, or was.
        state: EscalationState,
    },
    /// The shared body of a broadcast. It precedes the first notification that refers to it.
    Body {
        /// The number by which notifications refer to the body.
        number: u64,
        /// The id of the notification.
        id: NotificationId,
        /// When the notifications expire.
        expires: Timestamp,
        /// The body.
        body: Bytes,
    },
    /// A stored id of a notification, which may be pending or not.
    Notified {
        /// The user.
        user: UserId,
        /// The id.
        id: NotificationId,
        /// The offset of its notification.
        offset: u64,
        /// When that was accepted.
        at: Timestamp,
        /// The digest of its content, where it is known.
        content: Option<ContentDigest>,
    },
    /// An event in the outbox. Events are in ascending order.
    Event(OutboxEntry),
    /// An event that waits for a webhook. Events of a webhook are in ascending order.
    Waiting(WebhookName, WaitingEvent),
    /// A dead letter of a webhook. Dead letters of a webhook are in ascending order.
    Dead(WebhookName, DeadEvent),
    /// The blocks of a user.
    Blocked(UserId, Vec<Block>),
    /// The server-side subscriptions of a user.
    Subscribed(UserId, Vec<ServerSubscription>),
    /// The store's epoch. It is the last item, so that an incomplete copy has a different epoch.
    Epoch(Epoch),
}

/// The body of a pending notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingBody {
    /// The body of this notification only.
    Own(Bytes),
    /// A shared body: the number of an earlier [`Item::Body`].
    Shared(u64),
}

impl Item {
    /// Returns the approximate size in bytes.
    fn bytes(&self) -> usize {
        let body = match self {
            Self::Entry(_, entry) => entry.body.len(),
            Self::Pending { body: PendingBody::Own(body), .. } | Self::Body { body, .. } => body.len(),
            Self::Event(entry)
            | Self::Waiting(_, WaitingEvent { entry, .. })
            | Self::Dead(_, DeadEvent { entry, .. }) => entry.event.body.len(),
            Self::Blocked(_, blocks) => 512 * blocks.len(),
            Self::Subscribed(_, subscriptions) => 256 * subscriptions.len(),
            _ => 0,
        };
        body + 128
    }
}

/// The sender to which a store writes its items, page by page.
#[derive(Debug)]
pub struct Pages {
    page: Vec<Item>,
    bytes: usize,
    out: mpsc::Sender<Result<Vec<Item>, StoreError>>,
}

/// The reader of the pages was dropped.
#[derive(Debug, thiserror::Error)]
#[error("the copy was abandoned")]
pub struct Abandoned;

impl Pages {
    /// Creates a sender and its receiver.
    pub fn begin() -> (Self, mpsc::Receiver<Result<Vec<Item>, StoreError>>) {
        let (out, pages) = mpsc::channel(PAGES);
        (Self { page: Vec::new(), bytes: 0, out }, pages)
    }

    /// Adds an item. If the page is full, sends it, which waits until there is room.
    ///
    /// # Errors
    /// If the reader of the pages was dropped.
    pub async fn add(&mut self, item: Item) -> Result<(), Abandoned> {
        match self.filled(item) {
            Some(page) => self.out.send(Ok(page)).await.map_err(|_| Abandoned),
            None => Ok(()),
        }
    }

    /// Adds an item, on a thread that may block.
    ///
    /// # Errors
    /// If the reader of the pages was dropped.
    pub fn add_blocking(&mut self, item: Item) -> Result<(), Abandoned> {
        match self.filled(item) {
            Some(page) => self.out.blocking_send(Ok(page)).map_err(|_| Abandoned),
            None => Ok(()),
        }
    }

    /// Returns the page if it is full.
    fn filled(&mut self, item: Item) -> Option<Vec<Item>> {
        self.bytes += item.bytes();
        self.page.push(item);
        if self.page.len() < PAGE_ITEMS && self.bytes < PAGE_BYTES {
            return None;
        }
        self.bytes = 0;
        Some(std::mem::take(&mut self.page))
    }

    /// Sends the last page, or the error.
    pub async fn end(self, result: Result<(), StoreError>) {
        // If the reader was dropped, there is nothing to do.
        let _ = self.out.send(result.map(|()| self.page)).await;
    }
}

/// A store that can be copied.
#[async_trait]
pub trait Copied: Send + Sync {
    /// Returns whether the store is empty.
    async fn is_empty(&self) -> Result<bool, StoreError>;

    /// Sends all items of the store. The store must not be written meanwhile.
    async fn dump(&self, pages: Pages);

    /// Writes a page of another store. The store has to be empty before the first page, must not be used meanwhile, and
    /// has to be opened again after the last page.
    async fn load(&self, page: Vec<Item>) -> Result<(), StoreError>;
}

/// The numbers of copied items.
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
    /// Events that wait for webhooks, and dead letters of webhooks.
    pub webhook_events: u64,
    /// Users who are blocked.
    pub blocked: u64,
    /// Server-side subscriptions.
    pub subscriptions: u64,
}

/// Why a store was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The target is not empty.
    #[error("the target is not empty; copy to a new store, or empty this one first")]
    NotEmpty,
    /// One of the two stores failed.
    #[error("{0}; the copy is incomplete: remove it and start again")]
    Store(#[from] StoreError),
}

/// Copies all items except idempotency keys beyond the window.
///
/// # Errors
/// [`CopyError`]. A target that was not empty is not changed.
pub async fn copy(from: &dyn Copied, to: &dyn Copied, window: Duration, now: Timestamp) -> Result<Tally, CopyError> {
    if !to.is_empty().await? {
        return Err(CopyError::NotEmpty);
    }
    let (pages, mut filled) = Pages::begin();
    // This future ends with the receiver, so that the other side does not wait for room indefinitely.
    let loading = async move {
        let mut tally = Tally::default();
        while let Some(page) = filled.recv().await {
            let mut page = page?;
            page.retain(|item| !matches!(item, Item::Repeat { at, .. } if after(*at, window) <= now));
            page.iter().for_each(|item| tally.count(item));
            to.load(page).await?;
        }
        Ok(tally)
    };
    let ((), tally) = tokio::join!(from.dump(pages), loading);
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
            Item::Waiting(..) | Item::Dead(..) => self.webhook_events += 1,
            Item::Blocked(..) => self.blocked += 1,
            Item::Subscribed(_, subscriptions) => self.subscriptions += subscriptions.len() as u64,
            Item::Body { .. }
            | Item::Escalation { .. }
            | Item::User { .. }
            | Item::Notified { .. }
            | Item::Epoch(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
