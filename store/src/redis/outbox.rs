//! The outbox in Redis: a stream that every node writes to, and the node with its lease reads.

use std::{sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use realtime_gateway_protocol::Timestamp;
use redis::{Value, cmd};
use tokio::time::sleep;

use super::{
    RedisStore,
    arguments::{Digits, List},
    fault::Fault,
    millis,
    request::Reply,
    scripts,
    stream_id::{id_of, number_of},
};
use crate::{Event, EventDetail, EventSource, Outbox, OutboxEntry, OutboxStatus, StoreError};

/// How many events one script removes at most.
const MAX_REMOVED_PER_SCRIPT: usize = 500;

#[async_trait]
impl Outbox for RedisStore {
    async fn lease_outbox(&self, ttl: Duration) -> Result<bool, StoreError> {
        let lease = || scripts::LeaseOutbox { incarnation: &self.node.incarnation, lease: Digits(millis(ttl)) };
        Ok(self.link.run_script(|_| self.link.request(&lease())).await?.1.number()? == 1)
    }

    async fn release_outbox(&self) -> Result<(), StoreError> {
        // If this node holds the lease, the lease ends now; otherwise nothing changes.
        self.lease_outbox(Duration::from_millis(1)).await.map(drop)
    }

    async fn read_outbox(&self, after: u64, at_most: usize, wait: Duration) -> Result<Vec<OutboxEntry>, StoreError> {
        let events = self.read_events(after, at_most).await?;
        if !events.is_empty() || wait.is_zero() {
            return Ok(events);
        }
        if self.max_events.is_empty() {
            sleep(wait).await;
            return Ok(Vec::new());
        }
        // On a connection of its own: a blocking command would delay all requests on the shared connection.
        let mut command = cmd("XREAD");
        command
            .arg("COUNT")
            .arg(1)
            .arg("BLOCK")
            .arg(millis(wait))
            .arg("STREAMS")
            .arg(self.key("outbox"))
            .arg(id_of(after));
        let reply = self.link.send_blocking(&command, wait).await?;
        if reply == Value::Nil { Ok(Vec::new()) } else { Ok(self.read_events(after, at_most).await?) }
    }

    async fn remove_from_outbox(&self, sequences: &[u64]) -> Result<(), StoreError> {
        // In chunks, so that other requests do not wait long.
        for chunk in sequences.chunks(MAX_REMOVED_PER_SCRIPT) {
            let ids: Vec<String> = chunk.iter().map(|sequence| id_of(*sequence)).collect();
            self.link.run_script(|_| self.link.request(&scripts::RemoveFromOutbox { ids: List(&ids) })).await?;
        }
        Ok(())
    }

    async fn outbox_status(&self) -> Result<OutboxStatus, StoreError> {
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&scripts::ReadOutboxStatus {})).await?;
        let entries = reply.number()?;
        let oldest = reply.text()?.parse().ok().map(Timestamp::from_millis);
        Ok(OutboxStatus { entries, oldest, overflowed: self.overflowed.load(Ordering::Relaxed) })
    }
}

impl RedisStore {
    pub(super) async fn read_events(&self, after: u64, at_most: usize) -> Result<Vec<OutboxEntry>, Fault> {
        let after = id_of(after);
        let read = || scripts::ReadOutbox { after: &after, max_events: Digits(at_most as u64) };
        self.link.run_script(|_| self.link.request(&read())).await?.1.list()?.all(decode_entry)
    }
}

/// Returns the detail of an event as it is stored: its kind and a text.
pub(super) fn detail_of(detail: &EventDetail) -> (&'static str, String) {
    match detail {
        EventDetail::None => ("none", String::new()),
        EventDetail::Entry { offset, epoch } => ("entry", format!("{offset} {epoch}")),
        // Serializing a list of texts cannot fail.
        EventDetail::Notifications(ids) => ("notifications", serde_json::to_string(ids).unwrap_or_default()),
    }
}

/// Decodes `[id, [n, node, i, id, k, key, t, at, b, body, d, kind, v, value]]`.
fn decode_entry(reply: &mut Reply) -> Result<OutboxEntry, Fault> {
    let mut row = reply.list()?;
    let sequence = number_of(&row.text()?)?;
    decode_event(sequence, &mut row.list()?)
}

/// Decodes the fields of an event. Leaves those that follow them.
pub(super) fn decode_event(sequence: u64, fields: &mut Reply) -> Result<OutboxEntry, Fault> {
    let mut field = || {
        fields.bytes()?;
        fields.bytes()
    };
    let (node, id, key, at, body, kind, detail) =
        (field()?, field()?, field()?, field()?, field()?, field()?, field()?);
    let text = |bytes: &bytes::Bytes| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Fault::UnexpectedReply);
    let detail = text(&detail)?;
    let detail = match &kind[..] {
        b"entry" => {
            let (offset, epoch) = detail.split_once(' ').ok_or(Fault::UnexpectedReply)?;
            EventDetail::Entry { offset: offset.parse().map_err(|_| Fault::UnexpectedReply)?, epoch: epoch.into() }
        }
        b"notifications" => {
            EventDetail::Notifications(serde_json::from_str(&detail).map_err(|_| Fault::UnexpectedReply)?)
        }
        _ => EventDetail::None,
    };
    let at = Timestamp::from_millis(text(&at)?.parse().map_err(|_| Fault::UnexpectedReply)?);
    let event = Event { id: text(&id)?.into(), key: text(&key)?.into(), at, body, source: EventSource::Client };
    Ok(OutboxEntry { sequence, node: text(&node)?.into(), event, detail })
}
