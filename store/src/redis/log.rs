//! Logs in Redis: appends, pages, and the heads and floors of many logs.

use std::sync::Arc;

use super::{
    RedisStore,
    append_queue::{PreparedAppend, QueuedResult},
    arguments::{Digits, List},
    expiry,
    fault::Fault,
    millis,
    request::{Reply, ScriptTime},
    scripts::{self, ReadLog, ReadPending},
};
use crate::{
    Append, Appended, ContentDigest, EarlierAppend, Entry, Epoch, Heads, Idempotency, IdempotencyKey, Log, LogBounds,
    Lost, Page, PageLimit, RecentLogs, StoreError,
};
use async_trait::async_trait;
use realtime_gateway_protocol::{Timestamp, topic::Topic};

/// How many logs one script reads the bounds of, so that other requests do not wait long for it.
const HEADS_PER_SCRIPT: usize = 256;
/// How often bounds are read if the epoch changes in between.
const MAX_ATTEMPTS: usize = 3;
/// The offset in a reply if the id was used before with other content (`prelude.lua`).
const CONFLICT: u64 = 0;

/// Returns the name of an idempotency key within its topic, as a part of the name of a Redis key.
pub(super) fn stored_name(key: &IdempotencyKey) -> String {
    let (sender, id) = key.stored();
    format!("{sender} {id}")
}

/// Returns a digest as hexadecimal digits; empty for `None`.
pub(super) fn stored_digest(content: Option<ContentDigest>) -> String {
    content.map(|content| format!("{:x}", content.number())).unwrap_or_default()
}

/// Reads an offset from a reply. Returns [`StoreError::Conflict`] for the offset that stands for a conflict.
pub(super) fn offset_or_conflict(reply: &mut Reply) -> Result<Result<u64, StoreError>, Fault> {
    Ok(match reply.number()? {
        CONFLICT => Err(StoreError::Conflict),
        offset => Ok(offset),
    })
}

/// The start and the direction of a page.
#[derive(Debug, Clone, Copy)]
pub(super) enum PageStart {
    /// Ascending after a position.
    After(u64),
    /// Descending before an offset.
    Before(u64),
}

#[async_trait]
impl Log for RedisStore {
    fn epoch(&self) -> Epoch {
        self.link.epoch()
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        if matches!(append.topic, Topic::User(_)) {
            return Err(StoreError::Unavailable("a user's topic takes notifications only".into()));
        }
        // A redaction frees space, so it is not refused for want of space.
        if append.redaction.is_none() {
            self.reserve(1, append.body.len())?;
        }
        let prepared = PreparedAppend {
            idempotency_key: append.key.as_ref().map(|idempotency| stored_name(&idempotency.key)).unwrap_or_default(),
            content: stored_digest(append.key.as_ref().map(|idempotency| idempotency.content)),
            is_subscribed: self.announcer(append.topic.shard()).is_subscribed,
            time: self.script_time_as_of(append.at),
            append,
        };
        // A redaction is not usual, and a given time is that of one append.
        if prepared.append.redaction.is_some() || matches!(prepared.time, ScriptTime::Given(_)) {
            return self.append_alone(prepared).await;
        }
        let id = prepared.append.id.clone();
        match self.appends.append(prepared).await? {
            QueuedResult::NeedsOwnScript(prepared) => self.append_alone(*prepared).await,
            QueuedResult::Stored { offset, shard_count, epoch, overflowed } => {
                self.note_overflow(overflowed);
                Ok(Appended { offset, id, duplicate: false, shard_count, epoch })
            }
        }
    }

    async fn earlier_append(
        &self,
        topic: &Topic,
        key: &Idempotency,
        at: Timestamp,
    ) -> Result<Option<EarlierAppend>, StoreError> {
        let (name, idempotency_key) = (topic.to_string(), stored_name(&key.key));
        let content = stored_digest(Some(key.content));
        let (now, window) = (self.script_time_as_of(at), millis(self.window));
        let request = |_: &_| {
            let (topic, idempotency_key) = (name.as_str(), idempotency_key.as_str());
            self.link.request(&scripts::FindAppend { topic, now, window, idempotency_key, content: &content })
        };
        let (epoch, mut reply) = self.link.run_script(request).await?;
        if reply.number()? == 0 {
            return Ok(None);
        }
        Ok(Some(EarlierAppend { offset: offset_or_conflict(&mut reply)??, id: reply.id()?, epoch }))
    }

    async fn read(&self, topic: &Topic, after: u64, limit: PageLimit) -> Result<Page, StoreError> {
        Ok(self.page(topic, PageStart::After(after), limit).await?)
    }

    async fn read_back(&self, topic: &Topic, before: u64, limit: PageLimit) -> Result<Page, StoreError> {
        Ok(self.page(topic, PageStart::Before(before), limit).await?)
    }

    async fn recent_logs(&self, since: Timestamp, after: Option<Arc<str>>) -> Result<RecentLogs, StoreError> {
        let cursor = after.as_deref().unwrap_or("0");
        let search = || scripts::FindRecentLogs { cursor, since: since.millis() };
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&search())).await?;
        let next = Some(reply.text()?).filter(|next| next != "0").map(Arc::from);
        let names = reply.list()?.all(Reply::text)?;
        Ok(RecentLogs { topics: names.iter().filter_map(|name| name.parse().ok()).collect(), next })
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Heads, StoreError> {
        Ok(self.bounds_of(topics).await?)
    }
}

