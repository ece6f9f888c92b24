//! The escalation of notifications in the file.
//!
//! | table | key | row |
//! | --- | --- | --- |
//! | `escalations` | user, offset | [`EscalationRow`], for a pending notification that is or was to be escalated |
//! | `escalations_by_time` | time, user, offset | user's name, until the event is written |
//!
//! Both rows are removed with the notification. The second one is removed when the event is written; it is an index without
//! checksums. Most notifications have no rows here, so that they cost nothing.

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{StoredId, Timestamp, UserId};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition, TableError};

use super::{
    RedbStore, bodies,
    fault::{Fault, guard},
    format::{PENDING, Pair, PendingRow, RowBody, Triple, UserRow, time},
    operation::Request,
    outbox, pending,
    reader::Reader,
    sealed::{Position, fields, row},
    tables::Tables,
};
use crate::{
    DueEscalation, DueEscalations, Escalation, EscalationState, Escalations, EventDetail, PageLimit, StoreError,
    copy::Item, page::PageBudget,
};

/// The approximate size of an event without its body, in bytes.
const EVENT_BYTES: usize = 512;
/// The maximum number of rows of the index that one request reads.
const MAX_ROWS: usize = 500;

pub(super) const ESCALATIONS: TableDefinition<'static, Pair, &'static [u8]> = TableDefinition::new("escalations");
pub(super) const ESCALATIONS_BY_TIME: TableDefinition<'static, Triple, &'static str> =
    TableDefinition::new("escalations_by_time");

/// When a notification is escalated.
pub(super) struct EscalationRow {
    pub(super) due: u64,
}

impl EscalationRow {
    fn encode(&self, key: Pair) -> Vec<u8> {
        row(Position::of::<Pair>(&ESCALATIONS, &key), [self.due], &[])
    }

    pub(super) fn decode(key: Pair, bytes: &[u8]) -> Result<Self, Fault> {
        let ([due], _) = fields(Position::of::<Pair>(&ESCALATIONS, &key), bytes)?;
        Ok(Self { due })
    }
}

/// Remembers when a notification is escalated.
pub(super) fn write(tables: &mut Tables<'_>, (number, offset): Pair, name: &str, due: u64) -> Result<(), Fault> {
    let key = (number, offset);
    tables.escalations.insert(key, EscalationRow { due }.encode(key).as_slice())?;
    tables.escalations_by_time.insert((due, number, offset), name)?;
    Ok(())
}

/// Remembers that a notification was escalated.
fn write_reported(tables: &mut Tables<'_>, (number, offset): Pair, due: u64) -> Result<(), Fault> {
    tables.escalations_by_time.remove((due, number, offset))?;
    Ok(())
}

/// Writes the escalation of a notification of another store.
pub(super) fn restore(tables: &mut Tables<'_>, key: Pair, name: &str, state: EscalationState) -> Result<(), Fault> {
    match state {
        EscalationState::Due(due) => write(tables, key, name, due.millis()),
        EscalationState::Reported(due) => {
            write(tables, key, name, due.millis())?;
            write_reported(tables, key, due.millis())
        }
    }
}

/// Forgets when a notification is escalated, if it is to be. A damaged row leaves its row of the index, which is removed when
/// it is due.
pub(super) fn forget(tables: &mut Tables<'_>, key: Pair) -> Result<(), Fault> {
    let due = tables.escalations.remove(key)?.map(|row| EscalationRow::decode(key, row.value()).map(|row| row.due));
    match due {
        Some(Ok(due)) => drop(tables.escalations_by_time.remove((due, key.0, key.1))?),
        Some(Err(_)) => tables.damage.record("escalation", &format_args!("user {} {}", key.0, key.1), 1),
        None => {}
    }
    Ok(())
}

/// Returns when a notification is escalated, or `None` if it is not to be, or the row is damaged.
fn due_of(tables: &Tables<'_>, key: Pair) -> Result<Option<u64>, Fault> {
    let row = tables.escalations.get(key)?.map(|row| EscalationRow::decode(key, row.value())).transpose();
    if row.is_err() {
        tables.damage.record("escalation", &format_args!("user {} {}", key.0, key.1), 1);
    }
    Ok(row.ok().flatten().map(|row| row.due))
}

