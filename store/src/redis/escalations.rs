//! The escalation of notifications in Redis: the index `escalations` of all users, as `pending.lua` describes it.

use async_trait::async_trait;
use realtime_gateway_protocol::{StoredId, Timestamp, UserId};
use redis::{Pipeline, cmd};

use super::{RedisStore, arguments::List, fault::Fault, request::Reply, scripts};
use crate::{
    DueEscalation, DueEscalations, Escalation, Escalations, PageLimit, StoreError,
    copy::{Item, Pages},
};

/// How many events one script writes at most, so that other requests do not wait long for it.
const MAX_EVENTS_PER_SCRIPT: usize = 128;
/// How many rows of the index one request of a copy reads.
const ROWS_PER_REQUEST: usize = 256;

#[async_trait]
impl Escalations for RedisStore {
    async fn due_escalations(&self, limit: PageLimit) -> Result<DueEscalations, StoreError> {
        let (max_entries, max_bytes) = (limit.entries as u64, limit.bytes as u64);
        let read = || scripts::ReadEscalations { now: self.script_time(), max_entries, max_bytes };
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&read())).await?;
        let more = reply.number()? == 1;
        Ok(DueEscalations { due: reply.list()?.all(decode)?, more })
    }

    async fn escalate(&self, escalations: Vec<Escalation>) -> Result<u64, StoreError> {
        let mut escalated = 0;
        for chunk in escalations.chunks(MAX_EVENTS_PER_SCRIPT) {
            let events = chunk.iter().filter_map(|escalation| escalation.event.as_ref());
            self.reserve(chunk.len(), events.map(|event| event.body.len()).sum())?;
            let request = |_: &_| {
                let (outbox, now) = (self.outbox(), self.script_time());
                self.link.request(&scripts::Escalate { outbox, now, escalations: List(chunk) })
            };
            let (_, mut reply) = self.link.run_script(request).await?;
            self.note_overflow(reply.number()?);
            escalated += reply.number()?;
        }
        Ok(escalated)
    }
}

impl RedisStore {
    /// Dumps when notifications are escalated, after the notifications.
    pub(super) async fn dump_escalations(&self, pages: &mut Pages) -> Result<(), Fault> {
        let mut cursor = Some(0);
        while let Some(from) = cursor.take() {
            let mut command = cmd("ZSCAN");
            command.arg(self.key("escalations")).arg(from).arg("COUNT").arg(ROWS_PER_REQUEST);
            let (next, rows): (u64, Vec<(String, u64)>) = self.query(&command).await?;
            cursor = Some(next).filter(|next| *next != 0);
            for (member, due) in rows {
                let (offset, user) = member.split_once(' ').ok_or(Fault::UnexpectedReply)?;
                let user = UserId::from_stored(user).map_err(|_| Fault::UnexpectedReply)?;
                let offset = offset.parse().map_err(|_| Fault::UnexpectedReply)?;
                pages.add(Item::Escalation { user, offset, due: Timestamp::from_millis(due) }).await?;
            }
        }
        Ok(())
    }

    /// Adds the commands that remember when a notification is escalated.
    pub(super) fn write_escalation(&self, writes: &mut Pipeline, (user, offset): (&UserId, u64), due: Timestamp) {
        writes.cmd("ZADD").arg(self.key("escalations")).arg(due.millis()).arg(format!("{offset} {user}"));
        writes.cmd("HSET").arg(self.key(&format!("user:{user}"))).arg("e").arg(1);
    }
}

/// Decodes user, offset, time, id and body.
fn decode(reply: &mut Reply) -> Result<DueEscalation, Fault> {
    let user = UserId::from_stored(&reply.text()?).map_err(|_| Fault::UnexpectedReply)?;
    Ok(DueEscalation { user, offset: reply.number()?, at: reply.at()?, id: reply.id()?, body: reply.bytes()? })
}
