//! The rows of one log in `entries`, or of one user in `pending`. Reads them in order and skips rows that cannot be read.

use std::ops::ControlFlow;

use redb::ReadableTable;

use super::{
    fault::{Fault, guard},
    format::Pair,
};

/// The maximum number of reads to find the next readable row after damage.
const PROBES: usize = 1_024;

/// The direction in which rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Ascending offsets.
    Up,
    /// Descending offsets.
    Down,
}

/// Decides which rows of a table can be read.
pub(super) trait RowCheck {
    /// Returns whether a row can be read with everything that it refers to.
    fn is_readable(&self, key: Pair, bytes: &[u8]) -> bool;
}

/// The rows of one log or user.
pub(super) struct Series<'t, T, R> {
    /// The table of the rows.
    pub(super) table: &'t T,
    /// The number of the log or the user.
    pub(super) number: u64,
    /// Decides which rows can be read.
    pub(super) check: R,
}

impl<T: ReadableTable<Pair, &'static [u8]>, R: RowCheck> Series<'_, T, R> {
    /// Calls `visitor` with each row from one offset to another, both included, until it returns `Break`. Returns the
    /// value of the `Break`, or `None` after the last row.
    ///
    /// # Errors
    /// [`Fault::Page`] for a damaged page, and for a row that does not belong there.
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
                let (key, bytes) = row?;
                let (number, offset) = key.value();
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

    /// Reads one row, if it is present and readable.
    ///
    /// # Errors
    /// If the file cannot be read at all.
    pub(super) fn get<V>(
        &self,
        offset: u64,
        read: impl Fn(Pair, &[u8]) -> Result<V, Fault>,
    ) -> Result<Option<V>, Fault> {
        let key = (self.number, offset);
        let got = guard(|| self.table.get(key)?.map(|row| read(key, row.value())).transpose());
        got.or_else(|fault| if fault.is_damage() { Ok(None) } else { Err(fault) })
    }

    /// Returns the offset of the first readable row from one offset towards another, or `None` if there is none. If too
    /// much is damaged to find it in a bounded number of reads, returns the offset up to which the search got.
    ///
    /// # Errors
    /// If the file cannot be read at all.
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
                // The end of the damaged page is not known. Increasing steps skip it.
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

    /// Finds by bisection the readable offset that is nearest to an unreadable page. `offset` is readable, and larger
    /// steps led to it from the page.
    fn nearest(&self, unreadable_page: Option<u64>, offset: u64) -> Result<u64, Fault> {
        let Some(mut bad) = unreadable_page else { return Ok(offset) };
        let mut good = offset;
        while bad.abs_diff(good) > 1 {
            let middle = bad.midpoint(good);
            let readable =
                |key, bytes: &[u8]| if self.check.is_readable(key, bytes) { Ok(()) } else { Err(Fault::Damaged) };
            match self.get(middle, readable)? {
                Some(()) => good = middle,
                None if middle == bad => break,
                None => bad = middle,
            }
        }
        Ok(good)
    }
}

/// Returns the offset `steps` further in a direction, or `None` if that is beyond `last`.
pub(super) fn advance(at: u64, steps: u64, last: u64, direction: Direction) -> Option<u64> {
    match direction {
        Direction::Up => at.checked_add(steps).filter(|next| *next <= last),
        Direction::Down => at.checked_sub(steps).filter(|next| *next >= last),
    }
}
