//! Logs in Redis: appending in one step, pages, and the ends of many logs at once.

use super::{
    RedisStore,
    fault::Fault,
    millis,
    request::{Moment, Reply},
    steps,
};
use crate::{
    store::{
        Append, Appended, ContentDigest, Entry, Epoch, Head, Heads, IdempotencyKey, Log, Lost, Page, PageLimit,
        StoreError,
    },
    topic::Topic,
};
use async_trait::async_trait;

/// How many ends one script reads, so that nobody waits long for it.
const HEADS_AT_ONCE: usize = 256;
/// How often heads are read again when the epoch changes in between.
const TRIES: usize = 3;
/// What scripts answer instead of an offset when an id stands for other content (`prelude.lua`).
const CONFLICT: u64 = 0;

/// The name of an idempotency key within its topic, as it stands in the name of a Redis key.
pub(super) fn stored_name(key: &IdempotencyKey) -> String {
    let (sender, id) = key.stored();
    format!("{sender} {id}")
}

/// A digest as it stands in a text: hexadecimal digits, or nothing where it is not known.
pub(super) fn stored_digest(content: Option<ContentDigest>) -> String {
    content.map(|content| format!("{:x}", content.number())).unwrap_or_default()
}

/// The offset that a script has answered, or the refusal that stands in its place.
pub(super) fn offset_or_conflict(reply: &mut Reply) -> Result<Result<u64, StoreError>, Fault> {
    Ok(match reply.number()? {
        CONFLICT => Err(StoreError::Conflict),
        offset => Ok(offset),
    })
}

/// From which side of which offset a page is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// Ascending after a position.
    After(u64),
    /// The last before an offset.
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
        // A deletion is how space becomes free, so it is not refused.
        if append.redaction.is_none() {
            self.reserve(1, append.body.len())?;
        }
        let name = append.key.as_ref().map(|idempotency| stored_name(&idempotency.key)).unwrap_or_default();
        let content = stored_digest(append.key.as_ref().map(|idempotency| idempotency.content));
        let topic = append.topic.to_string();
        let (retention, redaction) = (append.retention, append.redaction.as_ref());
        // What is to be taken back stands at an offset of this epoch; in another one it would be something else.
        let of_redaction = redaction.map(|_| self.link.epoch());
        let request = |epoch: &Epoch| {
            let epoch = of_redaction.as_ref().unwrap_or(epoch);
            let request = self.reporting(&steps::APPEND).text(epoch).text(&topic);
            let request = request.number(append.topic.shard().0.into()).moment(self.moment_of(append.at));
            let request = request.number(millis(self.window)).number(self.kept_for(self.window));
            let request = request.text(&name).text(&content).text(append.id.as_str()).bytes(&append.body);
            let request = request.number(retention.max_entries).number(millis(retention.max_age));
            let request = match redaction {
                Some(redaction) => request.number(redaction.offset).bytes(&redaction.body),
                None => request.text("").text(""),
            };
            request.event(append.event.as_ref())
        };
        let (epoch, mut reply) = self.link.run(&steps::APPEND, request).await?;
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

    async fn read(&self, topic: &Topic, after: u64, limit: PageLimit) -> Result<Page, StoreError> {
        Ok(self.page(topic, Place::After(after), limit).await?)
    }

    async fn read_back(&self, topic: &Topic, before: u64, limit: PageLimit) -> Result<Page, StoreError> {
        Ok(self.page(topic, Place::Before(before), limit).await?)
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Heads, StoreError> {
        Ok(self.ends_of(topics).await?)
    }
}

impl RedisStore {
    async fn page(&self, topic: &Topic, place: Place, limit: PageLimit) -> Result<Page, Fault> {
        self.page_as_of(topic, place, limit, self.moment()).await
    }

    /// A page as it is at a time.
    pub(super) async fn page_as_of(
        &self,
        topic: &Topic,
        place: Place,
        limit: PageLimit,
        now: Moment,
    ) -> Result<Page, Fault> {
        let (step, name) = match topic {
            Topic::User(user) => (&steps::READ_PENDING, user.to_string()),
            topic => (&steps::READ_LOG, topic.to_string()),
        };
        let (direction, from) = match place {
            Place::After(position) => ("after", position),
            Place::Before(offset) => ("before", offset),
        };
        let request = |_: &_| {
            let request = self.link.request(step).number(limit.entries as u64).number(limit.bytes as u64);
            request.text(&name).text(direction).number(from).moment(now)
        };
        let (epoch, mut reply) = self.link.run(step, request).await?;
        let ends = head(&mut reply)?;
        let next = reply.number()?;
        let mut entries = reply.list()?.all(entry)?;
        let lost = Some(Lost { first: reply.number()?, last: reply.number()? }).filter(|lost| lost.last > 0);
        if matches!(place, Place::Before(_)) {
            entries.reverse();
        }
        if let Some(lost) = lost {
            let what = if matches!(topic, Topic::User(_)) { "pending notifications" } else { "entries" };
            self.damage.note(what, &format_args!("{topic} {lost}"), lost.count());
        }
        Ok(Page { epoch, ends, entries, next, lost })
    }

    async fn ends_of(&self, topics: &[Topic]) -> Result<Heads, Fault> {
        let now = self.moment();
        for _ in 0..TRIES {
            let chunks = topics.chunks(HEADS_AT_ONCE).map(|chunk| self.ends_of_some(chunk, now));
            let read = futures_util::future::try_join_all(chunks).await?;
            let epoch = read.first().map_or_else(|| self.link.epoch(), |first| first.epoch.clone());
            if read.iter().all(|heads| heads.epoch == epoch) {
                return Ok(Heads { epoch, ends: read.into_iter().flat_map(|heads| heads.ends).collect() });
            }
        }
        Err(Fault::Away("its epoch changes too fast".into()))
    }

    async fn ends_of_some(&self, topics: &[Topic], now: Moment) -> Result<Heads, Fault> {
        let request = |_: &_| {
            let request = self.link.request(&steps::HEADS).moment(now);
            topics.iter().fold(request, |request, topic| request.text(&topic.to_string()))
        };
        let (epoch, mut reply) = self.link.run(&steps::HEADS, request).await?;
        let ends = reply.list()?.all(|reply| Ok((head(reply)?, reply.number()?)))?;
        for (topic, (ends, floor)) in topics.iter().zip(&ends).filter(|(_, (ends, floor))| ends.floor > *floor) {
            let lost = Lost { first: *floor, last: ends.floor - 1 };
            self.damage.note("entries", &format_args!("{topic} {lost}"), lost.count());
        }
        Ok(Heads { epoch, ends: ends.into_iter().map(|(ends, _)| ends).collect() })
    }
}

fn head(reply: &mut Reply) -> Result<Head, Fault> {
    Ok(Head { head: reply.number()?, floor: reply.number()? })
}

fn entry(reply: &mut Reply) -> Result<Entry, Fault> {
    Ok(Entry { offset: reply.number()?, at: reply.at()?, body: reply.bytes()? })
}
