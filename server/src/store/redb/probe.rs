//! Two small writes: one that shows that the file can be written, and the clock that the next process goes on from.

use redb::{ReadTransaction, ReadableTable, TableError};

use super::{
    fault::Fault,
    format::{META, text},
    operation::Request,
    tables::Tables,
};
use crate::clock::Mark;

/// The name of the row that a probe writes.
const PROBE: &str = "probe";
/// The name of the row with the mark of the clock.
const CLOCK: &str = "clock";

/// Asks for a write that changes nothing that matters.
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

    fn is_upkeep(&self) -> bool {
        true
    }
}

/// Asks to note the clock, or to forget what was noted of it.
pub(super) enum NoteClock {
    Keep(Mark),
    Forget,
}

impl Request for NoteClock {
    type Answer = ();

    fn apply(&self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        match self {
            Self::Keep(mark) => drop(tables.meta.insert(CLOCK, mark.to_string().as_bytes())?),
            Self::Forget => drop(tables.meta.remove(CLOCK)?),
        }
        tables.changed = true;
        Ok(())
    }

    fn bytes(&self) -> usize {
        128
    }

    fn is_upkeep(&self) -> bool {
        true
    }
}

/// What was noted of the clock. A row that cannot be read is none.
pub(super) fn clock_mark(transaction: &ReadTransaction) -> Result<Option<Mark>, Fault> {
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let Some(row) = meta.get(CLOCK)? else { return Ok(None) };
    Ok(text(row.value())?.parse().ok())
}