/// Returns the user's number.
fn number_of(tables: &Tables<'_>, user: &UserId) -> Result<Option<u64>, Fault> {
    let row = tables.users.get(user.as_str())?;
    Ok(row.and_then(|row| UserRow::decode(user.as_str(), row.value()).ok()).map(|row| row.number))
}

/// A request to read what is due.
struct ReadDue {
    now: Timestamp,
    limit: PageLimit,
}

impl Request for ReadDue {
    type Answer = DueEscalations;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<DueEscalations, Fault> {
        let (mut budget, mut found, mut useless) = (PageBudget::new(self.limit), DueEscalations::default(), Vec::new());
        let end = (self.now.millis(), u64::MAX, u64::MAX);
        for (count, indexed) in tables.escalations_by_time.range((0, 0, 0)..=end)?.enumerate() {
            let (key, name) = indexed?;
            let (due, number, offset) = key.value();
            if count == MAX_ROWS {
                found.more = true;
                break;
            }
            // Verify with the other rows, because the index has no checksum.
            let is_known = due_of(tables, (number, offset))? == Some(due);
            let user = guard(|| Ok(UserId::from_stored(name.value()).ok())).ok().flatten();
            let notification = match user.filter(|_| is_known) {
                Some(user) => read(tables, user, (number, offset), self.now)?,
                None => None,
            };
            match notification {
                Some(notification) if budget.take(notification.body.len()) => found.due.push(notification),
                Some(_) => {
                    found.more = true;
                    break;
                }
                None => useless.push((key.value(), is_known)),
            }
        }
        tables.changed |= !useless.is_empty();
        for ((due, number, offset), is_known) in useless {
            tables.escalations_by_time.remove((due, number, offset))?;
            if is_known {
                forget(tables, (number, offset))?;
            }
        }
        Ok(found)
    }

    fn bytes(&self) -> usize {
        256
    }

    fn is_maintenance(&self) -> bool {
        true
    }
}

/// Reads a pending notification with its body. Returns `None` if it has expired or cannot be read.
fn read(tables: &Tables<'_>, user: UserId, key: Pair, now: Timestamp) -> Result<Option<DueEscalation>, Fault> {
    if number_of(tables, &user)? != Some(key.0) {
        return Ok(None);
    }
    let Some(bytes) = tables.pending.get(key)? else { return Ok(None) };
    let Ok(row) = PendingRow::decode(key, bytes.value()) else { return Ok(None) };
    if row.expires <= now.millis() {
        return Ok(None);
    }
    let body = match row.body {
        RowBody::Own(body) => Ok(Bytes::copy_from_slice(body)),
        RowBody::Shared(number) => bodies::read(&*tables.bodies, number, row.id, Bytes::copy_from_slice),
    };
    let (Ok(body), Ok(id)) = (body, StoredId::from_stored(row.id)) else { return Ok(None) };
    Ok(Some(DueEscalation { user, offset: key.1, id, at: time(row.at), body }))
}

/// A request to write the events of notifications that are due.
struct Escalate {
    escalations: Vec<Escalation>,
    now: Timestamp,
}

impl Request for Escalate {
    type Answer = Vec<bool>;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<Vec<bool>, Fault> {
        tables.reserve(self.bytes())?;
        let mut written = vec![false; self.escalations.len()];
        for (Escalation { user, offset, event }, written) in self.escalations.iter().zip(&mut written) {
            let Some(number) = number_of(tables, user)? else { continue };
            let key = (number, *offset);
            let Some(due) = due_of(tables, key)?.filter(|due| *due <= self.now.millis()) else { continue };
            let is_reported = tables.escalations_by_time.get((due, number, *offset))?.is_none();
            let is_pending = pending::expires(tables, key)?.is_some_and(|end| end > self.now.millis());
            if is_reported || !is_pending {
                continue;
            }
            tables.changed = true;
            match event {
                Some(event) => {
                    write_reported(tables, key, due)?;
                    outbox::write(tables, event, &EventDetail::None)?;
                    *written = true;
                }
                None => forget(tables, key)?,
            }
        }
        Ok(written)
    }

