//! Publishing: appends an entry to its topic's log. Once the store has confirmed it, every node sends it to its
//! subscribers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use realtime_gateway_protocol::{ErrorCode, Timestamp, stored::StoredBody};

use super::{hub::Hub, reports::Reports};
use crate::{
    command_error::CommandError,
    config::LiveConfig,
    confirmation::in_time,
    metrics::Metrics,
    runtime::clock::NodeClock,
    store::{
        Append, AppendNotice, Appended, EarlierAppend, Entry, Idempotency, NoticeEntry, Page, PageLimit, Retention,
        Store,
    },
    topic::Topic,
};

/// The logs of clans and of service topics.
#[derive(Clone)]
pub(crate) struct TopicLog {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) reports: Reports,
    pub(crate) config: LiveConfig,
    pub(crate) clock: NodeClock,
    pub(crate) metrics: Arc<Metrics>,
}

impl TopicLog {
    /// Returns the time for a new entry.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Appends an entry and publishes it to the subscribers on all nodes once the store has confirmed it.
    ///
    /// # Errors
    /// `unavailable` when the store does not confirm in time, `conflict` when the idempotency key was used with other
    /// content.
    pub(crate) async fn append(&self, append: Append) -> Result<Appended, CommandError> {
        let (topic, at, body) = (append.topic.clone(), append.at, append.body.clone());
        let started = Instant::now();
        let appended = in_time(self.store.append(append)).await?;
        self.metrics.store_took("append", started.elapsed());
        if !appended.duplicate {
            let entry = NoticeEntry::Included(Arc::new(Entry { offset: appended.offset, at, body }));
            let epoch = appended.epoch.clone();
            self.hub.publish(AppendNotice { topic, epoch, shard_count: appended.shard_count, entry });
        }
        Ok(appended)
    }

    /// Returns the append with the same idempotency key, if there was one within the window.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time, `conflict` when the append had other content.
    pub(crate) async fn earlier_append(
        &self,
        topic: &Topic,
        key: &Idempotency,
    ) -> Result<Option<EarlierAppend>, CommandError> {
        in_time(self.store.earlier_append(topic, key, self.now())).await
    }

    /// Reads a page of a log forwards.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time.
    pub(crate) async fn read(&self, topic: &Topic, after: u64, limit: PageLimit) -> Result<Page, CommandError> {
        in_time(self.store.read(topic, after, limit)).await
    }

    /// Reads a page of a log backwards. Its entries are in log order.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time.
    pub(crate) async fn read_back(&self, topic: &Topic, before: u64, limit: PageLimit) -> Result<Page, CommandError> {
        in_time(self.store.read_back(topic, before, limit)).await
    }

    /// Returns how many entries are kept, and for how long.
    pub(crate) fn retention(&self) -> Retention {
        self.retention_of(None, None)
    }

    /// Returns how many entries of a topic are kept, and for how long. A missing bound is that of the configuration.
    pub(crate) fn retention_of(&self, max_entries: Option<u64>, max_age: Option<Duration>) -> Retention {
        let history = self.config.get().history;
        Retention {
            max_entries: max_entries.unwrap_or(history.max_entries),
            max_age: max_age.unwrap_or(history.max_age).max(Duration::from_secs(1)),
        }
    }

    /// Encodes the body of an entry.
    ///
    /// # Errors
    /// `message_too_large`.
    pub(crate) fn encode(&self, body: &StoredBody<'_>) -> Result<Bytes, CommandError> {
        encode(&self.config, body)
    }
}

/// Encodes the body of an entry.
///
/// # Errors
/// `message_too_large`.
pub(crate) fn encode(config: &LiveConfig, body: &StoredBody<'_>) -> Result<Bytes, CommandError> {
    let body = body.encode().map(Bytes::from).map_err(CommandError::internal)?;
    if body.len() > config.get().limits.message_bytes {
        let message = "the message is over maxMessageBytes once it is stored";
        return Err(CommandError::new(ErrorCode::MessageTooLarge, message));
    }
    Ok(body)
}
