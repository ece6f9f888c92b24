//! The shared bodies of broadcasts. Each body is stored once. A small separate row counts the pending notifications that
//! refer to it, so that counting does not rewrite the body.
//!
//! A body is removed with its last reference. If the count is wrong because of damage, the sweep removes the body after all
//! of its notifications have expired.

use redb::{ReadableTable, TableDefinition};

use super::{
    fault::{Fault, guard},
    format::{Pair, text},
    sealed::{Position, fields, row},
    tables::Tables,
};
use crate::Notify;

/// How long after the expiry of its notifications the sweep removes a body that is still referred to, in milliseconds.
const MARGIN: u64 = 3_600_000;

pub(super) const BODIES: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("bodies");
pub(super) const BODY_USES: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("body_uses");
pub(super) const BODIES_BY_TIME: TableDefinition<'static, Pair, &'static [u8]> = TableDefinition::new("bodies_by_time");

/// The body of a broadcast. The length of the notification's id precedes the id and the body.
pub(super) struct BodyRow<'a> {
    /// When its notifications expire.
    pub(super) expires: u64,
    /// The id of the notification.
    pub(super) id: &'a str,
    pub(super) body: &'a [u8],
}

impl<'a> BodyRow<'a> {
    pub(super) fn encode(&self, number: u64) -> Vec<u8> {
        let numbers = [self.expires, self.id.len() as u64];
        row(Position::of::<u64>(&BODIES, &number), numbers, &[self.id.as_bytes(), self.body])
    }

    pub(super) fn decode(number: u64, bytes: &'a [u8]) -> Result<Self, Fault> {
        let ([expires, length], rest) = fields(Position::of::<u64>(&BODIES, &number), bytes)?;
        let (id, body) = usize::try_from(length).ok().and_then(|at| rest.split_at_checked(at)).ok_or(Fault::Damaged)?;
        Ok(Self { expires, id: text(id)?, body })
    }
}

/// The number of pending notifications that refer to a body.
pub(super) struct UsesRow {
    pub(super) count: u64,
}

impl UsesRow {
    pub(super) fn encode(&self, number: u64) -> Vec<u8> {
        row(Position::of::<u64>(&BODY_USES, &number), [self.count], &[])
    }

    pub(super) fn decode(number: u64, bytes: &[u8]) -> Result<Self, Fault> {
        let ([count], _) = fields(Position::of::<u64>(&BODY_USES, &number), bytes)?;
        Ok(Self { count })
    }
}

/// The shared body of a broadcast, while the notifications of its recipients are being stored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SharedBody {
    /// The number of the body, once the notification of an earlier recipient has stored it.
    pub(super) number: Option<u64>,
}

impl SharedBody {
    /// Adds a reference to the body and returns its number. Writes the body if it is not stored: this is the first
    /// notification, or all earlier ones have been removed meanwhile.
    pub(super) fn refer(&mut self, tables: &mut Tables<'_>, notify: &Notify) -> Result<u64, Fault> {
        if let Some(number) = self.number
            && add_reference(tables, number)?
        {
            return Ok(number);
        }
        let number = tables.new_body_number()?;
        let row = BodyRow { expires: notify.expires.millis(), id: notify.id.as_str(), body: &notify.body };
        write(tables, number, &row)?;
        add_reference(tables, number)?;
        self.number = Some(number);
        Ok(number)
    }
}

/// Writes a body that has no references yet.
pub(super) fn write(tables: &mut Tables<'_>, number: u64, row: &BodyRow<'_>) -> Result<(), Fault> {
    tables.bodies.insert(number, row.encode(number).as_slice())?;
    tables.body_uses.insert(number, UsesRow { count: 0 }.encode(number).as_slice())?;
    tables.bodies_by_time.insert(by_time(row.expires, number), [].as_slice())?;
    Ok(())
}

/// Counts one more reference to a body. Returns whether the body exists.
pub(super) fn add_reference(tables: &mut Tables<'_>, number: u64) -> Result<bool, Fault> {
    let Some(UsesRow { count }) = uses(tables, number)? else { return Ok(false) };
    tables.body_uses.insert(number, UsesRow { count: count + 1 }.encode(number).as_slice())?;
    Ok(true)
}

/// Counts one reference less, and removes the body with the last one. If the count is missing or damaged, this is recorded,
/// and the sweep removes the body later.
pub(super) fn release(tables: &mut Tables<'_>, number: u64, expires: u64, now: u64) -> Result<(), Fault> {
    match uses(tables, number)? {
        Some(UsesRow { count: 0 | 1 }) => {
            tables.body_uses.remove(number)?;
            tables.bodies.remove(number)?;
            tables.bodies_by_time.remove(by_time(expires, number))?;
        }
        Some(UsesRow { count }) => {
            tables.body_uses.insert(number, UsesRow { count: count - 1 }.encode(number).as_slice())?;
        }
        // The sweep may have removed the body of a notification that has expired.
        None if expires <= now => {}
        None => tables.damage.record("body", &number, 1),
    }
    Ok(())
}

/// Returns the count of a body, or `None` if it is missing or damaged.
fn uses(tables: &Tables<'_>, number: u64) -> Result<Option<UsesRow>, Fault> {
    let row = tables.body_uses.get(number)?;
    Ok(row.and_then(|row| UsesRow::decode(number, row.value()).ok()))
}

/// Reads the body that the notification with an id refers to.
///
/// # Errors
/// [`Fault::Damaged`] if the body is missing, damaged, or belongs to another notification.
pub(super) fn read<R>(
    bodies: &impl ReadableTable<u64, &'static [u8]>,
    number: u64,
    id: &str,
    with: impl FnOnce(&[u8]) -> R,
) -> Result<R, Fault> {
    guard(|| {
        let row = bodies.get(number)?.ok_or(Fault::Damaged)?;
        let row = BodyRow::decode(number, row.value())?;
        if row.id == id { Ok(with(row.body)) } else { Err(Fault::Damaged) }
    })
}

/// Removes bodies whose notifications have all expired an hour ago or earlier. Usually there are none, because a body is
/// removed with its last notification.
pub(super) fn sweep(tables: &mut Tables<'_>, now: u64, rows: &mut u64) -> Result<(), Fault> {
    while *rows > 0 {
        let Some((due, number)) = tables.bodies_by_time.first()?.map(|(key, _)| key.value()) else { break };
        if due > now {
            break;
        }
        tables.bodies_by_time.remove((due, number))?;
        *rows -= 1;
        // Verify with the row of the body, because the index has no checksum.
        let expires =
            tables.bodies.get(number)?.and_then(|row| Some(BodyRow::decode(number, row.value()).ok()?.expires));
        match expires.map(|expires| by_time(expires, number)).filter(|(due, _)| *due > now) {
            Some(key) => drop(tables.bodies_by_time.insert(key, [].as_slice())?),
            None => {
                tables.bodies.remove(number)?;
                tables.body_uses.remove(number)?;
            }
        }
    }
    Ok(())
}

/// Returns the key of a body in `bodies_by_time`.
fn by_time(expires: u64, number: u64) -> Pair {
    (expires.saturating_add(MARGIN), number)
}

/// Returns the numbers of bodies, counts and index rows.
#[cfg(test)]
pub(super) fn count(transaction: &redb::ReadTransaction) -> Result<[u64; 3], Fault> {
    use redb::ReadableTableMetadata;
    Ok([
        transaction.open_table(BODIES)?.len()?,
        transaction.open_table(BODY_USES)?.len()?,
        transaction.open_table(BODIES_BY_TIME)?.len()?,
    ])
}
