//! Copies the readable part of a damaged data file into a new file.
//!
//! If entries of a log are lost, the older entries get higher offsets to close the gap, because a log must not have gaps.
//! The new file has a new epoch, so clients do not use their old positions.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use realtime_gateway_protocol::{MessageId, NotificationId, StoredId, Timestamp, UserId, topic::Topic};
use redb::ReadTransaction;
use tokio::task::spawn_blocking;

use super::{
    DataFile, blocks,
    copy::{SharedBodies, dump_webhook, key_from},
    escalations,
    fault::{Fault, guard},
    file::Change,
    format::{ENTRIES, EPOCH, IDS, IdRow, KEYS, KeyRow, META, PendingRow, RowBody, encode_epoch, text, time},
    log_page, migrations, outbox,
    overlay::ReadOnlyFile,
    pending_page::PendingTables,
    reader::PageStart,
    server_subscriptions,
    survey::{Depth, FoundLog, FoundUser, Survey, open},
    webhooks,
};
use crate::{
    ContentDigest, Durability, Entry, Epoch, LogBounds, PageLimit, StoreError,
    copy::{Copied, Item, Pages, PendingBody},
    damage::Damage,
    open::OpenError,
};

/// The size of the pages in which rows are read.
const PAGE: PageLimit = PageLimit { entries: 256, bytes: 1024 * 1024 };

/// A damaged file that was scanned and can be copied.
pub struct Salvage {
    file: Mutex<Option<ReadOnlyFile>>,
    survey: Arc<Survey>,
}

impl Salvage {
    /// Scans a file without changing it.
    ///
    /// # Errors
    /// If the file is in use, or so damaged that no data can be found in it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let (file, mut survey) = open(path)?;
        let damaged = |fault: Fault| OpenError::Damaged { path: path.into(), reason: fault.to_string() };
        guard(|| survey.scan(&file, Depth::Deep)).map_err(damaged)?;
        Ok(Self { file: Mutex::new(Some(file)), survey: survey.into() })
    }

    /// Returns the readable and the lost parts of the file.
    pub fn survey(&self) -> &Survey {
        &self.survey
    }
}

#[async_trait]
impl Copied for Salvage {
    async fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn dump(&self, mut pages: Pages) {
        let (file, survey) = (self.file.lock().take(), self.survey.clone());
        let dumping = spawn_blocking(move || {
            let result = match file {
                Some(file) => guard(|| dump(&file, &survey, &mut pages)).map_err(StoreError::from),
                None => Err(StoreError::Unavailable("it was read before".into())),
            };
            (pages, result)
        });
        // An error means that the runtime is shutting down.
        if let Ok((pages, result)) = dumping.await {
            pages.end(result).await;
        }
    }

    async fn load(&self, _: Vec<Item>) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("a damaged file takes nothing".into()))
    }
}

/// Sends all readable data. It does not send the epoch, because the new file has a new one.
fn dump(file: &ReadOnlyFile, survey: &Survey, pages: &mut Pages) -> Result<(), Fault> {
    let transaction = file.begin_read()?;
    for (name, log) in &survey.logs {
        // Skip a name that is not valid because of damage.
        if let Ok(topic) = name.parse() {
            dump_log(&transaction, &topic, log, pages)?;
        }
    }
    let mut bodies = SharedBodies::open(&transaction)?;
    for (name, user) in &survey.users {
        if let Ok(name) = UserId::from_stored(name.as_str()) {
            dump_user(&transaction, (&name, user), &mut bodies, pages)?;
        }
    }
    let blocked = guard(|| blocks::read_each(&transaction)).unwrap_or_default();
    let readable = blocked.into_iter().flatten();
    readable.map(|(user, blocks)| Item::Blocked(user, blocks)).try_for_each(|item| pages.add_blocking(item))?;
    let subscribed = guard(|| server_subscriptions::read_each(&transaction)).unwrap_or_default();
    let readable = subscribed.into_iter().flatten();
    readable.map(|(user, list)| Item::Subscribed(user, list)).try_for_each(|item| pages.add_blocking(item))?;
    let mut after = 0;
    // A damaged page of the outbox ends the copy of the outbox: its events and all later ones are lost.
    while let Ok(events) = guard(|| outbox::read(&transaction, &Damage::default(), after, PAGE.entries)) {
        let Some(last) = events.last() else { break };
        after = last.sequence;
        events.into_iter().try_for_each(|event| pages.add_blocking(Item::Event(event)))?;
    }
    // The same holds for the events of a webhook.
    for webhook in guard(|| webhooks::names(&transaction)).unwrap_or_default() {
        let dumped = guard(|| dump_webhook(&transaction, &webhook, &Damage::default(), pages));
        if let Err(Fault::Abandoned(abandoned)) = dumped {
            return Err(abandoned.into());
        }
    }
    Ok(())
}

/// Returns by how much the offset of an entry increases.
fn shift(log: &FoundLog, offset: u64) -> u64 {
    log.lost.iter().filter(|lost| lost.first > offset).map(|lost| lost.count()).sum()
}