impl RedisStore {
    /// Appends an entry with a script of its own.
    async fn append_alone(&self, prepared: PreparedAppend) -> Result<Appended, StoreError> {
        let PreparedAppend { append, idempotency_key, content, is_subscribed: _, time } = prepared;
        let (topic, shard) = (append.topic.to_string(), append.topic.shard());
        // The redacted entry has its offset in this epoch; in another epoch the offset may be that of another entry.
        let of_redaction = append.redaction.as_ref().map(|_| self.link.epoch());
        let request = |epoch: &Epoch| {
            self.link.request(&scripts::Append {
                outbox: self.outbox(),
                database: &self.database,
                announcer: self.announcer(shard),
                expected_epoch: of_redaction.as_ref().unwrap_or(epoch),
                topic: &topic,
                shard: Digits(shard.0.into()),
                now: time,
                window: millis(self.window),
                kept_for: Digits(expiry(self.window)),
                idempotency_key: &idempotency_key,
                content: &content,
                id: append.id.as_str(),
                body: &append.body,
                max_entries: append.retention.max_entries,
                max_age: millis(append.retention.max_age),
                redaction: append.redaction.as_ref(),
                event: append.event.as_ref(),
            })
        };
        let (epoch, mut reply) = self.link.run_script(request).await?;
        let appended = Appended {
            offset: offset_or_conflict(&mut reply)??,
            id: reply.id()?,
            duplicate: reply.number()? == 1,
            shard_count: reply.number()?,
            epoch,
        };
        self.note_overflow(reply.number()?);
        Ok(appended)
    }

    async fn page(&self, topic: &Topic, start: PageStart, limit: PageLimit) -> Result<Page, Fault> {
        self.page_as_of(topic, start, limit, self.script_time()).await
    }

    /// Reads a page as of a time.
    pub(super) async fn page_as_of(
        &self,
        topic: &Topic,
        start: PageStart,
        limit: PageLimit,
        now: ScriptTime,
    ) -> Result<Page, Fault> {
        let (direction, from) = match start {
            PageStart::After(position) => ("after", position),
            PageStart::Before(offset) => ("before", offset),
        };
        let (max_entries, max_bytes) = (limit.entries as u64, limit.bytes as u64);
        let name = topic.to_string();
        let request = |_: &_| match topic {
            Topic::User(user) => {
                let user_id = user.as_str();
                self.link.request(&ReadPending { max_entries, max_bytes, user_id, direction, from, now })
            }
            _ => self.link.request(&ReadLog { max_entries, max_bytes, topic: &name, direction, from, now }),
        };
        let (epoch, mut reply) = self.link.run_script(request).await?;
        let bounds = decode_bounds(&mut reply)?;
        let next = reply.number()?;
        let mut entries = reply.list()?.all(decode_entry)?;
        let lost = Some(Lost { first: reply.number()?, last: reply.number()? }).filter(|lost| lost.last > 0);
        if matches!(start, PageStart::Before(_)) {
            entries.reverse();
        }
        if let Some(lost) = lost {
            let what = if matches!(topic, Topic::User(_)) { "pending notifications" } else { "entries" };
            self.damage.record(what, &format_args!("{topic} {lost}"), lost.count());
        }
        Ok(Page { epoch, bounds, entries, next, lost })
    }

    async fn bounds_of(&self, topics: &[Topic]) -> Result<Heads, Fault> {
        let now = self.script_time();
        for _ in 0..MAX_ATTEMPTS {
            let chunks = topics.chunks(HEADS_PER_SCRIPT).map(|chunk| self.bounds_of_chunk(chunk, now));
            let read = futures_util::future::try_join_all(chunks).await?;
            let epoch = read.first().map_or_else(|| self.link.epoch(), |first| first.epoch.clone());
            if read.iter().all(|heads| heads.epoch == epoch) {
                return Ok(Heads { epoch, bounds: read.into_iter().flat_map(|heads| heads.bounds).collect() });
            }
        }
        Err(Fault::Disconnected("the epoch of the store changed repeatedly".into()))
    }

    async fn bounds_of_chunk(&self, topics: &[Topic], now: ScriptTime) -> Result<Heads, Fault> {
        let request = |_: &_| self.link.request(&scripts::Heads { now, topics: List(topics) });
        let (epoch, mut reply) = self.link.run_script(request).await?;
        let bounds = reply.list()?.all(|reply| Ok((decode_bounds(reply)?, reply.number()?)))?;
        for (topic, (bounds, floor)) in topics.iter().zip(&bounds).filter(|(_, (bounds, floor))| bounds.floor > *floor)
        {
            let lost = Lost { first: *floor, last: bounds.floor - 1 };
            self.damage.record("entries", &format_args!("{topic} {lost}"), lost.count());
        }
        Ok(Heads { epoch, bounds: bounds.into_iter().map(|(bounds, _)| bounds).collect() })
    }
}

fn decode_bounds(reply: &mut Reply) -> Result<LogBounds, Fault> {
    Ok(LogBounds { head: reply.number()?, floor: reply.number()? })
}

fn decode_entry(reply: &mut Reply) -> Result<Entry, Fault> {
    Ok(Entry { offset: reply.number()?, at: reply.at()?, body: reply.bytes()? })
}
