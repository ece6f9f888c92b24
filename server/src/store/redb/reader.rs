//! Reading the file: pages and ends of logs and of pending notifications.

use std::ops::ControlFlow;

use realtime_gateway_protocol::UserId;
use redb::ReadTransaction;

use super::{
    fault::{Fault, guard},
    format::{ENTRIES, KNOWN, KnownKind, LOGS, LogRow, PendingRow, USERS, UserRow, check_unknown},
    log, log_page,
    pending_page::PendingTables,
};
use crate::{
    store::{Head, PageLimit, damage::Damage, page::Read},
    topic::Topic,
};

/// The ends of a log that was never written.
const EMPTY: Head = Head { head: 0, floor: 1 };

/// From which side of which offset a page is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// Ascending after a position.
    After(u64),
    /// The last before an offset.
    Before(u64),
}

/// The state of the file at one moment.
pub(super) struct Reader<'t> {
    /// Where it is read from.
    pub(super) transaction: &'t ReadTransaction,
    /// Where damage is noted.
    pub(super) damage: &'t Damage,
    /// The time, in milliseconds.
    pub(super) now: u64,
}

impl Reader<'_> {
    /// One page.
    pub(super) fn page(&self, topic: &Topic, place: Place, limit: PageLimit) -> Result<(Head, Read), Fault> {
        let (ends, read) = match topic {
            Topic::User(user) => {
                let Some(row) = self.user_row(user)? else { return Ok((EMPTY, Read::default())) };
                let pending = PendingTables::open(self.transaction)?;
                let ends = Head { head: row.head, floor: 1 };
                (ends, pending.page(&row, place, limit, self.now)?)
            }
            topic => {
                let Some(row) = self.log_row(topic)? else { return Ok((EMPTY, Read::default())) };
                let entries = self.transaction.open_table(ENTRIES)?;
                let ends = Head { head: row.head, floor: log::floor(&entries, &row, self.now)? };
                (ends, log_page::page(&entries, &row, ends, place, limit)?)
            }
        };
        if let Some(lost) = read.lost {
            let what = if matches!(topic, Topic::User(_)) { "pending notifications" } else { "entries" };
            self.damage.note(what, &format_args!("{topic} {lost}"), lost.count());
        }
        Ok((ends, read))
    }

    /// The ends of several logs. The row of one that is damaged is no reason to give none: it counts as empty then,
    /// unless it is the only one.
    pub(super) fn heads(&self, topics: &[Topic]) -> Result<Vec<Head>, Fault> {
        let ends = |topic: &Topic| match self.ends(topic) {
            Err(fault) if fault.is_damage() && topics.len() > 1 => Ok(EMPTY),
            ends => ends,
        };
        topics.iter().map(ends).collect()
    }

    fn ends(&self, topic: &Topic) -> Result<Head, Fault> {
        match topic {
            Topic::User(user) => Ok(self.user_row(user)?.map_or(EMPTY, |row| Head { head: row.head, floor: 1 })),
            topic => match self.log_row(topic)? {
                Some(row) => {
                    let entries = self.transaction.open_table(ENTRIES)?;
                    Ok(Head { head: row.head, floor: log::floor(&entries, &row, self.now)? })
                }
                None => Ok(EMPTY),
            },
        }
    }

    /// How many notifications of a user are pending: noted with the user, and counted only when some may have ended.
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
        read.inspect_err(|fault| self.damage.note_fault("log", &topic, fault))
    }

    fn user_row(&self, user: &UserId) -> Result<Option<UserRow>, Fault> {
        let read = guard(|| {
            let users = self.transaction.open_table(USERS)?;
            match users.get(user.as_str())? {
                Some(row) => Ok(Some(UserRow::decode(user.as_str(), row.value())?)),
                None => self.check_unknown(KnownKind::User, user.as_str()).map(|()| None),
            }
        });
        read.inspect_err(|fault| self.damage.note_fault("user", user.as_str(), fault))
    }

    fn check_unknown(&self, kind: KnownKind, name: &str) -> Result<(), Fault> {
        check_unknown(&self.transaction.open_table(KNOWN)?, kind, name)
    }
}
