//! Reads a page of a log. The offsets of a log have no gaps, so missing entries are detected like damaged ones.

use std::ops::ControlFlow;

use bytes::Bytes;
use redb::ReadableTable;

use super::{
    fault::Fault,
    format::{EntryRow, LogRow, Pair, time},
    reader::PageStart,
    series::{Direction, RowCheck, Series, advance},
};
use crate::{
    Entry, LogBounds, Lost, PageLimit,
    page::{PageBudget, Read},
};

/// Returns the entries of a log.
pub(super) fn entries<'t, T>(table: &'t T, log: &LogRow) -> Series<'t, T, EntryCheck> {
    Series { table, number: log.number, check: EntryCheck }
}

/// Decides which entries can be read.
pub(super) struct EntryCheck;

impl RowCheck for EntryCheck {
    fn is_readable(&self, key: Pair, bytes: &[u8]) -> bool {
        EntryRow::decode(key, bytes).is_ok()
    }
}

/// Reads a page, up to its size limit or the first lost entry.
pub(super) fn page(
    table: &impl ReadableTable<Pair, &'static [u8]>,
    log: &LogRow,
    bounds: LogBounds,
    start: PageStart,
    limit: PageLimit,
) -> Result<Read, Fault> {
    let series = entries(table, log);
    let (from, to, direction) = match start {
        PageStart::After(position) => (position.saturating_add(1).max(bounds.floor), bounds.head, Direction::Up),
        PageStart::Before(before) => (before.saturating_sub(1).min(bounds.head), bounds.floor, Direction::Down),
    };
    let is_empty = match direction {
        Direction::Up => from > to,
        Direction::Down => from < to,
    };
    if is_empty {
        return Ok(Read { next: bounds.head, ..Read::default() });
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
        // Entries that were read are returned first; the loss begins the next page.
        (Some(first), Some(Stop::Lost) | None) if taken.is_empty() => Some(lost(&series, first, to, direction)?),
        _ => None,
    };
    if direction == Direction::Down {
        taken.reverse();
    }
    let next = match (start, taken.last(), lost) {
        (PageStart::After(_), _, Some(lost)) => lost.last,
        (PageStart::Before(_), Some(last), _) => last.offset,
        (PageStart::Before(_), None, _) => bounds.head,
        _ if exhausted => bounds.head,
        (PageStart::After(_), Some(last), _) => last.offset,
        (PageStart::After(position), None, None) => position.min(bounds.head),
    };
    Ok(Read { entries: taken, next, lost })
}

/// The reason why a page ends before the last entry.
enum Stop {
    /// The page is full.
    Full,
    /// The next entry is damaged or missing.
    Lost,
}

/// Returns the range of lost entries that begins at an offset.
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
