//! Pages of the history of a log: the newest messages, or those before or after an offset.

use realtime_gateway_protocol::{
    HistoryLimit, MAX_SERVER_MESSAGE_BYTES,
    stored::{StoredEntry, StoredError},
};

use crate::{
    command_error::CommandError,
    delivery::{entry::stored, log::TopicLog},
    store::{Page, PageLimit},
    telemetry::log_limited,
    topic::Topic,
};

/// The maximum size of a page of history in bytes, which leaves room for the envelope within the maximum message size.
const PAGE_BYTES: usize = MAX_SERVER_MESSAGE_BYTES - 16 * 1024;
/// What a message has on the wire in addition to its stored body: the address and the offset.
const ADDRESS_BYTES: usize = 128;

/// Decodes a message of one kind. Returns `None` for an entry of another kind, such as a deletion.
type Decode<T> = fn(&StoredEntry<'_>) -> Result<Option<T>, StoredError>;

/// Which page of a log to read.
#[derive(Debug, Clone, Copy)]
pub(super) enum PageOf {
    /// The newest messages.
    Newest,
    /// The newest messages before an offset.
    Before(u64),
    /// The oldest messages after an offset.
    After(u64),
}

/// A page of history.
pub(super) struct HistoryPage<T> {
    /// The epoch of the store.
    pub(super) epoch: String,
    /// The messages in order of their offsets.
    pub(super) messages: Vec<T>,
    /// Whether there are more messages in the requested direction.
    pub(super) has_more: bool,
    /// `Some(true)` when entries of the page are missing.
    pub(super) trimmed: Option<bool>,
}

impl PageOf {
    /// Returns the page that a command requests. A command never has both (`protocol/src/decode.rs`).
    pub(super) fn requested(before: Option<u64>, after: Option<u64>) -> Self {
        match (before, after) {
            (_, Some(after)) => Self::After(after),
            (Some(before), None) => Self::Before(before),
            (None, None) => Self::Newest,
        }
    }
}

/// Reads a page of a topic's history.
///
/// # Errors
/// `unavailable` when the store does not answer in time.
pub(super) async fn read_page<T>(
    log: &TopicLog,
    topic: &Topic,
    page: PageOf,
    limit: HistoryLimit,
    decode: Decode<T>,
) -> Result<HistoryPage<T>, CommandError> {
    let limit = usize::try_from(limit.get()).unwrap_or(1);
    let (mut after, mut before) = match page {
        PageOf::Newest => (None, u64::MAX),
        PageOf::Before(before) => (None, before),
        PageOf::After(after) => (Some(after), u64::MAX),
    };
    let (mut messages, mut bytes, mut trimmed) = (Vec::new(), 0, None);
    // Deletions are entries too, so one page of entries may hold fewer messages than were requested.
    loop {
        let want = PageLimit { entries: limit - messages.len(), bytes: PAGE_BYTES - bytes };
        let page = match after {
            Some(after) => log.read(topic, after, want).await?,
            None => log.read_back(topic, before, want).await?,
        };
        // Reading backwards continues before the first entry of the page, or before the entries that were lost.
        let first = page.lost.map(|lost| lost.first).or(page.entries.first().map(|first| first.offset));
        let has_more = match after {
            Some(_) => page.next < page.bounds.head,
            None => first.is_some_and(|first| first > page.bounds.floor),
        };
        if page.lost.is_some() || after.is_some_and(|after| after.saturating_add(1) < page.bounds.floor) {
            trimmed = Some(true);
        }
        bytes += page.entries.iter().map(|entry| entry.body.len() + ADDRESS_BYTES).sum::<usize>();
        after = after.map(|_| page.next);
        before = first.unwrap_or(0);
        let epoch = page.epoch.to_string();
        let found = messages_of(topic, &page, decode);
        match after {
            Some(_) => messages.extend(found),
            None => messages = found.into_iter().chain(messages).collect(),
        }
        if !has_more || messages.len() >= limit || bytes >= PAGE_BYTES {
            return Ok(HistoryPage { epoch, messages, has_more, trimmed });
        }
    }
}

/// Returns the messages of one kind of a page of entries.
pub(super) fn messages_of<T>(topic: &Topic, page: &Page, decode: Decode<T>) -> Vec<T> {
    let message = |entry| match decode(&stored(topic, entry)) {
        Ok(message) => message,
        Err(error) => {
            log_limited!(ERROR, { %error, offset = entry.offset }, "a log entry cannot be decoded");
            None
        }
    };
    page.entries.iter().filter_map(message).collect()
}
