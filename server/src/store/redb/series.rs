//! The numbered rows of one log or one user, `entries` or `pending`: read in order, and past what cannot be read.

use std::ops::ControlFlow;

use redb::ReadableTable;

use super::{
    fault::{Fault, guard},
    format::Pair,
};

/// How many reads it takes at most to find the next row after damage.
const PROBES: usize = 1_024;

/// A direction through the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Ascending offsets.
    Up,
    /// Descending offsets.
    Down,
}

/// Tells which rows of a table can be read.
pub(super) trait RowCheck {
    /// Returns whether a row can be read with everything that it refers to.
    fn is_readable(&self, place: Pair, bytes: &[u8]) -> bool;
}

/// The rows of one log or user.
pub(super) struct Series<'t, T, R> {
    /// The table that they stand in.
    pub(super) table: &'t T,
    /// The number of the log or the user.
    pub(super) number: u64,
    /// Tells which rows can be read.
    pub(super) check: R,
}

impl<T: ReadableTable<Pair, &'static [u8]>, R: RowCheck> Series<'_, T, R> {
    /// Visits the rows from one offset to another, both included, until the visitor breaks. Gives what it broke with,
    /// or `None` after the last row.
    ///
    /// # Errors
    /// A damaged page ends the visit with [`Fault::Page`]; so does a row that does not belong there.
    pub(super) fn visit<B>(
        &self,
        from: u64,
        to: u64,
        mut visitor: impl FnMut(u64, &[u8]) -> ControlFlow<B>,
    ) -> Result<Option<B>, Fault> {
        let direction = if from <= to { Direction::Up } else { Direction::Down };
        let (low, high) = (from.min(to), from.max(to));
        guard(|| {
            let mut rows = self.table.range((self.number, low)..=(self.number, high))?;
            let mut last = None;
            loop {
                let row = if direction == Direction::Up { rows.next() } else { rows.next_back() };
                let Some(row) = row else { return Ok(None) };
                let (place, bytes) = row?;
                let (number, offset) = place.value();
                let in_order = match (last, direction) {
                    (None, _) => true,
                    (Some(last), Direction::Up) => offset > last,
                    (Some(last), Direction::Down) => offset < last,
                };
                if number != self.number || offset < low || offset > high || !in_order {
                    return Err(Fault::Page("its rows are not in order".into()));
                }
                last = Some(offset);
                if let ControlFlow::Break(broken) = visitor(offset, bytes.value()) {
                    return Ok(Some(broken));
                }
            }
        })
    }

    /// What a reader makes of one row, if it is there and can be read.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub(super) fn get<V>(
        &self,
        offset: u64,
        read: impl Fn(Pair, &[u8]) -> Result<V, Fault>,
    ) -> Result<Option<V>, Fault> {
        let place = (self.number, offset);
        let got = guard(|| self.table.get(place)?.map(|row| read(place, row.value())).transpose());
        got.or_else(|fault| if fault.is_damage() { Ok(None) } else { Err(fault) })
    }

    /// The next row that can be read, from one offset to another in their direction; `None` when there is none. Where
    /// too much is damaged to be sure, an offset from which to look further.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub(super) fn next_readable(&self, from: u64, to: u64) -> Result<Option<u64>, Fault> {
        let direction = if from <= to { Direction::Up } else { Direction::Down };
        let (mut at, mut stride, mut unreadable_page) = (from, 1, None);
        for _ in 0..PROBES {
            let first = |offset: u64, bytes: &[u8]| {
                ControlFlow::Break((offset, self.check.is_readable((self.number, offset), bytes)))
            };
            match self.visit(at, to, first) {
                Ok(None) => return Ok(None),
                Ok(Some((offset, true))) => return Ok(Some(self.nearest(unreadable_page, offset)?)),
                Ok(Some((offset, false))) => {
                    let Some(next) = advance(offset, 1, to, direction) else { return Ok(None) };
                    at = next;
                }
                // What else the page holds is unknown: ever larger steps leave it behind.
                Err(fault) if fault.is_damage() => {
                    unreadable_page = Some(at);
                    let Some(next) = advance(at, stride, to, direction) else { return Ok(None) };
                    (at, stride) = (next, stride.saturating_mul(2));
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(Some(at))
    }

    /// The readable offset that is nearest to an unreadable page, when larger steps have led from that to an offset.
    fn nearest(&self, unreadable_page: Option<u64>, offset: u64) -> Result<u64, Fault> {
        let Some(mut bad) = unreadable_page else { return Ok(offset) };
        let mut good = offset;
        while bad.abs_diff(good) > 1 {
            let middle = bad.midpoint(good);
            let readable =
                |place, bytes: &[u8]| if self.check.is_readable(place, bytes) { Ok(()) } else { Err(Fault::Damaged) };
            match self.get(middle, readable)? {
                Some(()) => good = middle,
                None if middle == bad => break,
                None => bad = middle,
            }
        }
        Ok(good)
    }
}

/// The offset some steps further, or `None` beyond the last one.
pub(super) fn advance(at: u64, steps: u64, last: u64, direction: Direction) -> Option<u64> {
    match direction {
        Direction::Up => at.checked_add(steps).filter(|next| *next <= last),
        Direction::Down => at.checked_sub(steps).filter(|next| *next >= last),
    }
}
