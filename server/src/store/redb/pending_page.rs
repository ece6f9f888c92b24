//! A page of what is pending for a user. Offsets have holes where notifications were acknowledged, so what is missing
//! shows in their number only.

use std::ops::ControlFlow;

use bytes::Bytes;
use redb::ReadableTable;

use super::{
    fault::Fault,
    format::{Pair, PendingRow, UserRow, time},
    reader::Place,
    series::Series,
};
use crate::store::{
    Entry, Lost, PageLimit,
    page::{PageBudget, Read},
};

/// The notifications of a user.
pub(super) fn pending<'t, T>(table: &'t T, user: &UserRow) -> Series<'t, T> {
    Series { table, number: user.number, readable: |place, bytes| PendingRow::decode(place, bytes).is_ok() }
}

/// Takes what fits and has not ended.
pub(super) fn page(
    table: &impl ReadableTable<Pair, &'static [u8]>,
    user: &UserRow,
    place: Place,
    limit: PageLimit,
    now: u64,
) -> Result<Read, Fault> {
    match place {
        Place::After(position) => after(table, user, position, limit, now),
        Place::Before(before) => {
            let (from, to) = (before.saturating_sub(1).min(user.head), 0);
            let (mut entries, ..) = take(&pending(table, user), (from, to), limit, now)?;
            entries.reverse();
            let next = entries.last().map_or(user.head, |last| last.offset);
            Ok(Read { entries, next, lost: None })
        }
    }
}

fn after(
    table: &impl ReadableTable<Pair, &'static [u8]>,
    user: &UserRow,
    position: u64,
    limit: PageLimit,
    now: u64,
) -> Result<Read, Fault> {
    let series = pending(table, user);
    let first = position.saturating_add(1);
    let missing = missing(&series, user)?;
    if let Some(lost) = missing.filter(|lost| lost.first == first) {
        return Ok(Read { next: lost.last, lost: Some(lost), ..Read::default() });
    }
    let to = missing.filter(|lost| lost.first > first).map_or(user.head, |lost| lost.first - 1);
    if first > to {
        return Ok(Read { next: user.head, ..Read::default() });
    }
    let (entries, reached, stop) = take(&series, (first, to), limit, now)?;
    match stop {
        None => Ok(Read { entries, next: to, lost: None }),
        Some(Stop::Unreadable) if entries.is_empty() => {
            let begin = reached.saturating_add(1).max(first);
            let readable = if begin < user.head { series.next_readable(begin + 1, user.head)? } else { None };
            let lost = Lost { first: begin, last: readable.map_or(user.head, |readable| readable - 1) };
            Ok(Read { entries, next: lost.last, lost: Some(lost) })
        }
        Some(Stop::Unreadable | Stop::Full) => {
            let next = entries.last().map_or(position.min(user.head), |last| last.offset);
            Ok(Read { entries, next, lost: None })
        }
    }
}

/// Why no more was taken.
enum Stop {
    Full,
    Unreadable,
}

/// What fits, up to which offset everything was looked at, and why there is no more.
fn take<T: ReadableTable<Pair, &'static [u8]>>(
    series: &Series<'_, T>,
    (from, to): (u64, u64),
    limit: PageLimit,
    now: u64,
) -> Result<(Vec<Entry>, u64, Option<Stop>), Fault> {
    let mut budget = PageBudget::new(limit);
    let (mut entries, mut reached) = (Vec::new(), 0);
    let visited = series.visit(from, to, |offset, bytes| {
        let Ok(row) = PendingRow::decode((series.number, offset), bytes) else {
            // Going back, what is damaged is only left out: nothing is promised of the past.
            return if from <= to { ControlFlow::Break(Stop::Unreadable) } else { ControlFlow::Continue(()) };
        };
        if row.expires > now {
            if !budget.take(row.body.len()) {
                return ControlFlow::Break(Stop::Full);
            }
            entries.push(Entry { offset, at: time(row.at), body: Bytes::copy_from_slice(row.body) });
        }
        reached = offset;
        ControlFlow::Continue(())
    });
    match visited {
        Ok(stop) => Ok((entries, reached, stop)),
        Err(fault) if fault.is_damage() => Ok((entries, reached, Some(Stop::Unreadable))),
        Err(fault) => Err(fault),
    }
}

/// Where notifications are missing that the user's row counts: the first hole of the offsets. Which of the holes they
/// were in is not known, and once is enough for a reader to be told.
fn missing<T: ReadableTable<Pair, &'static [u8]>>(
    series: &Series<'_, T>,
    user: &UserRow,
) -> Result<Option<Lost>, Fault> {
    if user.count == 0 {
        return Ok(None);
    }
    let (mut count, mut next, mut hole) = (0, 1, None);
    let visited = series.visit(0, u64::MAX, |offset, _| {
        if offset != next && hole.is_none() {
            hole = Some(Lost { first: next, last: offset - 1 });
        }
        count += 1;
        next = offset + 1;
        ControlFlow::<()>::Continue(())
    });
    match visited {
        Ok(_) if count >= user.count => Ok(None),
        Ok(_) => Ok(hole.or((next <= user.head).then_some(Lost { first: next, last: user.head }))),
        // A page cannot be read, which whoever reads on meets.
        Err(fault) if fault.is_damage() => Ok(None),
        Err(fault) => Err(fault),
    }
}
