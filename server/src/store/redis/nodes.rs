//! Nodes in Redis: leases, inboxes, and what nodes that are gone have left behind.

use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::{
    RedisStore,
    fault::Fault,
    millis,
    request::Reply,
    steps,
    stream_id::{id_after, number_of},
};
use crate::store::{Absent, Beat, LeaseHeld, NodeRecord, Nodes, Note, Pulse, Reaped, StoreError, StoreTime};

/// How many sessions and presences one step removes at most.
const REAPED_AT_ONCE: u64 = 200;

#[async_trait]
impl Nodes for RedisStore {
    async fn pulse(&self, beat: Beat) -> Result<Pulse, StoreError> {
        let record = serde_json::to_string(&beat.node).map_err(|_| Fault::Strange)?;
        let read = id_after(beat.read);
        let request = |_: &_| {
            let request = self.link.request(&steps::PULSE).text(&self.node.incarnation);
            let request = request.number(millis(self.lease)).text(&record).text(&read);
            beat.shards.iter().fold(request, |request, shard| request.number(shard.0.into()))
        };
        let (_, mut reply) = self.link.run(&steps::PULSE, request).await?;
        // A pulse always writes.
        self.link.note_written();
        let lease = if reply.number()? == 1 { LeaseHeld::Held } else { LeaseHeld::Anew };
        self.note_pending(reply.number()?);
        let mut notes = reply.list()?;
        let counts = reply.list()?.all(Reply::number)?;
        let time = StoreTime { at: reply.at()?, accepted: reply.number()? };
        let block_revision = reply.number()?;
        let time = Some(time);
        let mut pulse = Pulse { counts, notes: Vec::new(), read: beat.read, lease, time, block_revision };
        while !notes.is_over() {
            pulse.read = number_of(&notes.text()?)?;
            let (version, note) = (notes.number()?, notes.bytes()?);
            // A later version may say more, and nodes of two versions may stand side by side.
            match serde_json::from_slice(&note) {
                Ok(note) if version == u64::from(Note::VERSION) => pulse.notes.push(note),
                _ => tracing::debug!(version, "a note of another version is ignored"),
            }
        }
        Ok(pulse)
    }

    async fn post(&self, node: &str, note: &Note) -> Result<(), StoreError> {
        let note = serde_json::to_string(note).map_err(|_| Fault::Strange)?;
        let request = |_: &_| self.reporting(&steps::POST).text(node).number(Note::VERSION.into()).text(&note);
        self.link.run(&steps::POST, request).await?;
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        let (_, mut reply) = self.link.run(&steps::NODES, |_| self.link.request(&steps::NODES)).await?;
        let record = |reply: &mut Reply| serde_json::from_slice(&reply.bytes()?).map_err(|_| Fault::Strange);
        let mut nodes: Vec<NodeRecord> = reply.list()?.all(record)?;
        nodes.sort_by(|one, other| {
            (&one.id, one.started, &one.incarnation).cmp(&(&other.id, other.started, &other.incarnation))
        });
        Ok(nodes)
    }

    async fn reap(&self) -> Result<Reaped, StoreError> {
        let request = |_: &_| {
            let request = self.reporting(&steps::REAP).text(&self.node.incarnation).moment(self.moment());
            request.number(REAPED_AT_ONCE)
        };
        let (_, mut reply) = self.link.run(&steps::REAP, request).await?;
        self.note_overflow(reply.number()?);
        let (sessions, more) = (reply.number()?, reply.number()? == 1);
        let absent = |reply: &mut Reply| Ok(Absent { clan: reply.id()?, user: reply.id()? });
        Ok(Reaped { sessions, more, absent: reply.list()?.all(absent)? })
    }

    async fn resign(&self) -> Result<(), StoreError> {
        let request = |_: &_| self.link.request(&steps::RESIGN).text(&self.node.incarnation);
        self.link.run(&steps::RESIGN, request).await?;
        Ok(())
    }
}

impl RedisStore {
    /// Notes that events were not written because too many wait.
    pub(super) fn note_overflow(&self, events: u64) {
        self.overflowed.fetch_add(events, Ordering::Relaxed);
    }
}