    fn bytes(&self) -> usize {
        let body = |escalation: &Escalation| escalation.event.as_ref().map_or(0, |event| event.body.len());
        self.escalations.iter().map(|escalation| EVENT_BYTES + body(escalation)).sum()
    }

    fn rows(&self) -> usize {
        self.escalations.len()
    }

    fn is_maintenance(&self) -> bool {
        true
    }
}

/// Returns the escalation of a notification from its row and the index.
fn state_of(
    index: Option<&ReadOnlyTable<Triple, &'static str>>,
    (number, offset): Pair,
    due: u64,
) -> Result<EscalationState, Fault> {
    let is_due = match index {
        Some(index) => index.get((due, number, offset))?.is_some(),
        None => false,
    };
    Ok(if is_due { EscalationState::Due(time(due)) } else { EscalationState::Reported(time(due)) })
}

/// Returns the escalation of each of these notifications of a user.
fn read_states(reader: &Reader<'_>, user: &UserId, offsets: &[u64]) -> Result<Vec<Option<EscalationState>>, Fault> {
    let (Some(table), Some(user)) = (table(reader.transaction)?, reader.user_row(user)?) else {
        return Ok(vec![None; offsets.len()]);
    };
    let (index, pending) = (index(reader.transaction)?, reader.transaction.open_table(PENDING)?);
    let state = |offset: &u64| {
        let key = (user.number, *offset);
        let is_pending = match pending.get(key)? {
            Some(row) => PendingRow::decode(key, row.value()).is_ok_and(|row| row.expires > reader.now),
            None => false,
        };
        match table.get(key)?.map(|row| EscalationRow::decode(key, row.value())) {
            Some(Ok(row)) if is_pending => state_of(index.as_ref(), key, row.due).map(Some),
            _ => Ok(None),
        }
    };
    offsets.iter().map(state).collect()
}

/// The index in a read transaction, like [`table`].
fn index(transaction: &ReadTransaction) -> Result<Option<ReadOnlyTable<Triple, &'static str>>, Fault> {
    match transaction.open_table(ESCALATIONS_BY_TIME) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The table in a read transaction. `None` for a file that no version with escalations has written yet.
pub(super) fn table(transaction: &ReadTransaction) -> Result<Option<ReadOnlyTable<Pair, &'static [u8]>>, Fault> {
    match transaction.open_table(ESCALATIONS) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the escalations of the notifications of the user with a number, or the error if one of the rows cannot be read.
pub(super) fn read_each(
    transaction: &ReadTransaction,
    user: &UserId,
    number: u64,
) -> Result<Vec<Result<Item, Fault>>, Fault> {
    let Some(table) = table(transaction)? else { return Ok(Vec::new()) };
    let (index, mut all) = (index(transaction)?, Vec::new());
    for row in table.range((number, 0)..=(number, u64::MAX))? {
        let (key, row) = row?;
        let (key, row) = (key.value(), EscalationRow::decode(key.value(), row.value()));
        let state = row.and_then(|row| state_of(index.as_ref(), key, row.due));
        all.push(state.map(|state| Item::Escalation { user: user.clone(), offset: key.1, state }));
    }
    Ok(all)
}

#[async_trait]
impl Escalations for RedbStore {
    async fn due_escalations(&self, limit: PageLimit) -> Result<DueEscalations, StoreError> {
        self.submit(ReadDue { now: self.clock.now(), limit }).await
    }

    async fn escalate(&self, escalations: Vec<Escalation>) -> Result<Vec<bool>, StoreError> {
        self.submit(Escalate { escalations, now: self.clock.now() }).await
    }

    async fn escalations_of(&self, user: &UserId, offsets: &[u64]) -> Result<Vec<Option<EscalationState>>, StoreError> {
        let (user, offsets) = (user.clone(), offsets.to_vec());
        self.read_with(move |reader| read_states(reader, &user, &offsets)).await
    }
}
