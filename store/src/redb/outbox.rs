//! The outbox in the file. Events are written in the same batch as the changes that they report.

use std::time::Duration;

use async_trait::async_trait;
use realtime_gateway_protocol::{NotificationId, StoredId};
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::{
    RedbStore,
    fault::Fault,
    format::{OUTBOX, OutboxRow, time},
    operation::Request,
    tables::Tables,
    webhooks,
};
use crate::{
    Event, EventDetail, EventSource, Outbox, OutboxEntry, OutboxStatus, StoreError, damage::Damage,
    outbox_bound::OutboxBound, wait::Wait,
};

/// How many of the oldest events are tried to find one that can be read.
const OLDEST_ROWS: usize = 64;
/// The values of [`OutboxRow::kind`]: no detail, an entry of a log, notifications.
const PLAIN: u64 = 0;
const ENTRY: u64 = 1;
const NOTIFICATIONS: u64 = 2;

/// Writes an event for the webhooks that take it, and to the outbox, if there is one with room.
pub(super) fn write(tables: &mut Tables<'_>, event: &Event, detail: &EventDetail) -> Result<(), Fault> {
    webhooks::write(tables, event, detail)?;
    let Some(bound) = tables.outbox_bound else { return Ok(()) };
    if !bound.admits(tables.outbox.len()?) {
        return Ok(());
    }
    let node = tables.node.clone();
    insert(tables, &node, event, detail)
}

/// Writes an event of a node, even if the outbox is full.
pub(super) fn insert(tables: &mut Tables<'_>, node: &str, event: &Event, detail: &EventDetail) -> Result<(), Fault> {
    tables.changed = true;
    tables.outbox_last += 1;
    let sequence = tables.outbox_last;
    tables.outbox.insert(sequence, encode_row(sequence, node, event, detail).as_slice())?;
    Ok(())
}

/// Encodes an event as a row of the outbox.
pub(super) fn encode(sequence: u64, entry: &OutboxEntry) -> Vec<u8> {
    encode_row(sequence, &entry.node, &entry.event, &entry.detail)
}

fn encode_row(sequence: u64, node: &str, event: &Event, detail: &EventDetail) -> Vec<u8> {
    // Identifiers contain no white space, so line breaks can separate them.
    let (kind, offset, more) = match detail {
        EventDetail::None => (PLAIN, 0, String::new()),
        EventDetail::Entry { offset, epoch } => (ENTRY, *offset, epoch.to_string()),
        EventDetail::Notifications(ids) => {
            (NOTIFICATIONS, 0, ids.iter().map(NotificationId::as_str).collect::<Vec<_>>().join("\n"))
        }
    };
    let row = OutboxRow {
        at: event.at.millis(),
        kind,
        offset,
        id: &event.id,
        key: &event.key,
        node,
        more: &more,
        body: &event.body,
    };
    row.encode(sequence)
}

/// Returns the sequence of the last event in the file, or 0 if there is none.
pub(super) fn last(table: &impl ReadableTable<u64, &'static [u8]>) -> Result<u64, Fault> {
    Ok(table.last()?.map_or(0, |(sequence, _)| sequence.value()))
}

/// Returns the oldest events after a sequence. Events that cannot be read are skipped and recorded as damage.
pub(super) fn read(
    transaction: &ReadTransaction,
    damage: &Damage,
    after: u64,
    at_most: usize,
) -> Result<Vec<OutboxEntry>, Fault> {
    let table = transaction.open_table(OUTBOX)?;
    let mut events = Vec::new();
    for row in table.range(after.saturating_add(1)..)? {
        let (sequence, row) = row?;
        let sequence = sequence.value();
        match entry(sequence, row.value()) {
            Ok(entry) => events.push(entry),
            Err(_) => damage.record("event", &sequence, 1),
        }
        if events.len() >= at_most {
            break;
        }
    }
    Ok(events)
}

/// Decodes a row of the outbox.
pub(super) fn entry(sequence: u64, bytes: &[u8]) -> Result<OutboxEntry, Fault> {
    let row = OutboxRow::decode(sequence, bytes)?;
    let notification = |id: &str| NotificationId::from_stored(id).map_err(|_| Fault::Damaged);
    let detail = match row.kind {
        PLAIN => EventDetail::None,
        ENTRY => EventDetail::Entry { offset: row.offset, epoch: row.more.into() },
        NOTIFICATIONS => EventDetail::Notifications(row.more.lines().map(notification).collect::<Result<_, _>>()?),
        _ => return Err(Fault::Damaged),
    };
    let body = bytes::Bytes::copy_from_slice(row.body);
    let event = Event { id: row.id.into(), key: row.key.into(), at: time(row.at), body, source: EventSource::Client };
    Ok(OutboxEntry { sequence, node: row.node.into(), event, detail })
}

/// A request to remove events that the broker has confirmed or returned.
struct Remove(Vec<u64>);

impl Request for Remove {
    type Answer = ();

    fn apply(&self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        for sequence in &self.0 {
            tables.changed |= tables.outbox.remove(sequence)?.is_some();
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        64 + 8 * self.0.len()
    }
}

#[async_trait]
impl Outbox for RedbStore {
    async fn lease_outbox(&self, _ttl: Duration) -> Result<bool, StoreError> {
        self.while_open(|_| true)
    }

    async fn read_outbox(&self, after: u64, at_most: usize, wait: Duration) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut wait = Wait::begin(self.shared.reported.subscribe(), wait);
        loop {
            let shared = self.shared.clone();
            let found = self.read_file(move |transaction| read(transaction, &shared.damage, after, at_most)).await?;
            if !found.is_empty() || !wait.again().await {
                return Ok(found);
            }
        }
    }

    async fn remove_from_outbox(&self, sequences: &[u64]) -> Result<(), StoreError> {
        self.submit(Remove(sequences.to_vec())).await
    }

    async fn outbox_status(&self) -> Result<OutboxStatus, StoreError> {
        let overflowed = self.shared.outbox.as_ref().map_or(0, OutboxBound::overflowed);
        self.read_file(move |transaction| {
            let table = transaction.open_table(OUTBOX)?;
            let mut oldest = None;
            for row in table.iter()?.take(OLDEST_ROWS) {
                let (sequence, row) = row?;
                oldest = OutboxRow::decode(sequence.value(), row.value()).ok().map(|row| time(row.at));
                if oldest.is_some() {
                    break;
                }
            }
            Ok(OutboxStatus { entries: table.len()?, oldest, overflowed })
        })
        .await
    }
}
