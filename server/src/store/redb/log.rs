//! Logs in the file: appending within a batch, and what is within retention.

use std::time::Duration;

use realtime_gateway_protocol::StoredId;
use redb::{ReadableTable, ReadableTableMetadata};

use super::{
    fault::Fault,
    format::{EntryRow, KeyRow, LogRow, Pair, key_of, time},
    operation::Request,
    outbox,
    tables::Tables,
};
use crate::{
    store::{Append, Appended, EventDetail, clock::after, shards::ShardCounts},
    topic::Shard,
};

/// How many rows beyond retention one append removes at most: more than it adds, but no burden.
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

    fn shard(&self) -> Option<Shard> {
        Some(self.topic.shard())
    }

    fn count(&self, appended: &mut Appended, shards: &ShardCounts) {
        let shard = self.topic.shard();
        appended.shard_count = if appended.duplicate { shards.get(shard) } else { shards.raise(shard) };
    }
}

fn append(tables: &mut Tables<'_>, append: &Append) -> Result<Appended, Fault> {
    let topic = append.topic.to_string();
    let at = append.at.millis();
    let known = tables.logs.get(topic.as_str())?.map(|row| LogRow::decode(row.value())).transpose()?;
    let mut log = match known {
        Some(log) => log,
        None => LogRow {
            number: tables.logs.len()? + 1,
            head: 0,
            floor: 1,
            first: 1,
            max_age: millis(append.retention.max_age),
            due: 0,
        },
    };
    let key = append.key.as_ref().map(|key| key_of(log.number, key.sender.as_str(), key.id.as_str()));
    if let Some(key) = &key
        && let Some(row) = tables.keys.get(key.as_slice())?
    {
        let first = KeyRow::decode(row.value())?;
        if after(time(first.at), tables.window) > append.at {
            let id = StoredId::from_stored(first.message).map_err(|_| Fault::Damaged)?;
            return Ok(Appended {
                offset: first.offset,
                id,
                duplicate: true,
                shard_count: 0,
                epoch: tables.epoch.clone(),
            });
        }
    }
    tables.changed = true;
    if let Some(redaction) = append.redaction.as_ref().filter(|redaction| redaction.offset >= log.floor) {
        replace_body(tables, (log.number, redaction.offset), &redaction.body)?;
    }
    log.head += 1;
    tables.entries.insert((log.number, log.head), EntryRow { at, body: &append.body }.encode().as_slice())?;
    if let Some(key) = key {
        let row = KeyRow { at, offset: log.head, message: append.id.as_str() }.encode();
        tables.keys.insert(key.as_slice(), row.as_slice())?;
        tables.keys_by_time.insert((at, log.number, log.head), key.as_slice())?;
    }
    retain(tables, &mut log, append, &topic)?;
    tables.logs.insert(topic.as_str(), log.encode().as_slice())?;
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

fn replace_body(tables: &mut Tables<'_>, place: Pair, body: &[u8]) -> Result<(), Fault> {
    let at = match tables.entries.get(place)? {
        Some(row) => EntryRow::decode(row.value())?.at,
        None => return Ok(()),
    };
    tables.entries.insert(place, EntryRow { at, body }.encode().as_slice())?;
    Ok(())
}

/// Removes what the new entry put beyond retention, and keeps the index of ages.
fn retain(tables: &mut Tables<'_>, log: &mut LogRow, append: &Append, topic: &str) -> Result<(), Fault> {
    let max_age = millis(append.retention.max_age);
    if max_age != log.max_age {
        // What was too old under the retention before does not come back under the new one.
        log.floor = floor(&tables.entries, log, append.at.millis())?;
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
    // The index may say too early a time, never too late a one, so that most appends leave it alone.
    if log.due == 0 && log.first <= log.head {
        let oldest = at(&tables.entries, log, log.first)?;
        log.due = after(time(oldest), Duration::from_millis(log.max_age)).millis();
        tables.ages.insert((log.due, log.number), topic)?;
    }
    Ok(())
}

/// The first offset within retention. What is too old is not there, whether swept or not.
pub(super) fn floor(entries: &impl ReadableTable<Pair, &'static [u8]>, log: &LogRow, now: u64) -> Result<u64, Fault> {
    let max_age = Duration::from_millis(log.max_age);
    let (mut low, mut high) = (log.floor, log.head + 1);
    let mut probe = low;
    // Entries are in the order of time, so the border is found by halving; mostly the first is young enough.
    while low < high {
        if after(time(at(entries, log, probe)?), max_age).millis() <= now {
            low = probe + 1;
        } else {
            high = probe;
        }
        probe = low + (high - low) / 2;
    }
    Ok(low)
}

/// When an entry was accepted that must be there.
pub(super) fn at(entries: &impl ReadableTable<Pair, &'static [u8]>, log: &LogRow, offset: u64) -> Result<u64, Fault> {
    let row = entries.get((log.number, offset))?.ok_or(Fault::Damaged)?;
    Ok(EntryRow::decode(row.value())?.at)
}

/// A duration as it stands in a row.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
