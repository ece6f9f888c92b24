//! Two small requests: a test write, which checks that the file can be written, and the clock mark for the next
//! process.

use redb::{ReadTransaction, ReadableTable, TableError};

use super::{
    fault::Fault,
    format::{META, text},
    operation::Request,
    tables::Tables,
};
use crate::clock_mark::ClockMark;

/// The name of the row that a probe writes.
const PROBE: &str = "probe";
/// The name of the row with the clock mark.
const CLOCK: &str = "clock";

/// A request for a test write.
pub(super) struct Probe;

impl Request for Probe {
    type Answer = ();

    fn apply(&self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        let before = tables.meta.get(PROBE)?.and_then(|row| row.value().first().copied()).unwrap_or_default();
        tables.meta.insert(PROBE, [before.wrapping_add(1)].as_slice())?;
        tables.changed = true;
        Ok(())
    }

    fn bytes(&self) -> usize {
        64
    }

    fn is_maintenance(&self) -> bool {
        true
    }
}

/// A request to store the clock mark, or to remove it.
pub(super) enum KeepClockMark {
    Keep(ClockMark),
    Remove,
}

impl Request for KeepClockMark {
    type Answer = ();

    fn apply(&self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        match self {
            Self::Keep(mark) => drop(tables.meta.insert(CLOCK, mark.to_string().as_bytes())?),
            Self::Remove => drop(tables.meta.remove(CLOCK)?),
        }
        tables.changed = true;
        Ok(())
    }

    fn bytes(&self) -> usize {
        128
    }

    fn is_maintenance(&self) -> bool {
        true
    }
}

/// Reads the clock mark. A row that cannot be read counts as none.
pub(super) fn clock_mark(transaction: &ReadTransaction) -> Result<Option<ClockMark>, Fault> {
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(row) = meta.get(CLOCK)? else { return Ok(None) };
    Ok(text(row.value())?.parse().ok())
}
