//! A page of a log. Its offsets have no holes, so what is missing is found as surely as what is damaged.

use std::ops::ControlFlow;

use bytes::Bytes;
use redb::ReadableTable;

use super::{
    fault::Fault,
    format::{EntryRow, LogRow, Pair, time},
    reader::Place,
    series::{Direction, RowCheck, Series, advance},
};
use crate::store::{
    Entry, Head, Lost, PageLimit,
    page::{PageBudget, Read},
};

/// The entries of a log.
pub(super) fn entries<'t, T>(table: &'t T, log: &LogRow) -> Series<'t, T, EntryCheck> {
    Series { table, number: log.number, check: EntryCheck }
}

/// Tells which entries can be read.
pub(super) struct EntryCheck;

impl RowCheck for EntryCheck {
    fn is_readable(&self, place: Pair, bytes: &[u8]) -> bool {
        EntryRow::decode(place, bytes).is_ok()
    }
}

/// Takes what fits, up to what is lost.
pub(super) fn page(
    table: &impl ReadableTable<Pair, &'static [u8]>,
    log: &LogRow,
    ends: Head,
    place: Place,
    limit: PageLimit,
) -> Result<Read, Fault> {
    let series = entries(table, log);
    let (from, to, direction) = match place {
        Place::After(position) => (position.saturating_add(1).max(ends.floor), ends.head, Direction::Up),
        Place::Before(before) => (before.saturating_sub(1).min(ends.head), ends.floor, Direction::Down),
    };
    let is_empty = match direction {
        Direction::Up => from > to,
        Direction::Down => from < to,
    };
    if is_empty {
        return Ok(Read { next: ends.head, ..Read::default() });
    }
    let mut budget = PageBudget::new(limit);
    let mut taken = Vec::new();
    let mut expected = Some(from);
    let visited = series.visit(from, to, |offset, bytes| {
        let Some(next) = expected.filter(|next| *next == offset) else { return ControlFlow::Break(Stop::Lost) };
        let Ok(row) = EntryRow::decode((log.number, offset), bytes) else { return ControlFlow::Break(Stop::Lost) };
        if !budget.take(row.body.len()) {
            return ControlFlow::Break(Stop::Full);
        }
        taken.push(Entry { offset, at: time(row.at), body: Bytes::copy_from_slice(row.body) });
        expected = advance(next, 1, to, direction);
        ControlFlow::Continue(())
    });
    let stop = match visited {
        Ok(stop) => stop,
        Err(fault) if fault.is_damage() => Some(Stop::Lost),
        Err(fault) => return Err(fault),
    };
    let exhausted = expected.is_none();
    let lost = match (expected, stop) {
        // What was read comes first; what is lost begins the next page.
        (Some(first), Some(Stop::Lost) | None) if taken.is_empty() => Some(lost(&series, first, to, direction)?),
        _ => None,
    };
    if direction == Direction::Down {
        taken.reverse();
    }
    let next = match (place, taken.last(), lost) {
        (Place::After(_), _, Some(lost)) => lost.last,
        (Place::Before(_), Some(last), _) => last.offset,
        (Place::Before(_), None, _) => ends.head,
        _ if exhausted => ends.head,
        (Place::After(_), Some(last), _) => last.offset,
        (Place::After(position), None, None) => position.min(ends.head),
    };
    Ok(Read { entries: taken, next, lost })
}

/// Why a page ends.
enum Stop {
    /// It is full.
    Full,
    /// The next entry is damaged or missing.
    Lost,
}

/// How far the loss goes that begins at an offset.
fn lost<T: ReadableTable<Pair, &'static [u8]>>(
    series: &Series<'_, T, EntryCheck>,
    begin: u64,
    to: u64,
    direction: Direction,
) -> Result<Lost, Fault> {
    let readable = match advance(begin, 1, to, direction) {
        Some(next) => series.next_readable(next, to)?,
        None => None,
    };
    Ok(match direction {
        Direction::Up => Lost { first: begin, last: readable.map_or(to, |readable| readable - 1) },
        Direction::Down => Lost { first: readable.map_or(to, |readable| readable + 1), last: begin },
    })
}
