//! Removing what is beyond its time, a bounded number of rows in one commit.

use std::time::Duration;

use realtime_gateway_protocol::Timestamp;
use redb::{AccessGuard, ReadableTable};

use super::{
    bodies,
    fault::{Fault, guard},
    format::{IdRow, KeyRow, LogRow, Triple, UserRow, time},
    inbox::{self, Removed},
    log,
    operation::Request,
    tables::Tables,
};
use crate::store::{Swept, clock::after};

/// How many rows one sweep removes at most.
const SWEEP_ROWS: u64 = 500;
/// After how many milliseconds a log is swept again whose entries cannot be read.
const UNREADABLE_AGAIN: u64 = 3_600_000;

/// One of the kinds of rows that end with time. Each is swept by an operation of its own, so that damage among the rows
/// of one kind keeps no other from being swept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Entries,
    Notifications,
    Keys,
    Ids,
    Bodies,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [Self::Entries, Self::Notifications, Self::Keys, Self::Ids, Self::Bodies];
}

/// Asks for a sweep of one kind at the given time.
pub(super) struct Sweep {
    pub(super) kind: Kind,
    pub(super) now: Timestamp,
}

impl Request for Sweep {
    type Answer = Swept;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<Swept, Fault> {
        let mut swept = Swept::default();
        let mut rows = SWEEP_ROWS;
        let changed = tables.changed;
        // Should a step fail, it has changed something.
        tables.changed = true;
        // What came at the very start of the window is over.
        let over = self.now.millis().checked_sub(log::millis(tables.window));
        match self.kind {
            Kind::Entries => ages(tables, self.now.millis(), &mut rows, &mut swept)?,
            Kind::Notifications => expiries(tables, self.now, &mut rows, &mut swept)?,
            Kind::Keys => over.map_or(Ok(()), |over| keys(tables, over, &mut rows))?,
            Kind::Bodies => bodies::sweep(tables, self.now.millis(), &mut rows)?,
            Kind::Ids => over.map_or(Ok(()), |over| ids(tables, over, &mut rows))?,
        }
        tables.changed = changed || rows < SWEEP_ROWS;
        swept.more = rows == 0;
        Ok(swept)
    }

    fn bytes(&self) -> usize {
        256
    }

    fn is_upkeep(&self) -> bool {
        true
    }
}

fn ages(tables: &mut Tables<'_>, now: u64, rows: &mut u64, swept: &mut Swept) -> Result<(), Fault> {
    while *rows > 0 {
        let Some(((due, number), topic)) = tables.ages.first()?.map(|(key, topic)| (key.value(), name(&topic))) else {
            break;
        };
        if due > now {
            break;
        }
        let log = tables.logs.get(topic.as_str())?.and_then(|row| LogRow::decode(&topic, row.value()).ok());
        let Some(mut log) = log.filter(|log| log.number == number) else {
            // Without its log, or with a damaged one, this row leads nowhere.
            tables.damage.note("log", &topic, 1);
            tables.ages.remove((due, number))?;
            *rows -= 1;
            continue;
        };
        let floor = log::floor(&*tables.entries, &log, now)?;
        let counted = log.floor;
        let end = floor.min(log.first + *rows);
        *rows -= end.saturating_sub(log.first).clamp(1, *rows);
        for offset in log.first..end {
            tables.entries.remove((number, offset))?;
            // Those below were trimmed by count, and only waited to be removed.
            swept.entries += u64::from(offset >= counted);
        }
        log.first = log.first.max(end);
        // With rows left to remove the index stays, so that the next sweep goes on here.
        if end >= floor {
            tables.ages.remove((due, number))?;
            log.due = 0;
            if end <= log.head {
                // Where no entry can be read, it is tried again later.
                let ends = match log::accepted(&*tables.entries, &log, end, log.head)? {
                    Some(oldest) => after(time(oldest), Duration::from_millis(log.max_age)).millis(),
                    None => 0,
                };
                log.due = if ends > now { ends } else { now + UNREADABLE_AGAIN };
                tables.ages.insert((log.due, number), topic.as_str())?;
            }
            log.floor = floor;
        } else {
            log.floor = log.floor.max(end);
        }
        tables.logs.insert(topic.as_str(), log.encode(&topic).as_slice())?;
    }
    Ok(())
}

