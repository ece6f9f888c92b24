//! The escalation of notifications in memory.

use async_trait::async_trait;
use realtime_gateway_protocol::UserId;

use super::{MemoryStore, State, pending::PendingRow};
use crate::{
    DueEscalation, DueEscalations, Escalation, EscalationState, Escalations, EventDetail, PageLimit, StoreError,
    page::PageBudget,
};

/// How many notifications that have expired one step skips.
const MAX_EXPIRED: usize = 500;

impl State {
    /// Removes a notification that is not pending any more from the indexes by time.
    pub(super) fn forget_times(&mut self, user: &UserId, offset: u64, row: &PendingRow) {
        self.expiries.remove(&(row.expires, user.clone(), offset));
        if let Some(EscalationState::Due(due)) = row.escalation {
            self.escalations.remove(&(due, user.clone(), offset));
        }
    }
}

#[async_trait]
impl Escalations for MemoryStore {
    async fn due_escalations(&self, limit: PageLimit) -> Result<DueEscalations, StoreError> {
        let now = self.clock.now();
        self.step(|state| {
            let (mut budget, mut found, mut expired) = (PageBudget::new(limit), DueEscalations::default(), Vec::new());
            for key in state.escalations.iter().take_while(|(due, ..)| *due <= now) {
                let (_, user, offset) = key;
                let row = state.users.get(user).and_then(|notifications| notifications.get(*offset));
                let Some(row) = row.filter(|row| row.expires > now) else {
                    // The next step does not read it again.
                    expired.push(key.clone());
                    if expired.len() == MAX_EXPIRED {
                        found.more = true;
                        break;
                    }
                    continue;
                };
                if !budget.take(row.body.len()) {
                    found.more = true;
                    break;
                }
                let (user, id, body) = (user.clone(), row.id.clone(), row.body.clone());
                found.due.push(DueEscalation { user, offset: *offset, id, at: row.at, body });
            }
            for key in &expired {
                state.escalations.remove(key);
            }
            Ok(found)
        })
    }

    async fn escalate(&self, escalations: Vec<Escalation>) -> Result<Vec<bool>, StoreError> {
        let now = self.clock.now();
        self.step(|state| {
            let bytes = escalations
                .iter()
                .filter_map(|escalation| escalation.event.as_ref())
                .map(|event| event.body.len())
                .sum();
            self.reserve(state, bytes)?;
            let (mut events, mut written) = (Vec::new(), vec![false; escalations.len()]);
            for (Escalation { user, offset, event }, written) in escalations.into_iter().zip(&mut written) {
                let Some(notifications) = state.users.get_mut(&user) else { continue };
                let Some(row) = notifications.get(offset) else { continue };
                let Some(EscalationState::Due(due)) = row.escalation else { continue };
                if due > now || row.expires <= now {
                    continue;
                }
                *written = event.is_some();
                notifications.set_escalation(offset, event.as_ref().map(|_| EscalationState::Reported(due)));
                state.escalations.remove(&(due, user, offset));
                events.extend(event.map(|event| (event, EventDetail::None)));
            }
            self.report(state, events);
            Ok(written)
        })
    }

    async fn escalations_of(&self, user: &UserId, offsets: &[u64]) -> Result<Vec<Option<EscalationState>>, StoreError> {
        let now = self.clock.now();
        self.step(|state| {
            let notifications = state.users.get(user);
            let row = |offset: &u64| notifications?.get(*offset).filter(|row| row.expires > now)?.escalation;
            Ok(offsets.iter().map(row).collect())
        })
    }
}
