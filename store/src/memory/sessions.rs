//! Sessions in memory. They are lost when the process ends.

use async_trait::async_trait;
use realtime_gateway_protocol::{CloseCode, SessionId, UserId};

use super::{MemoryStore, State};
use crate::{
    Admission, ConnectedUsers, EventDetail, SessionPolicy, SessionRecord, Sessions, StoreError, UserPage,
    session_events,
};

impl MemoryStore {
    /// Reports that a session replaced others.
    fn report_admission(&self, state: &mut State, record: &SessionRecord, admission: &Admission) {
        let Admission::Admitted(evicted) = admission else { return };
        let now = self.clock.now();
        let closed = evicted.iter().map(|old| {
            (session_events::closed(&old.user, &old.id, old.since, CloseCode::REPLACED, now), EventDetail::None)
        });
        let opened = session_events::opened(&record.user, &record.id, record.device.as_ref(), record.since);
        self.report(state, closed.chain([(opened, EventDetail::None)]));
    }
}

#[async_trait]
impl Sessions for MemoryStore {
    async fn open_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError> {
        self.step(|state| {
            let open = || self.node.sessions.open(record.clone(), policy);
            let admission = self.node.admit(&record, self.clock.now(), open);
            self.report_admission(state, &record, &admission);
            Ok(admission)
        })
    }

    async fn restore_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError> {
        self.step(|state| {
            let is_there = self.node.sessions.of(&record.user).iter().any(|live| live.id == record.id);
            if is_there && self.node.blocks.blocking(&record.user, &record.token, self.clock.now()).is_none() {
                return Ok(Admission::Admitted(Vec::new()));
            }
            let restore = || self.node.sessions.restore(record.clone(), policy);
            let admission = self.node.admit(&record, self.clock.now(), restore);
            self.report_admission(state, &record, &admission);
            Ok(admission)
        })
    }

    async fn close_session(&self, user: &UserId, session: &SessionId, code: CloseCode) -> Result<(), StoreError> {
        self.step(|state| {
            if let Some(old) = self.node.sessions.close(user, session) {
                let closed = session_events::closed(user, session, old.since, code, self.clock.now());
                self.report(state, [(closed, EventDetail::None)]);
            }
            Ok(())
        })
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, StoreError> {
        self.while_open(|node| node.sessions.of(user))
    }

    async fn connected_users(&self, page: UserPage) -> Result<ConnectedUsers, StoreError> {
        self.while_open(|node| node.sessions.users(&page))
    }
}