fn dump_log(transaction: &ReadTransaction, topic: &Topic, log: &FoundLog, pages: &mut Pages) -> Result<(), Fault> {
    let table = transaction.open_table(ENTRIES)?;
    let bounds = LogBounds { head: log.row.head, floor: log.row.floor };
    let read = |position| log_page::page(&table, &log.row, bounds, PageStart::After(position), PAGE);
    let begin = bounds.floor.saturating_sub(1);
    let mut oldest = None;
    let mut position = begin;
    while oldest.is_none() && position < bounds.head {
        let page = read(position)?;
        oldest = page.entries.first().map(|entry| entry.at);
        position = page.next;
    }
    let lost: u64 = log.lost.iter().map(|lost| lost.count()).sum();
    let new_bounds = LogBounds { head: bounds.head, floor: bounds.floor + lost };
    pages.add_blocking(Item::Log { topic: topic.clone(), bounds: new_bounds, max_age: log.row.max_age, oldest })?;
    position = begin;
    while position < bounds.head {
        let page = read(position)?;
        for entry in page.entries {
            let entry = Entry { offset: entry.offset + shift(log, entry.offset), ..entry };
            pages.add_blocking(Item::Entry(topic.clone(), entry))?;
        }
        position = page.next;
    }
    for FoundKey { key, at, offset, content, message } in repeats(transaction, log) {
        let is_lost = log.lost.iter().any(|lost| (lost.first..=lost.last).contains(&offset));
        let (Ok(key), Ok(id), false) = (key_from(&key), MessageId::from_stored(&message), is_lost) else { continue };
        let offset = offset + shift(log, offset);
        pages.add_blocking(Item::Repeat { topic: topic.clone(), key, at, offset, id, content })?;
    }
    Ok(())
}

/// A readable idempotency key.
struct FoundKey {
    key: Vec<u8>,
    at: Timestamp,
    offset: u64,
    content: Option<ContentDigest>,
    message: String,
}

/// Returns the readable idempotency keys of a log.
fn repeats(transaction: &ReadTransaction, log: &FoundLog) -> Vec<FoundKey> {
    let mut found = Vec::new();
    let number = log.row.number;
    let read = guard(|| {
        let keys = transaction.open_table(KEYS)?;
        for row in keys.range(number.to_be_bytes().as_slice()..(number + 1).to_be_bytes().as_slice())? {
            let (key, row) = row?;
            if let Ok(row) = KeyRow::decode(key.value(), row.value()) {
                let (key, message) = (key.value().to_vec(), row.message.to_owned());
                found.push(FoundKey { key, at: time(row.at), offset: row.offset, content: row.content, message });
            }
        }
        Ok(())
    });
    // An error is ignored here, because the survey has already counted the missing rows.
    drop(read);
    found
}

fn dump_user(
    transaction: &ReadTransaction,
    (user, found): (&UserId, &FoundUser),
    bodies: &mut SharedBodies,
    pages: &mut Pages,
) -> Result<(), Fault> {
    let tables = PendingTables::open(transaction)?;
    let series = tables.series(&found.row);
    let row = |key, bytes: &[u8]| {
        let row = PendingRow::decode(key, bytes)?;
        let id = NotificationId::from_stored(row.id).map_err(|_| Fault::Damaged)?;
        let shared = match row.body {
            RowBody::Own(_) => None,
            RowBody::Shared(number) => Some(number),
        };
        Ok((id, time(row.at), time(row.expires), shared))
    };
    pages.add_blocking(Item::User { user: user.clone(), head: found.row.head, soonest: Timestamp::from_millis(0) })?;
    let mut position = 0;
    while position < found.row.head {
        let page = tables.page(&found.row, PageStart::After(position), PAGE, 0)?;
        for Entry { offset, body, .. } in page.entries {
            let Some((id, at, expires, shared)) = series.get(offset, row)? else { continue };
            let body = match shared {
                None => PendingBody::Own(body),
                Some(number) => bodies.before(pages, number, &id)?,
            };
            pages.add_blocking(Item::Pending { user: user.clone(), offset, id, at, expires, body })?;
        }
        position = page.next;
    }
    let number = found.row.number;
    // The survey has already counted the rows that cannot be read.
    let escalated = guard(|| escalations::read_each(transaction, user, number)).unwrap_or_default();
    escalated.into_iter().flatten().try_for_each(|item| pages.add_blocking(item))?;
    let mut ids = Vec::new();
    let read = guard(|| {
        let table = transaction.open_table(IDS)?;
        for row in table.range(number.to_be_bytes().as_slice()..(number + 1).to_be_bytes().as_slice())? {
            let (id, row) = row?;
            let Ok(row) = IdRow::decode(id.value(), row.value()) else { continue };
            let id = text(id.value().get(8..).unwrap_or_default()).ok().and_then(|id| StoredId::from_stored(id).ok());
            let (user, offset, at, content) = (user.clone(), row.offset, time(row.at), row.content);
            ids.extend(id.map(|id| Item::Notified { user, id, offset, at, content }));
        }
        Ok(())
    });
    // An error is ignored here, because the survey has already counted the missing rows.
    drop(read);
    Ok(ids.into_iter().try_for_each(|id| pages.add_blocking(id))?)
}

/// Writes a new epoch into a file, so that clients learn that confirmed entries may be missing. Returns the old and the new
/// epoch.
///
/// # Errors
/// If there is no file, it is in use, or it is damaged.
pub fn renew_epoch(path: &Path) -> Result<(Epoch, Epoch), OpenError> {
    let missing = |source| OpenError::Unwritable { path: PathBuf::from(path), source };
    std::fs::metadata(path).map_err(missing)?;
    let damaged = |fault: Fault| OpenError::Damaged { path: path.into(), reason: fault.to_string() };
    let file = DataFile::open(path, Durability::Fsync)?;
    let old = file.read(migrations::epoch).map_err(damaged)?;
    let new = migrations::new_epoch();
    let written = file.write(|transaction| {
        transaction.open_table(META)?.insert(EPOCH, encode_epoch(&new).as_slice())?;
        Ok(((), Change::Made))
    });
    written.map_err(damaged)?;
    file.close();
    Ok((old, new.into()))
}
