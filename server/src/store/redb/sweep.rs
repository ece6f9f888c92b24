//! Removing what is beyond its time, a bounded number of rows in one commit.

use std::time::Duration;

use realtime_gateway_protocol::Timestamp;
use redb::ReadableTable;

use super::{
    fault::Fault,
    format::{KeyRow, LogRow, UserRow, time},
    inbox, log,
    operation::Request,
    tables::Tables,
};
use crate::store::{Swept, clock::after};

/// How many rows one sweep removes at most.
const SWEEP_ROWS: u64 = 500;

/// Asks for a sweep at the given time.
pub(super) struct Sweep(pub(super) Timestamp);

impl Request for Sweep {
    type Answer = Swept;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<Swept, Fault> {
        let mut swept = Swept::default();
        let mut rows = SWEEP_ROWS;
        ages(tables, self.0.millis(), &mut rows, &mut swept)?;
        expiries(tables, self.0, &mut rows, &mut swept)?;
        // What came at the very start of the window is over.
        if let Some(over) = self.0.millis().checked_sub(log::millis(tables.window)) {
            keys(tables, over, &mut rows)?;
            ids(tables, over, &mut rows)?;
        }
        tables.changed |= rows < SWEEP_ROWS;
        swept.more = rows == 0;
        Ok(swept)
    }

    fn bytes(&self) -> usize {
        256
    }
}

fn ages(tables: &mut Tables<'_>, now: u64, rows: &mut u64, swept: &mut Swept) -> Result<(), Fault> {
    while *rows > 0 {
        let Some(due) = tables.ages.first()?.map(|(key, topic)| (key.value(), topic.value().to_owned())) else { break };
        let ((due, number), topic) = due;
        if due > now {
            break;
        }
        let mut log = match tables.logs.get(topic.as_str())? {
            Some(row) => LogRow::decode(row.value())?,
            None => return Err(Fault::Damaged),
        };
        let floor = log::floor(&tables.entries, &log, now)?;
        let counted = log.floor;
        let end = floor.min(log.first + *rows);
        *rows -= (end - log.first).max(1);
        for offset in log.first..end {
            tables.entries.remove((number, offset))?;
            // Those below were trimmed by count, and only waited to be removed.
            swept.entries += u64::from(offset >= counted);
        }
        log.first = end;
        // With rows left to remove the index stays, so that the next sweep goes on here.
        if end == floor {
            tables.ages.remove((due, number))?;
            log.due = 0;
            if end <= log.head {
                let oldest = log::at(&tables.entries, &log, end)?;
                log.due = after(time(oldest), Duration::from_millis(log.max_age)).millis();
                tables.ages.insert((log.due, number), topic.as_str())?;
            }
            log.floor = floor;
        } else {
            log.floor = log.floor.max(end);
        }
        tables.logs.insert(topic.as_str(), log.encode().as_slice())?;
    }
    Ok(())
}

fn expiries(tables: &mut Tables<'_>, now: Timestamp, rows: &mut u64, swept: &mut Swept) -> Result<(), Fault> {
    while *rows > 0 {
        let Some(first) = tables.expiries.first()?.map(|(key, user)| (key.value(), user.value().to_owned())) else {
            break;
        };
        let ((expires, number, offset), name) = first;
        if expires > now.millis() {
            break;
        }
        let mut user = match tables.users.get(name.as_str())? {
            Some(row) => UserRow::decode(row.value())?,
            None => return Err(Fault::Damaged),
        };
        if user.number != number || inbox::remove(tables, &mut user, offset, now)?.is_none() {
            return Err(Fault::Damaged);
        }
        tables.users.insert(name.as_str(), user.encode().as_slice())?;
        *rows -= 1;
        swept.expired += 1;
    }
    Ok(())
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
        // A later append may have renewed the key meanwhile.
        let same = match tables.keys.get(key.as_slice())? {
            Some(row) => KeyRow::decode(row.value())?.offset == place.2,
            None => false,
        };
        if same {
            tables.keys.remove(key.as_slice())?;
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
        // While it is pending its id stays, and goes with it.
        if tables.pending.get((place.1, place.2))?.is_none() {
            inbox::forget(tables, &id, place.2)?;
        }
        *rows -= 1;
    }
    Ok(())
}
