//! Reads a page of the pending notifications of a user. Their offsets have gaps where notifications were acknowledged, so
//! missing notifications can only be detected by their number. A notification whose shared body is missing or damaged
//! counts as damaged itself.

use std::ops::ControlFlow;

use bytes::Bytes;
use redb::{ReadOnlyTable, ReadTransaction};

use super::{
    bodies::{self, BODIES},
    fault::Fault,
    format::{PENDING, Pair, PendingRow, RowBody, UserRow, time},
    reader::PageStart,
    series::{RowCheck, Series},
};
use crate::{
    Entry, Lost, PageLimit,
    page::{PageBudget, Read},
};

/// The table of pending notifications.
type PendingRows = ReadOnlyTable<Pair, &'static [u8]>;

/// The pending notifications of all users, and the bodies that they share.
pub(super) struct PendingTables {
    pending: PendingRows,
    bodies: ReadOnlyTable<u64, &'static [u8]>,
}

impl RowCheck for &PendingTables {
    fn is_readable(&self, key: Pair, bytes: &[u8]) -> bool {
        PendingRow::decode(key, bytes).and_then(|row| self.body(&row, |_| ())).is_ok()
    }
}

impl PendingTables {
    /// Opens the tables.
    pub(super) fn open(transaction: &ReadTransaction) -> Result<Self, Fault> {
        Ok(Self { pending: transaction.open_table(PENDING)?, bodies: transaction.open_table(BODIES)? })
    }

    /// Returns the rows of a user.
    pub(super) fn series(&self, user: &UserRow) -> Series<'_, PendingRows, &Self> {
        Series { table: &self.pending, number: user.number, check: self }
    }

    /// Reads the body of a notification, from its row or from `bodies`.
    ///
    /// # Errors
    /// [`Fault::Damaged`] when the row refers to a body that is missing, damaged, or of another notification.
    pub(super) fn body<R>(&self, row: &PendingRow<'_>, with: impl FnOnce(&[u8]) -> R) -> Result<R, Fault> {
        match row.body {
            RowBody::Own(body) => Ok(with(body)),
            RowBody::Shared(number) => bodies::read(&self.bodies, number, row.id, with),
        }
    }

    /// Reads a page of the notifications that have not expired.
    pub(super) fn page(&self, user: &UserRow, start: PageStart, limit: PageLimit, now: u64) -> Result<Read, Fault> {
        match start {
            PageStart::After(position) => self.after(user, position, limit, now),
            PageStart::Before(before) => {
                let (from, to) = (before.saturating_sub(1).min(user.head), 0);
                let (mut entries, ..) = self.take(user, (from, to), limit, now)?;
                entries.reverse();
                let next = entries.last().map_or(user.head, |last| last.offset);
                Ok(Read { entries, next, lost: None })
            }
        }
    }

    fn after(&self, user: &UserRow, position: u64, limit: PageLimit, now: u64) -> Result<Read, Fault> {
        let series = self.series(user);
        let first = position.saturating_add(1);
        let missing = missing(&series, user)?;
        if let Some(lost) = missing.filter(|lost| lost.first == first) {
            return Ok(Read { next: lost.last, lost: Some(lost), ..Read::default() });
        }
        let to = missing.filter(|lost| lost.first > first).map_or(user.head, |lost| lost.first - 1);
        if first > to {
            return Ok(Read { next: user.head, ..Read::default() });
        }
        let (entries, reached, stop) = self.take(user, (first, to), limit, now)?;
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
            Some(Stop::Failed(fault)) => Err(fault),
        }
    }

    /// Returns the entries of a page, the offset up to which rows were read, and the reason why the page ends early.
    fn take(
        &self,
        user: &UserRow,
        (from, to): (u64, u64),
        limit: PageLimit,
        now: u64,
    ) -> Result<(Vec<Entry>, u64, Option<Stop>), Fault> {
        let mut budget = PageBudget::new(limit);
        let (mut entries, mut reached) = (Vec::new(), 0);
        let series = self.series(user);
        let visited = series.visit(from, to, |offset, bytes| {
            let row = PendingRow::decode((series.number, offset), bytes);
            let entry = row.and_then(|row| {
                if row.expires <= now {
                    return Ok(Taken::Expired);
                }
                let take = |body: &[u8]| budget.take(body.len()).then(|| Bytes::copy_from_slice(body));
                let body = self.body(&row, take)?;
                Ok(body.map_or(Taken::TooLarge, |body| Taken::Entry(Entry { offset, at: time(row.at), body })))
            });
            match entry {
                Ok(Taken::Expired) => {}
                Ok(Taken::TooLarge) => return ControlFlow::Break(Stop::Full),
                Ok(Taken::Entry(entry)) => entries.push(entry),
                Err(fault) if !fault.is_damage() => return ControlFlow::Break(Stop::Failed(fault)),
                Err(_) if from <= to => return ControlFlow::Break(Stop::Unreadable),
                // Backward pages only skip damaged notifications, because recovery does not use them.
                Err(_) => return ControlFlow::Continue(()),
            }
            reached = offset;
            ControlFlow::Continue(())
        });
        match visited {
            Ok(Some(Stop::Failed(fault))) => Err(fault),
            Ok(stop) => Ok((entries, reached, stop)),
            Err(fault) if fault.is_damage() => Ok((entries, reached, Some(Stop::Unreadable))),
            Err(fault) => Err(fault),
        }
    }
}

/// The result of reading one row.
enum Taken {
    Entry(Entry),
    /// The notification has expired.
    Expired,
    /// The notification does not fit into the page.
    TooLarge,
}

/// The reason why a page ends before the last notification.
enum Stop {
    Full,
    Unreadable,
    /// The file cannot be read at all.
    Failed(Fault),
}

/// Returns the first gap in the offsets if there are fewer notifications than the user's row counts. It is not known which
/// of the gaps is the loss, and one report is enough for a reader.
fn missing(series: &Series<'_, PendingRows, &PendingTables>, user: &UserRow) -> Result<Option<Lost>, Fault> {
    if user.count == 0 {
        return Ok(None);
    }
    let (mut count, mut next, mut gap) = (0, 1, None);
    let visited = series.visit(0, u64::MAX, |offset, _| {
        if offset != next && gap.is_none() {
            gap = Some(Lost { first: next, last: offset - 1 });
        }
        count += 1;
        next = offset + 1;
        ControlFlow::<()>::Continue(())
    });
    match visited {
        Ok(_) if count >= user.count => Ok(None),
        Ok(_) => Ok(gap.or((next <= user.head).then_some(Lost { first: next, last: user.head }))),
        // A page cannot be read. The next read reports it.
        Err(fault) if fault.is_damage() => Ok(None),
        Err(fault) => Err(fault),
    }
}
