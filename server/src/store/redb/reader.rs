//! Reading the file: pages and ends of logs and of pending notifications.

use bytes::Bytes;
use realtime_gateway_protocol::UserId;
use redb::{AccessGuard, ReadTransaction, ReadableTable, StorageError};

use super::{
    fault::Fault,
    format::{ENTRIES, EntryRow, LOGS, LogRow, PENDING, Pair, PendingRow, USERS, UserRow, time},
    log,
};
use crate::{
    store::{
        Entry, Head, PageLimit,
        page::{PageBudget, Read, next_position},
    },
    topic::Topic,
};

/// The ends of a log that was never written.
const EMPTY: Head = Head { head: 0, floor: 1 };

/// From which side of which offset a page is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// Ascending after a position.
    After(u64),
    /// The last before an offset.
    Before(u64),
}

type Row<'a> = Result<(AccessGuard<'a, Pair>, AccessGuard<'a, &'static [u8]>), StorageError>;

/// One page.
pub(super) fn page(
    transaction: &ReadTransaction,
    topic: &Topic,
    place: Place,
    limit: PageLimit,
    now: u64,
) -> Result<(Head, Read), Fault> {
    match topic {
        Topic::User(user) => {
            let Some(row) = user_row(transaction, user)? else { return Ok((EMPTY, Read::default())) };
            let ends = Head { head: row.head, floor: 1 };
            let pending = transaction.open_table(PENDING)?;
            let entry = |offset, bytes: &[u8]| {
                let row = PendingRow::decode(bytes)?;
                let entry = || Entry { offset, at: time(row.at), body: Bytes::copy_from_slice(row.body) };
                Ok((row.expires > now).then(entry))
            };
            Ok((ends, fill(&pending, row.number, ends, place, limit, entry)?))
        }
        topic => {
            let Some(row) = log_row(transaction, topic)? else { return Ok((EMPTY, Read::default())) };
            let entries = transaction.open_table(ENTRIES)?;
            let ends = Head { head: row.head, floor: log::floor(&entries, &row, now)? };
            let entry = |offset, bytes: &[u8]| {
                let row = EntryRow::decode(bytes)?;
                Ok(Some(Entry { offset, at: time(row.at), body: Bytes::copy_from_slice(row.body) }))
            };
            Ok((ends, fill(&entries, row.number, ends, place, limit, entry)?))
        }
    }
}

/// The ends of several logs.
pub(super) fn heads(transaction: &ReadTransaction, topics: &[Topic], now: u64) -> Result<Vec<Head>, Fault> {
    let entries = transaction.open_table(ENTRIES)?;
    let ends = |topic: &Topic| match topic {
        Topic::User(user) => Ok(user_row(transaction, user)?.map_or(EMPTY, |row| Head { head: row.head, floor: 1 })),
        topic => match log_row(transaction, topic)? {
            Some(row) => Ok(Head { head: row.head, floor: log::floor(&entries, &row, now)? }),
            None => Ok(EMPTY),
        },
    };
    topics.iter().map(ends).collect()
}

/// How many notifications of a user are pending: noted with the user, and counted only when some may have ended.
pub(super) fn pending_count(transaction: &ReadTransaction, user: &UserId, now: u64) -> Result<u64, Fault> {
    let Some(row) = user_row(transaction, user)? else { return Ok(0) };
    if row.soonest > now {
        return Ok(row.count);
    }
    let mut count = 0;
    for pending in transaction.open_table(PENDING)?.range((row.number, 0)..=(row.number, u64::MAX))? {
        count += u64::from(PendingRow::decode(pending?.1.value())?.expires > now);
    }
    Ok(count)
}

/// Takes what fits of the rows of a log or a user.
fn fill(
    table: &impl ReadableTable<Pair, &'static [u8]>,
    number: u64,
    ends: Head,
    place: Place,
    limit: PageLimit,
    entry: impl Fn(u64, &[u8]) -> Result<Option<Entry>, Fault>,
) -> Result<Read, Fault> {
    let mut entries = Vec::new();
    let mut budget = PageBudget::new(limit);
    let mut take = |row: Row<'_>| {
        let (key, bytes) = row?;
        let Some(entry) = entry(key.value().1, bytes.value())? else { return Ok::<_, Fault>(true) };
        let fits = budget.take(entry.body.len());
        entries.extend(fits.then_some(entry));
        Ok(fits)
    };
    match place {
        Place::After(position) => {
            let first = position.saturating_add(1).max(ends.floor);
            let mut exhausted = true;
            for row in table.range((number, first)..=(number, u64::MAX))? {
                exhausted = take(row)?;
                if !exhausted {
                    break;
                }
            }
            let next = next_position(&entries, exhausted, position, ends.head);
            Ok(Read { entries, next })
        }
        Place::Before(before) => {
            if before > ends.floor {
                for row in table.range((number, ends.floor)..(number, before))?.rev() {
                    if !take(row)? {
                        break;
                    }
                }
            }
            entries.reverse();
            let next = entries.last().map_or(ends.head, |last| last.offset);
            Ok(Read { entries, next })
        }
    }
}

fn log_row(transaction: &ReadTransaction, topic: &Topic) -> Result<Option<LogRow>, Fault> {
    let logs = transaction.open_table(LOGS)?;
    logs.get(topic.to_string().as_str())?.map(|row| LogRow::decode(row.value())).transpose()
}

fn user_row(transaction: &ReadTransaction, user: &UserId) -> Result<Option<UserRow>, Fault> {
    let users = transaction.open_table(USERS)?;
    users.get(user.as_str())?.map(|row| UserRow::decode(row.value())).transpose()
}
