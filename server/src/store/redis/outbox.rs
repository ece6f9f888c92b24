//! The outbox in Redis: a stream that every node writes and one reads.

use std::{sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use realtime_gateway_protocol::Timestamp;
use redis::{Value, cmd};
use tokio::time::sleep;

use super::{
    RedisStore,
    fault::Fault,
    millis,
    request::Reply,
    steps,
    stream_id::{id_of, number_of},
};
use crate::store::{Event, EventDetail, Outbox, OutboxEntry, OutboxStatus, StoreError};

#[async_trait]
impl Outbox for RedisStore {
    async fn lease_outbox(&self, ttl: Duration) -> Result<bool, StoreError> {
        let request = |_: &_| self.link.request(&steps::LEASE_OUTBOX).text(&self.node.incarnation).number(millis(ttl));
        Ok(self.link.run(&steps::LEASE_OUTBOX, request).await?.1.number()? == 1)
    }

    async fn release_outbox(&self) -> Result<(), StoreError> {
        // Whoever holds it lets it end; whoever does not changes nothing.
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
        // On a connection of its own, because whoever shares it would wait as well.
        let mut ask = cmd("XREAD");
        ask.arg("COUNT").arg(1).arg("BLOCK").arg(millis(wait)).arg("STREAMS").arg(self.key("outbox")).arg(id_of(after));
        let came = self.link.wait(&ask, wait).await?;
        if came == Value::Nil { Ok(Vec::new()) } else { Ok(self.read_events(after, at_most).await?) }
    }

    async fn remove_from_outbox(&self, sequences: &[u64]) -> Result<(), StoreError> {
        // Not too many at once, so that nobody waits long.
        for some in sequences.chunks(500) {
            let request = |_: &_| {
                let request = self.link.request(&steps::REMOVE_FROM_OUTBOX);
                some.iter().fold(request, |request, sequence| request.text(&id_of(*sequence)))
            };
            self.link.run(&steps::REMOVE_FROM_OUTBOX, request).await?;
        }
        Ok(())
    }

    async fn outbox_status(&self) -> Result<OutboxStatus, StoreError> {
        let request = |_: &_| self.link.request(&steps::OUTBOX_STATUS);
        let (_, mut reply) = self.link.run(&steps::OUTBOX_STATUS, request).await?;
        let entries = reply.number()?;
        let oldest = reply.text()?.parse().ok().map(Timestamp::from_millis);
        Ok(OutboxStatus { entries, oldest, overflowed: self.overflowed.load(Ordering::Relaxed) })
    }
}

impl RedisStore {
    pub(super) async fn read_events(&self, after: u64, at_most: usize) -> Result<Vec<OutboxEntry>, Fault> {
        let after = id_of(after);
        let request = |_: &_| self.link.request(&steps::READ_OUTBOX).text(&after).number(at_most as u64);
        self.link.run(&steps::READ_OUTBOX, request).await?.1.list()?.all(entry)
    }
}

/// What the store knows of an event, as its kind and a text.
pub(super) fn detail_of(detail: &EventDetail) -> (&'static str, String) {
    match detail {
        EventDetail::None => ("none", String::new()),
        EventDetail::Entry { offset, epoch } => ("entry", format!("{offset} {epoch}")),
        // A list of texts can always be written.
        EventDetail::Notifications(ids) => ("notifications", serde_json::to_string(ids).unwrap_or_default()),
    }
}

/// `[id, [n, node, i, id, k, key, t, at, b, body, d, kind, v, value]]`
fn entry(reply: &mut Reply) -> Result<OutboxEntry, Fault> {
    let mut row = reply.list()?;
    let sequence = number_of(&row.text()?)?;
    let mut fields = row.list()?;
    let mut field = || {
        fields.bytes()?;
        fields.bytes()
    };
    let (node, id, key, at, body, kind, detail) =
        (field()?, field()?, field()?, field()?, field()?, field()?, field()?);
    let text = |bytes: &bytes::Bytes| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Fault::Strange);
    let detail = text(&detail)?;
    let detail = match &kind[..] {
        b"entry" => {
            let (offset, epoch) = detail.split_once(' ').ok_or(Fault::Strange)?;
            EventDetail::Entry { offset: offset.parse().map_err(|_| Fault::Strange)?, epoch: epoch.into() }
        }
        b"notifications" => EventDetail::Notifications(serde_json::from_str(&detail).map_err(|_| Fault::Strange)?),
        _ => EventDetail::None,
    };
    let at = Timestamp::from_millis(text(&at)?.parse().map_err(|_| Fault::Strange)?);
    let event = Event { id: text(&id)?.into(), key: text(&key)?.into(), at, body };
    Ok(OutboxEntry { sequence, node: text(&node)?.into(), event, detail })
}
