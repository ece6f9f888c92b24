//! Logs in the file: appends within a batch, and retention.

use std::time::Duration;

use realtime_gateway_protocol::{
    MessageId, StoredId, Timestamp,
    topic::{Shard, Topic},
};
use redb::ReadableTable;

use super::{
    fault::Fault,
    format::{EntryRow, KeyRow, KnownKind, LogRow, Pair, check_unknown, key_of, time},
    log_page,
    operation::Request,
    outbox,
    tables::Tables,
};
use crate::{
    Append, Appended, ContentDigest, EarlierAppend, EventDetail, Idempotency, Repeat, clock::after, shards::ShardCounts,
};

/// The maximum number of expired rows that one append removes. It is more than the append adds, and takes little time.
const TRIM_ROWS: u64 = 64;

impl Request for Append {
    type Answer = Appended;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<Appended, Fault> {
        append(tables, self)
    }

    fn bytes(&self) -> usize {
        let event = self.event.as_ref().map_or(0, |event| 256 + event.body.len());
        256 + event + self.body.len() + self.redaction.as_ref().map_or(0, |redaction| redaction.body.len())
    }

    fn shards(&self) -> Vec<Shard> {
        vec![self.topic.shard()]
    }

    fn count(&self, appended: &mut Appended, shards: &ShardCounts) {
        let shard = self.topic.shard();
        appended.shard_count = if appended.duplicate { shards.get(shard) } else { shards.raise(shard) };
    }
}

/// A search for an earlier append. It runs in the writer thread, so that it sees every append before it.
pub(super) struct FindAppend {
    pub(super) topic: Topic,
    pub(super) key: Idempotency,
    pub(super) at: Timestamp,
}

impl Request for FindAppend {
    type Answer = Option<EarlierAppend>;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<Option<EarlierAppend>, Fault> {
        match known_log(tables, &self.topic.to_string())? {
            Some(log) => earlier_append(tables, &log, &self.key, self.at),
            None => Ok(None),
        }
    }

    fn bytes(&self) -> usize {
        256
    }
}

fn append(tables: &mut Tables<'_>, append: &Append) -> Result<Appended, Fault> {
    let topic = append.topic.to_string();
    let at = append.at.millis();
    let known = known_log(tables, &topic)?;
    if let (Some(log), Some(idempotency)) = (&known, &append.key)
        && let Some(earlier) = earlier_append(tables, log, idempotency, append.at)?
    {
        let EarlierAppend { offset, id, epoch } = earlier;
        return Ok(Appended { offset, id, duplicate: true, shard_count: 0, epoch });
    }
    // Deletions are accepted even without space, because they free space.
    if append.redaction.is_none() {
        tables.reserve(append.bytes())?;
    }
    tables.changed = true;
    let mut log = match known {
        Some(log) => log,
        None => LogRow {
            number: tables.new_number(KnownKind::Log, &topic)?,
            head: 0,
            floor: 1,
            first: 1,
            max_age: millis(append.retention.max_age),
            due: 0,
        },
    };
    if let Some(redaction) = append.redaction.as_ref().filter(|redaction| redaction.offset >= log.floor) {
        replace_body(tables, (log.number, redaction.offset), &redaction.body)?;
    }
    log.head += 1;
    let key = (log.number, log.head);
    tables.entries.insert(key, EntryRow { at, body: &append.body }.encode(key).as_slice())?;
    if let Some(idempotency) = &append.key {
        let (key, content) = (key_of(log.number, &idempotency.key), Some(idempotency.content));
        let row = KeyRow { at, offset: log.head, content, message: append.id.as_str() }.encode(&key);
        tables.keys.insert(key.as_slice(), row.as_slice())?;
        tables.keys_by_time.insert((at, log.number, log.head), key.as_slice())?;
    }
    retain(tables, &mut log, append, &topic)?;
    tables.logs.insert(topic.as_str(), log.encode(&topic).as_slice())?;
    if let Some(event) = &append.event {
        let detail = EventDetail::Entry { offset: log.head, epoch: tables.epoch.clone() };
        outbox::write(tables, event, &detail)?;
    }
    Ok(Appended {
        offset: log.head,
        id: append.id.clone(),
        duplicate: false,
        shard_count: 0,
        epoch: tables.epoch.clone(),
    })
}

/// Returns the row of a log, if the log exists.
fn known_log(tables: &mut Tables<'_>, topic: &str) -> Result<Option<LogRow>, Fault> {
    log_row(tables, topic).inspect_err(|fault| tables.damage.record_fault("log", topic, fault))
}

/// Returns the append with the key within the window before a time.
fn earlier_append(
    tables: &Tables<'_>,
    log: &LogRow,
    idempotency: &Idempotency,
    at: Timestamp,
) -> Result<Option<EarlierAppend>, Fault> {
    let first = first_append(tables, &key_of(log.number, &idempotency.key))?;
    match first.filter(|first| after(time(first.at), tables.window) > at) {
        Some(first) if Repeat::of(first.content, idempotency.content) == Repeat::Conflict => Err(Fault::Conflict),
        Some(first) => Ok(Some(EarlierAppend { offset: first.offset, id: first.id, epoch: tables.epoch.clone() })),
        None => Ok(None),
    }
}

