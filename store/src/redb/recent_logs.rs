//! Finds the logs that have entries of late.

use std::ops::Bound;

use realtime_gateway_protocol::Timestamp;
use redb::ReadTransaction;

use super::{
    fault::Fault,
    format::{ENTRIES, EntryRow, LOGS, LogRow},
};
use crate::RecentLogs;

/// How many logs one read looks at.
const LOOKED_AT: usize = 500;

/// Looks at some logs after a topic, in the order of their names. A log whose newest entry cannot be read is left out.
pub(super) fn read(transaction: &ReadTransaction, since: Timestamp, after: Option<&str>) -> Result<RecentLogs, Fault> {
    let (logs, entries) = (transaction.open_table(LOGS)?, transaction.open_table(ENTRIES)?);
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let mut recent = RecentLogs::default();
    for (number, row) in logs.range::<&str>((start, Bound::Unbounded))?.enumerate() {
        let (topic, row) = row?;
        let topic = topic.value();
        if number + 1 == LOOKED_AT {
            recent.next = Some(topic.into());
        }
        let newest = LogRow::decode(topic, row.value()).map(|log| (log.number, log.head));
        if let (Ok(key), Ok(topic)) = (newest, topic.parse())
            && let Some(row) = entries.get(key)?
            && EntryRow::decode(key, row.value()).is_ok_and(|entry| entry.at >= since.millis())
        {
            recent.topics.push(topic);
        }
        if recent.next.is_some() {
            break;
        }
    }
    Ok(recent)
}
