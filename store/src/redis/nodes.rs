//! Nodes in Redis: leases, mailboxes, and the removal of sessions and presence of stopped nodes.

use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::{
    RedisStore,
    arguments::{Digits, List},
    fault::Fault,
    millis,
    request::Reply,
    scripts,
    stream_id::{id_after, number_of},
};
use crate::{
    Absent, ControlMessage, LeaseRenewal, NodeRecord, Nodes, Reaped, ReconcileRequest, Reconciled, StoreError,
    StoreTime,
};

/// How many sessions and presences one script removes at most.
const MAX_REAPED_PER_SCRIPT: u64 = 200;

#[async_trait]
impl Nodes for RedisStore {
    async fn reconcile(&self, request: ReconcileRequest) -> Result<Reconciled, StoreError> {
        let record = serde_json::to_string(&request.node).map_err(|_| Fault::UnexpectedReply)?;
        let read = id_after(request.read);
        let reconcile = || scripts::Reconcile {
            incarnation: &self.node.incarnation,
            lease: Digits(millis(self.lease)),
            record: &record,
            read: &read,
            shards: List(&request.shards),
        };
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&reconcile())).await?;
        // A reconciliation always writes, so its success shows that the server accepts writes.
        self.link.note_written();
        let lease = if reply.number()? == 1 { LeaseRenewal::Renewed } else { LeaseRenewal::Acquired };
        self.note_pending(reply.number()?);
        let mut control_messages = reply.list()?;
        let counts = reply.list()?.all(Reply::number)?;
        let time = StoreTime { at: reply.at()?, accepted: reply.number()? };
        let block_revision = reply.number()?;
        let time = Some(time);
        let mut reconciled =
            Reconciled { counts, control_messages: Vec::new(), read: request.read, lease, time, block_revision };
        while !control_messages.is_empty() {
            reconciled.read = number_of(&control_messages.text()?)?;
            let (version, message) = (control_messages.number()?, control_messages.bytes()?);
            if !self.membership.note_read(reconciled.read) {
                // It was announced, and is delivered already.
                continue;
            }
            // Nodes of two versions may run at the same time, and a later version may send other messages.
            match serde_json::from_slice(&message) {
                Ok(message) if version == u64::from(ControlMessage::VERSION) => {
                    reconciled.control_messages.push(message)
                }
                _ => tracing::debug!(version, "a control message of another version is ignored"),
            }
        }
        Ok(reconciled)
    }

    async fn post(&self, node: &str, message: &ControlMessage) -> Result<(), StoreError> {
        let message = serde_json::to_string(message).map_err(|_| Fault::UnexpectedReply)?;
        let version = ControlMessage::VERSION.into();
        let post =
            || scripts::Post { database: &self.database, node_id: node, version: Digits(version), message: &message };
        self.link.run_script(|_| self.link.request(&post())).await?;
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&scripts::ReadNodes {})).await?;
        let record = |reply: &mut Reply| serde_json::from_slice(&reply.bytes()?).map_err(|_| Fault::UnexpectedReply);
        let mut nodes: Vec<NodeRecord> = reply.list()?.all(record)?;
        nodes.sort_by(|one, other| {
            (&one.id, one.started, &one.incarnation).cmp(&(&other.id, other.started, &other.incarnation))
        });
        Ok(nodes)
    }

    async fn reap(&self) -> Result<Reaped, StoreError> {
        let reap = || scripts::Reap {
            outbox: self.outbox(),
            incarnation: &self.node.incarnation,
            now: self.script_time(),
            max_rows: MAX_REAPED_PER_SCRIPT,
        };
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&reap())).await?;
        self.note_overflow(reply.number()?);
        let (sessions, more) = (reply.number()?, reply.number()? == 1);
        let absent = |reply: &mut Reply| {
            let topic = reply.text()?.parse().map_err(|_| Fault::UnexpectedReply)?;
            Ok(Absent { topic, user: reply.id()? })
        };
        Ok(Reaped { sessions, more, absent: reply.list()?.all(absent)? })
    }

    async fn resign(&self) -> Result<(), StoreError> {
        let incarnation = &self.node.incarnation;
        self.link.run_script(|_| self.link.request(&scripts::Resign { incarnation })).await?;
        Ok(())
    }
}

impl RedisStore {
    /// Counts events that were not written because the outbox was full.
    pub(super) fn note_overflow(&self, events: u64) {
        self.overflowed.fetch_add(events, Ordering::Relaxed);
    }
}