fn log_row(tables: &Tables<'_>, topic: &str) -> Result<Option<LogRow>, Fault> {
    match tables.logs.get(topic)? {
        Some(row) => Ok(Some(LogRow::decode(topic, row.value())?)),
        None => check_unknown(&*tables.known, KnownKind::Log, topic).map(|()| None),
    }
}

/// The result of the first append with a key.
struct FirstAppend {
    at: u64,
    offset: u64,
    content: Option<ContentDigest>,
    id: MessageId,
}

/// Looks for an earlier append with the key. A damaged row counts as none: a repeated append is then stored twice, but the
/// alternative would be to refuse the append until the file is repaired.
fn first_append(tables: &Tables<'_>, key: &[u8]) -> Result<Option<FirstAppend>, Fault> {
    let Some(row) = tables.keys.get(key)? else { return Ok(None) };
    let first = KeyRow::decode(key, row.value()).and_then(|row| {
        let id = MessageId::from_stored(row.message).map_err(|_| Fault::Damaged)?;
        Ok(FirstAppend { at: row.at, offset: row.offset, content: row.content, id })
    });
    if first.is_err() {
        tables.damage.record("idempotency key", &row_name(key), 1);
    }
    Ok(first.ok())
}

/// Returns a name of a row for the log, which does not contain text of clients.
pub(super) fn row_name(key: &[u8]) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(key))
}

fn replace_body(tables: &mut Tables<'_>, key: Pair, body: &[u8]) -> Result<(), Fault> {
    let at = match tables.entries.get(key)? {
        Some(row) => EntryRow::decode(key, row.value()).map(|row| row.at),
        None => return Ok(()),
    };
    match at {
        Ok(at) => drop(tables.entries.insert(key, EntryRow { at, body }.encode(key).as_slice())?),
        // The redacted body is removed in any case, although its time is not known.
        Err(_) => drop(tables.entries.remove(key)?),
    }
    Ok(())
}

/// Applies retention after an append: removes entries beyond it and updates the index `ages`.
fn retain(tables: &mut Tables<'_>, log: &mut LogRow, append: &Append, topic: &str) -> Result<(), Fault> {
    let max_age = millis(append.retention.max_age);
    if max_age != log.max_age {
        // Entries that were too old under the earlier retention stay removed under the new one.
        log.floor = floor(&*tables.entries, log, append.at.millis())?;
        log.max_age = max_age;
        if log.due != 0 {
            tables.ages.remove((log.due, log.number))?;
            log.due = 0;
        }
    }
    log.floor = log.floor.max((log.head + 1).saturating_sub(append.retention.max_entries));
    let trimmed = log.floor.min(log.first + TRIM_ROWS);
    while log.first < trimmed {
        tables.entries.remove((log.number, log.first))?;
        log.first += 1;
    }
    // The time in the index may be too early but never too late, so that most appends need not update it.
    if log.due == 0 && log.first <= log.head {
        let oldest = accepted(&*tables.entries, log, log.first, log.head)?.unwrap_or(append.at.millis());
        log.due = after(time(oldest), Duration::from_millis(log.max_age)).millis();
        tables.ages.insert((log.due, log.number), topic)?;
    }
    Ok(())
}

/// Returns the first offset within retention. Entries that are too old are excluded even if they are not swept yet.
pub(super) fn floor(entries: &impl ReadableTable<Pair, &'static [u8]>, log: &LogRow, now: u64) -> Result<u64, Fault> {
    let max_age = Duration::from_millis(log.max_age);
    let (mut low, mut high) = (log.floor, log.head + 1);
    let mut probe = low;
    // Entries are in the order of time, so a binary search finds the first one. Usually it is the first that is probed.
    while low < high {
        // An unreadable entry counts as old as the next readable one. If none is readable, the entries are kept.
        match accepted(entries, log, probe, high - 1)? {
            Some(at) if after(time(at), max_age).millis() <= now => low = probe + 1,
            _ => high = probe,
        }
        probe = low + (high - low) / 2;
    }
    Ok(low)
}

/// Returns when an entry was accepted. If it cannot be read, uses the next readable entry up to the offset `last`.
pub(super) fn accepted(
    table: &impl ReadableTable<Pair, &'static [u8]>,
    log: &LogRow,
    offset: u64,
    last: u64,
) -> Result<Option<u64>, Fault> {
    let series = log_page::entries(table, log);
    let at = |key, bytes: &[u8]| Ok(EntryRow::decode(key, bytes)?.at);
    if let Some(at) = series.get(offset, at)? {
        return Ok(Some(at));
    }
    match if offset < last { series.next_readable(offset + 1, last)? } else { None } {
        Some(next) => series.get(next, at),
        None => Ok(None),
    }
}

/// Returns a duration in milliseconds, the stored form.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
