//! Sessions of a store that has an outbox: who lives is decided in memory, and the file remembers who is open, so that
//! each is reported as opened once and as closed once, also when the process was killed.

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
use crate::store::{Admission, EventDetail, SessionPolicy, SessionRecord, Sessions, StoreError, session_events};

/// A session begins, and takes the places of others.
struct Opened {
    record: SessionRecord,
    evicted: Vec<SessionId>,
    at: Timestamp,
}

/// A session ends.
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

/// Removes a session and reports its end, unless that was done before.
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
        // It is gone, and of whom it was cannot be reported.
        tables.damage.note("session", &session, 1);
        return Ok(());
    };
    outbox::write(tables, &session_events::closed(&user, &session, since, code, at), &EventDetail::None)
}

/// Reports the sessions of a process that was killed. Their connections are gone without a close frame.
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
    /// Admits in memory, and has the file follow. Decisions and what is written of them are in one order, because the
    /// lock covers both; it does not cover the wait for the commit.
    async fn admit(
        &self,
        record: SessionRecord,
        decide: impl FnOnce(&SessionRecord) -> Admission,
    ) -> Result<Admission, StoreError> {
        let (admission, written) = {
            let _order = self.session_order.lock();
            let now = self.clock.now();
            let admission = self.while_open(|alone| alone.admit(&record, now, || decide(&record)))?;
            let written = match &admission {
                Admission::Admitted(evicted) if self.shared.outbox.is_some() => {
                    let evicted = evicted.iter().map(|old| old.id.clone()).collect();
                    Some(self.queue(Opened { record, evicted, at: self.clock.now() })?)
                }
                _ => None,
            };
            (admission, written)
        };
        if let Some(written) = written {
            self.written(written).await?;
        }
        Ok(admission)
    }
}

#[async_trait]
impl Sessions for RedbStore {
    async fn open_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError> {
        self.admit(record, |record| self.alone.sessions.open(record.clone(), policy)).await
    }

    async fn restore_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError> {
        let live = self.while_open(|alone| alone.sessions.of(&record.user))?;
        let is_free = self.alone.blocks.blocking(&record.user, &record.token, self.clock.now()).is_none();
        if is_free && live.iter().any(|other| other.id == record.id) {
            return Ok(Admission::Admitted(Vec::new()));
        }
        self.admit(record, |record| self.alone.sessions.restore(record.clone(), policy)).await
    }

    async fn close_session(&self, user: &UserId, session: &SessionId, code: CloseCode) -> Result<(), StoreError> {
        let written = {
            let _order = self.session_order.lock();
            self.while_open(|alone| alone.sessions.close(user, session))?;
            match self.shared.outbox {
                // Also when memory knows it no longer: the file may not have been written then.
                Some(_) => self.queue(Closed { session: session.clone(), code, at: self.clock.now() })?,
                None => return Ok(()),
            }
        };
        self.written(written).await
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, StoreError> {
        self.while_open(|alone| alone.sessions.of(user))
    }
}