fn expiries(tables: &mut Tables<'_>, now: Timestamp, rows: &mut u64, swept: &mut Swept) -> Result<(), Fault> {
    while *rows > 0 {
        let Some((key, name)) = tables.expiries.first()?.map(|(key, user)| (key.value(), name(&user))) else { break };
        if key.0 > now.millis() {
            break;
        }
        swept.expired += u64::from(expire(tables, key, &name, now)?);
        *rows -= 1;
    }
    Ok(())
}

/// Removes the notification that a row of the index names, if it has ended, and the row; whether one was removed.
fn expire(tables: &mut Tables<'_>, key: Triple, name: &str, now: Timestamp) -> Result<bool, Fault> {
    tables.expiries.remove(key)?;
    let (_, number, offset) = key;
    let user = tables.users.get(name)?.and_then(|row| UserRow::decode(name, row.value()).ok());
    let Some(mut user) = user.filter(|user| user.number == number) else {
        tables.damage.note("user", &name, 1);
        return Ok(false);
    };
    // The notification's own row decides, because the index has no checksum.
    if let Some(expires) = inbox::expires(tables, (number, offset))?.filter(|expires| *expires > now.millis()) {
        tables.damage.note("expiry", &format_args!("user {number} {offset}"), 1);
        tables.expiries.insert((expires, number, offset), name)?;
        return Ok(false);
    }
    if matches!(inbox::remove(tables, &mut user, offset, now)?, Removed::Nothing) {
        // It was lost before, and its time is over now.
        user.count = user.count.saturating_sub(1);
    }
    tables.users.insert(name, user.encode(name).as_slice())?;
    Ok(true)
}

/// A name in an index; empty when it is damaged so that it is no text.
fn name(row: &AccessGuard<'_, &'static str>) -> String {
    guard(|| Ok(row.value().to_owned())).unwrap_or_default()
}

fn keys(tables: &mut Tables<'_>, over: u64, rows: &mut u64) -> Result<(), Fault> {
    while *rows > 0 {
        let Some((place, key)) =
            tables.keys_by_time.first()?.map(|(place, key)| (place.value(), key.value().to_owned()))
        else {
            break;
        };
        if place.0 > over {
            break;
        }
        tables.keys_by_time.remove(place)?;
        // A later append may have renewed the key meanwhile; its own row decides.
        let at = tables.keys.get(key.as_slice())?.and_then(|row| match KeyRow::decode(&key, row.value()) {
            Ok(row) if row.offset == place.2 => Some(row.at),
            _ => None,
        });
        match at {
            Some(at) if at <= over => drop(tables.keys.remove(key.as_slice())?),
            Some(at) => drop(tables.keys_by_time.insert((at, place.1, place.2), key.as_slice())?),
            None => {}
        }
        *rows -= 1;
    }
    Ok(())
}

fn ids(tables: &mut Tables<'_>, over: u64, rows: &mut u64) -> Result<(), Fault> {
    while *rows > 0 {
        let Some((place, id)) = tables.ids_by_time.first()?.map(|(place, id)| (place.value(), id.value().to_owned()))
        else {
            break;
        };
        if place.0 > over {
            break;
        }
        tables.ids_by_time.remove(place)?;
        let at = tables.ids.get(id.as_slice())?.and_then(|row| match IdRow::decode(&id, row.value()) {
            Ok(row) if row.offset == place.2 => Some(row.at),
            _ => None,
        });
        match at.filter(|at| *at > over) {
            // The index was wrong.
            Some(at) => drop(tables.ids_by_time.insert((at, place.1, place.2), id.as_slice())?),
            // While it is pending its id stays, and goes with it.
            None if tables.pending.get((place.1, place.2))?.is_some() => {}
            None => inbox::forget(tables, &id, place.2)?,
        }
        *rows -= 1;
    }
    Ok(())
}
