//! Reads logs and pending notifications: pages and bounds.

use std::ops::ControlFlow;

use realtime_gateway_protocol::{UserId, topic::Topic};
use redb::ReadTransaction;

use super::{
    fault::{Fault, guard},
    format::{ENTRIES, KNOWN, KnownKind, LOGS, LogRow, PendingRow, USERS, UserRow, check_unknown},
    log, log_page,
    pending_page::PendingTables,
};
use crate::{LogBounds, PageLimit, damage::Damage, page::Read};

/// The bounds of a log that was never written.
const EMPTY: LogBounds = LogBounds { head: 0, floor: 1 };

/// The start and the direction of a page.
#[derive(Debug, Clone, Copy)]
pub(super) enum PageStart {
    /// The entries after a position.
    After(u64),
    /// The last entries before an offset.
    Before(u64),
}

/// Reads one snapshot of the file.
pub(super) struct Reader<'t> {
    /// The transaction of the snapshot.
    pub(super) transaction: &'t ReadTransaction,
    /// Where damage is recorded.
    pub(super) damage: &'t Damage,
    /// The time, in milliseconds.
    pub(super) now: u64,
}

impl Reader<'_> {
    /// Reads one page.
    pub(super) fn page(&self, topic: &Topic, start: PageStart, limit: PageLimit) -> Result<(LogBounds, Read), Fault> {
        let (bounds, read) = match topic {
            Topic::User(user) => {
                let Some(row) = self.user_row(user)? else { return Ok((EMPTY, Read::default())) };
                let pending = PendingTables::open(self.transaction)?;
                let bounds = LogBounds { head: row.head, floor: 1 };
                (bounds, pending.page(&row, start, limit, self.now)?)
            }
            topic => {
                let Some(row) = self.log_row(topic)? else { return Ok((EMPTY, Read::default())) };
                let entries = self.transaction.open_table(ENTRIES)?;
                let bounds = LogBounds { head: row.head, floor: log::floor(&entries, &row, self.now)? };
                (bounds, log_page::page(&entries, &row, bounds, start, limit)?)
            }
        };
        if let Some(lost) = read.lost {
            let what = if matches!(topic, Topic::User(_)) { "pending notifications" } else { "entries" };
            self.damage.record(what, &format_args!("{topic} {lost}"), lost.count());
        }
        Ok((bounds, read))
    }

    /// Returns the bounds of several logs. A log with a damaged row counts as empty, so that the others are still
    /// returned, unless it is the only one.
    pub(super) fn heads(&self, topics: &[Topic]) -> Result<Vec<LogBounds>, Fault> {
        let bounds = |topic: &Topic| match self.bounds(topic) {
            Err(fault) if fault.is_damage() && topics.len() > 1 => Ok(EMPTY),
            bounds => bounds,
        };
        topics.iter().map(bounds).collect()
    }

    fn bounds(&self, topic: &Topic) -> Result<LogBounds, Fault> {
        match topic {
            Topic::User(user) => Ok(self.user_row(user)?.map_or(EMPTY, |row| LogBounds { head: row.head, floor: 1 })),
            topic => match self.log_row(topic)? {
                Some(row) => {
                    let entries = self.transaction.open_table(ENTRIES)?;
                    Ok(LogBounds { head: row.head, floor: log::floor(&entries, &row, self.now)? })
                }
                None => Ok(EMPTY),
            },
        }
    }

    /// Returns the number of pending notifications of a user. The stored number is used unless some notifications may have
    /// expired; then they are counted.
    pub(super) fn pending_count(&self, user: &UserId) -> Result<u64, Fault> {
        let Some(row) = self.user_row(user)? else { return Ok(0) };
        if row.soonest > self.now {
            return Ok(row.count);
        }
        let mut count = 0;
        let pending = PendingTables::open(self.transaction)?;
        let visited = pending.series(&row).visit(0, u64::MAX, |offset, bytes| {
            let row = PendingRow::decode((row.number, offset), bytes);
            count += u64::from(row.is_ok_and(|row| row.expires > self.now));
            ControlFlow::<()>::Continue(())
        });
        match visited {
            Err(fault) if !fault.is_damage() => Err(fault),
            _ => Ok(count),
        }
    }

    fn log_row(&self, topic: &Topic) -> Result<Option<LogRow>, Fault> {
        let topic = topic.to_string();
        let read = guard(|| {
            let logs = self.transaction.open_table(LOGS)?;
            match logs.get(topic.as_str())? {
                Some(row) => Ok(Some(LogRow::decode(&topic, row.value())?)),
                None => self.check_unknown(KnownKind::Log, &topic).map(|()| None),
            }
        });
        read.inspect_err(|fault| self.damage.record_fault("log", &topic, fault))
    }

    pub(super) fn user_row(&self, user: &UserId) -> Result<Option<UserRow>, Fault> {
        let read = guard(|| {
            let users = self.transaction.open_table(USERS)?;
            match users.get(user.as_str())? {
                Some(row) => Ok(Some(UserRow::decode(user.as_str(), row.value())?)),
                None => self.check_unknown(KnownKind::User, user.as_str()).map(|()| None),
            }
        });
        read.inspect_err(|fault| self.damage.record_fault("user", user.as_str(), fault))
    }

    fn check_unknown(&self, kind: KnownKind, name: &str) -> Result<(), Fault> {
        check_unknown(&self.transaction.open_table(KNOWN)?, kind, name)
    }
}
