//! The escalation of notifications in Redis: the index `escalations` of all users, as `pending.lua` describes it.

use async_trait::async_trait;
use realtime_gateway_protocol::{StoredId, Timestamp, UserId};
use redis::{Pipeline, cmd};

use super::{RedisStore, arguments::List, fault::Fault, request::Reply, scripts};
use crate::{
    DueEscalation, DueEscalations, Escalation, EscalationState, Escalations, PageLimit, StoreError,
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

    async fn escalate(&self, escalations: Vec<Escalation>) -> Result<Vec<bool>, StoreError> {
        let mut written = Vec::new();
        for chunk in escalations.chunks(MAX_EVENTS_PER_SCRIPT) {
            let events = chunk.iter().filter_map(|escalation| escalation.event.as_ref());
            self.reserve(chunk.len(), events.map(|event| event.body.len()).sum())?;
            let request = |_: &_| {
                let (outbox, now) = (self.outbox(), self.script_time());
                self.link.request(&scripts::Escalate { outbox, now, escalations: List(chunk) })
            };
            let (_, mut reply) = self.link.run_script(request).await?;
            self.note_overflow(reply.number()?);
            written.extend(reply.list()?.all(|reply| Ok(reply.number()? == 1))?);
        }
        Ok(written)
    }

    async fn escalations_of(&self, user: &UserId, offsets: &[u64]) -> Result<Vec<Option<EscalationState>>, StoreError> {
        let offsets: Vec<String> = offsets.iter().map(u64::to_string).collect();
        let (user_id, now) = (user.as_str(), self.script_time());
        let request = |_: &_| self.link.request(&scripts::EscalationsOf { user_id, now, offsets: List(&offsets) });
        let (_, mut reply) = self.link.run_script(request).await?;
        Ok(reply.list()?.all(|reply| {
            let (is_reported, due) = (reply.number()? == 1, reply.at()?);
            let state = if is_reported { EscalationState::Reported(due) } else { EscalationState::Due(due) };
            Ok(Some(state).filter(|_| due.millis() > 0))
        })?)
    }
}

impl RedisStore {
    /// Dumps which notifications of a user were escalated, after the notifications.
    pub(super) async fn dump_escalated(&self, user: &UserId, pages: &mut Pages) -> Result<(), Fault> {
        let mut command = cmd("HGETALL");
        let rows: Vec<(u64, u64)> = self.query(command.arg(self.key(&format!("escalated:{user}")))).await?;
        for (offset, due) in rows {
            let state = EscalationState::Reported(Timestamp::from_millis(due));
            pages.add(Item::Escalation { user: user.clone(), offset, state }).await?;
        }
        Ok(())
    }

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
                let state = EscalationState::Due(Timestamp::from_millis(due));
                pages.add(Item::Escalation { user, offset, state }).await?;
            }
        }
        Ok(())
    }

    /// Adds the commands that remember the escalation of a notification.
    pub(super) fn write_escalation(
        &self,
        writes: &mut Pipeline,
        (user, offset): (&UserId, u64),
        state: EscalationState,
    ) {
        match state {
            EscalationState::Due(due) => {
                writes.cmd("ZADD").arg(self.key("escalations")).arg(due.millis()).arg(format!("{offset} {user}"));
            }
            EscalationState::Reported(due) => {
                writes.cmd("HSET").arg(self.key(&format!("escalated:{user}"))).arg(offset).arg(due.millis());
            }
        }
        writes.cmd("HSET").arg(self.key(&format!("user:{user}"))).arg("e").arg(1);
    }
}

/// Decodes user, offset, time, id and body.
fn decode(reply: &mut Reply) -> Result<DueEscalation, Fault> {
    let user = UserId::from_stored(&reply.text()?).map_err(|_| Fault::UnexpectedReply)?;
    Ok(DueEscalation { user, offset: reply.number()?, at: reply.at()?, id: reply.id()?, body: reply.bytes()? })
}
