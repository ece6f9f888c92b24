//! Sessions of a store with readers of events. Admission is decided in memory. The file records the open sessions, so that each is
//! reported as opened once and as closed once even if the process is killed.

use async_trait::async_trait;
use realtime_gateway_protocol::{CloseCode, DeviceId, SessionId, StoredId, Timestamp, UserId};
use redb::ReadableTable;

use super::{
    RedbStore,
    fault::Fault,
    format::{OpenSessionRow, time},
    operation::Request,
    outbox,
    tables::Tables,
};
use crate::{
    Admission, ConnectedUsers, EventDetail, SessionPolicy, SessionRecord, Sessions, StoreError, UserPage,
    session_events,
};

/// A request to record an opened session and the sessions that it replaces.
struct Opened {
    record: SessionRecord,
    evicted: Vec<SessionId>,
    at: Timestamp,
}

/// A request to remove a closed session.
struct Closed {
    session: SessionId,
    code: CloseCode,
    at: Timestamp,
}

impl Request for Opened {
    type Answer = ();

    fn apply(&self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        for old in &self.evicted {
            close(tables, old.as_str(), CloseCode::REPLACED, self.at)?;
        }
        let SessionRecord { id, user, device, since, .. } = &self.record;
        let device_name = device.as_ref().map_or("", DeviceId::as_str);
        let row = OpenSessionRow { since: since.millis(), user: user.as_str(), device: device_name };
        tables.open_sessions.insert(id.as_str(), row.encode(id.as_str()).as_slice())?;
        tables.changed = true;
        outbox::write(tables, &session_events::opened(user, id, device.as_ref(), *since), &EventDetail::None)
    }

    fn bytes(&self) -> usize {
        512 + 128 * self.evicted.len()
    }
}

impl Request for Closed {
    type Answer = ();

    fn apply(&self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        close(tables, self.session.as_str(), self.code, self.at)
    }

    fn bytes(&self) -> usize {
        256
    }
}

/// Removes a session and reports that it was closed, unless it was removed before.
fn close(tables: &mut Tables<'_>, session: &str, code: CloseCode, at: Timestamp) -> Result<(), Fault> {
    let row = match tables.open_sessions.remove(session)? {
        Some(row) => OpenSessionRow::decode(session, row.value()).and_then(|row| {
            let user = UserId::from_stored(row.user).map_err(|_| Fault::Damaged)?;
            Ok((user, SessionId::from_stored(session).map_err(|_| Fault::Damaged)?, time(row.since)))
        }),
        None => return Ok(()),
    };
    tables.changed = true;
    let Ok((user, session, since)) = row else {
        // The row is damaged, so the user of the session is not known and the end cannot be reported.
        tables.damage.record("session", &session, 1);
        return Ok(());
    };
    outbox::write(tables, &session_events::closed(&user, &session, since, code, at), &EventDetail::None)
}

/// Reports the sessions of a process that was killed. Their connections ended without a close frame.
pub(super) fn close_all(tables: &mut Tables<'_>, at: Timestamp) -> Result<(), Fault> {
    let left: Vec<String> = {
        let rows = tables.open_sessions.iter()?;
        rows.map(|row| Ok(row?.0.value().to_owned())).collect::<Result<_, Fault>>()?
    };
    if !left.is_empty() {
        tracing::warn!(sessions = left.len(), "the last process was killed; its sessions are reported as closed");
    }
    left.iter().try_for_each(|session| close(tables, session, CloseCode::ABNORMAL, at))
}

impl RedbStore {
    /// Decides about a session in memory and queues the result for the file. The lock covers both, so that the file gets
    /// the results in the order of the decisions. It does not cover the wait for the commit.
    async fn admit(
        &self,
        record: SessionRecord,
        decide: impl FnOnce(&SessionRecord) -> Admission,
    ) -> Result<Admission, StoreError> {
        let (admission, written) = {
            let _order = self.session_order.lock();
            let now = self.clock.now();
            let admission = self.while_open(|node| node.admit(&record, now, || decide(&record)))?;
            let written = match &admission {
                Admission::Admitted(evicted) if self.shared.has_event_readers() => {
                    let evicted = evicted.iter().map(|old| old.id.clone()).collect();
                    Some(self.queue(Opened { record, evicted, at: self.clock.now() })?)
                }
                _ => None,
            };
            (admission, written)
        };
        if let Some(written) = written {
            self.committed(written).await?;
        }
        Ok(admission)
    }
}

#[async_trait]
impl Sessions for RedbStore {
    async fn open_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError> {
        self.admit(record, |record| self.node.sessions.open(record.clone(), policy)).await
    }

    async fn restore_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError> {
        let live = self.while_open(|node| node.sessions.of(&record.user))?;
        let is_free = self.node.blocks.blocking(&record.user, &record.token, self.clock.now()).is_none();
        if is_free && live.iter().any(|other| other.id == record.id) {
            return Ok(Admission::Admitted(Vec::new()));
        }
        self.admit(record, |record| self.node.sessions.restore(record.clone(), policy)).await
    }

    async fn close_session(&self, user: &UserId, session: &SessionId, code: CloseCode) -> Result<(), StoreError> {
        let written = {
            let _order = self.session_order.lock();
            self.while_open(|node| node.sessions.close(user, session))?;
            if !self.shared.has_event_readers() {
                return Ok(());
            }
            // Do this even if the session is not in memory any more: an earlier write to the file may have failed.
            self.queue(Closed { session: session.clone(), code, at: self.clock.now() })?
        };
        self.committed(written).await
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, StoreError> {
        self.while_open(|node| node.sessions.of(user))
    }

    async fn connected_users(&self, page: UserPage) -> Result<ConnectedUsers, StoreError> {
        self.while_open(|node| node.sessions.users(&page))
    }
}
