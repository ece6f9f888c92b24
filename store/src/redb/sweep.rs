//! Removes expired rows, a bounded number in each commit.

use std::time::Duration;

use realtime_gateway_protocol::Timestamp;
use redb::{AccessGuard, ReadableTable};

use super::{
    bodies,
    fault::{Fault, guard},
    format::{IdRow, KeyRow, LogRow, Triple, UserRow, time},
    log,
    operation::Request,
    pending::{self, Removed},
    server_subscriptions,
    tables::Tables,
};
use crate::{Swept, clock::after};

/// The maximum number of rows that one sweep removes.
const SWEEP_ROWS: u64 = 500;
/// The delay in milliseconds before a log with unreadable entries is swept again.
const UNREADABLE_DELAY: u64 = 3_600_000;

/// The kinds of rows that expire. Each kind is swept by a separate operation, so that damage in one kind does not
/// prevent the sweep of the others.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Entries,
    Notifications,
    Keys,
    Ids,
    Bodies,
    Subscriptions,
}

impl Kind {
    /// All kinds.
    pub(super) const ALL: [Self; 6] =
        [Self::Entries, Self::Notifications, Self::Keys, Self::Ids, Self::Bodies, Self::Subscriptions];
}

/// A request to sweep the rows of one kind that have expired at a time.
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
        // Assume a change until the step succeeds: a failed step may have changed something.
        tables.changed = true;
        // Keys up to this time have expired.
        let over = self.now.millis().checked_sub(log::millis(tables.window));
        match self.kind {
            Kind::Entries => ages(tables, self.now.millis(), &mut rows, &mut swept)?,
            Kind::Notifications => expiries(tables, self.now, &mut rows, &mut swept)?,
            Kind::Keys => over.map_or(Ok(()), |over| keys(tables, over, &mut rows))?,
            Kind::Bodies => bodies::sweep(tables, self.now.millis(), &mut rows)?,
            Kind::Subscriptions => server_subscriptions::sweep(tables, self.now, &mut rows)?,
            Kind::Ids => over.map_or(Ok(()), |over| ids(tables, over, &mut rows))?,
        }
        tables.changed = changed || rows < SWEEP_ROWS;
        swept.more = rows == 0;
        Ok(swept)
    }

    fn bytes(&self) -> usize {
        256
    }

    fn is_maintenance(&self) -> bool {
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
            // The log is missing or damaged, so this index row is useless.
            tables.damage.record("log", &topic, 1);
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
            // Entries below `counted` were already beyond retention by count, so they do not count as expired.
            swept.entries += u64::from(offset >= counted);
        }
        log.first = log.first.max(end);
        // Keep the index row while rows are left to remove, so that the next sweep continues here.
        if end >= floor {
            tables.ages.remove((due, number))?;
            log.due = 0;
            if end <= log.head {
                // If no entry can be read, try again later.
                let ends = match log::accepted(&*tables.entries, &log, end, log.head)? {
                    Some(oldest) => after(time(oldest), Duration::from_millis(log.max_age)).millis(),
                    None => 0,
                };
                log.due = if ends > now { ends } else { now + UNREADABLE_DELAY };
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

/// Removes an index row, and its notification if that has expired. Returns whether a notification was removed.
fn expire(tables: &mut Tables<'_>, key: Triple, name: &str, now: Timestamp) -> Result<bool, Fault> {
    tables.expiries.remove(key)?;
    let (_, number, offset) = key;
    let user = tables.users.get(name)?.and_then(|row| UserRow::decode(name, row.value()).ok());
    let Some(mut user) = user.filter(|user| user.number == number) else {
        tables.damage.record("user", &name, 1);
        return Ok(false);
    };
    // Verify with the row of the notification, because the index has no checksum.
    if let Some(expires) = pending::expires(tables, (number, offset))?.filter(|expires| *expires > now.millis()) {
        tables.damage.record("expiry", &format_args!("user {number} {offset}"), 1);
        tables.expiries.insert((expires, number, offset), name)?;
        return Ok(false);
    }
    if matches!(pending::remove(tables, &mut user, offset, now)?, Removed::Nothing) {
        // The notification was lost by damage before it expired. Correct the count.
        user.count = user.count.saturating_sub(1);
    }
    tables.users.insert(name, user.encode(name).as_slice())?;
    Ok(true)
}

/// Reads the name in an index row. Returns an empty text if it is damaged.
fn name(row: &AccessGuard<'_, &'static str>) -> String {
    guard(|| Ok(row.value().to_owned())).unwrap_or_default()
}

fn keys(tables: &mut Tables<'_>, over: u64, rows: &mut u64) -> Result<(), Fault> {
    while *rows > 0 {
        let Some((key_of_index, key)) =
            tables.keys_by_time.first()?.map(|(key_of_index, key)| (key_of_index.value(), key.value().to_owned()))
        else {
            break;
        };
        if key_of_index.0 > over {
            break;
        }
        tables.keys_by_time.remove(key_of_index)?;
        // A later append may have renewed the key. Verify with the row of the key.
        let at = tables.keys.get(key.as_slice())?.and_then(|row| match KeyRow::decode(&key, row.value()) {
            Ok(row) if row.offset == key_of_index.2 => Some(row.at),
            _ => None,
        });
        match at {
            Some(at) if at <= over => drop(tables.keys.remove(key.as_slice())?),
            Some(at) => drop(tables.keys_by_time.insert((at, key_of_index.1, key_of_index.2), key.as_slice())?),
            None => {}
        }
        *rows -= 1;
    }
    Ok(())
}

fn ids(tables: &mut Tables<'_>, over: u64, rows: &mut u64) -> Result<(), Fault> {
    while *rows > 0 {
        let Some((key_of_index, id)) =
            tables.ids_by_time.first()?.map(|(key_of_index, id)| (key_of_index.value(), id.value().to_owned()))
        else {
            break;
        };
        if key_of_index.0 > over {
            break;
        }
        tables.ids_by_time.remove(key_of_index)?;
        let at = tables.ids.get(id.as_slice())?.and_then(|row| match IdRow::decode(&id, row.value()) {
            Ok(row) if row.offset == key_of_index.2 => Some(row.at),
            _ => None,
        });
        match at.filter(|at| *at > over) {
            // The time in the index was wrong. Correct it.
            Some(at) => drop(tables.ids_by_time.insert((at, key_of_index.1, key_of_index.2), id.as_slice())?),
            // The id of a pending notification is kept. It is removed with the notification.
            None if tables.pending.get((key_of_index.1, key_of_index.2))?.is_some() => {}
            None => pending::forget(tables, &id, key_of_index.2)?,
        }
        *rows -= 1;
    }
    Ok(())
}
