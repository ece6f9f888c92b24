//! The escalation of notifications in memory.

use async_trait::async_trait;
use realtime_gateway_protocol::UserId;

use super::{MemoryStore, State, pending::PendingRow};
use crate::{
    DueEscalation, DueEscalations, Escalation, Escalations, EventDetail, PageLimit, StoreError, page::PageBudget,
};

impl State {
    /// Removes a notification that is not pending any more from the indexes by time.
    pub(super) fn forget_times(&mut self, user: &UserId, offset: u64, row: &PendingRow) {
        self.expiries.remove(&(row.expires, user.clone(), offset));
        if let Some(due) = row.escalate_at {
            self.escalations.remove(&(due, user.clone(), offset));
        }
    }
}

#[async_trait]
impl Escalations for MemoryStore {
    async fn due_escalations(&self, limit: PageLimit) -> Result<DueEscalations, StoreError> {
        let now = self.clock.now();
        self.step(|state| {
            let (mut budget, mut found) = (PageBudget::new(limit), DueEscalations::default());
            for (_, user, offset) in state.escalations.iter().take_while(|(due, ..)| *due <= now) {
                let row = state.users.get(user).and_then(|notifications| notifications.get(*offset));
                let Some(row) = row.filter(|row| row.expires > now) else { continue };
                if !budget.take(row.body.len()) {
                    found.more = true;
                    break;
                }
                let (user, id, body) = (user.clone(), row.id.clone(), row.body.clone());
                found.due.push(DueEscalation { user, offset: *offset, id, at: row.at, body });
            }
            Ok(found)
        })
    }

    async fn escalate(&self, escalations: Vec<Escalation>) -> Result<u64, StoreError> {
        let now = self.clock.now();
        self.step(|state| {
            let bytes = escalations
                .iter()
                .filter_map(|escalation| escalation.event.as_ref())
                .map(|event| event.body.len())
                .sum();
            self.reserve(state, bytes)?;
            let mut events = Vec::new();
            for Escalation { user, offset, event } in escalations {
                let Some(notifications) = state.users.get_mut(&user) else { continue };
                let Some(row) = notifications.get(offset) else { continue };
                let Some(due) = row.escalate_at.filter(|due| *due <= now && row.expires > now) else { continue };
                notifications.forget_escalation(offset);
                state.escalations.remove(&(due, user, offset));
                events.extend(event.map(|event| (event, EventDetail::None)));
            }
            let escalated = events.len() as u64;
            self.report(state, events);
            Ok(escalated)
        })
    }
}
