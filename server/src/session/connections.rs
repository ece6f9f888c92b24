//! The open connections of this node, with or without a session. A graceful shutdown closes all of them, including
//! those of clients that authenticate late or not at all.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use realtime_gateway_protocol::{CloseCode, ReconnectHint, ReconnectReason};
use tokio::time::{Instant, sleep_until};

use crate::{
    delivery::{frame::Frame, outbound::Outbound},
    runtime::{backoff::random_share, tasks::Tasks},
};

/// Identifies a connection within this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(u64);

/// The open connections.
pub struct Connections {
    table: Mutex<Table>,
    tasks: Tasks,
}

#[derive(Default)]
struct Table {
    open: HashMap<ConnectionId, Open>,
    last: u64,
    /// When the last connections are closed. `None` until a drain begins to close connections.
    closed_by: Option<Instant>,
}

struct Open {
    outbound: Arc<Outbound>,
    /// Whether the connection has a session.
    has_session: bool,
}

/// Whether a connection has a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HasSession {
    /// It has no session, or none yet.
    No,
    /// It has a session.
    Yes,
}

/// A connection and the time at which a drain closes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScheduledClose {
    pub(crate) id: ConnectionId,
    pub(crate) at: Instant,
}

impl Connections {
    /// Creates an empty table. `tasks` runs the timers of connections that open after a drain has begun.
    pub fn new(tasks: Tasks) -> Self {
        Self { table: Mutex::default(), tasks }
    }

    /// Adds a connection, which has no session yet. During a drain it also returns when the connection has to be
    /// closed.
    pub(crate) fn add(&self, outbound: Arc<Outbound>) -> (ConnectionId, Option<ScheduledClose>) {
        let mut table = self.table.lock();
        table.last += 1;
        let id = ConnectionId(table.last);
        table.open.insert(id, Open { outbound, has_session: false });
        (id, table.closed_by.map(|at| ScheduledClose { id, at }))
    }

    /// Returns the outbound queue of every connection, and whether the connection has a session.
    pub(crate) fn queues(&self) -> Vec<(Arc<Outbound>, HasSession)> {
        let table = self.table.lock();
        let has_session = |open: &Open| if open.has_session { HasSession::Yes } else { HasSession::No };
        table.open.values().map(|open| (Arc::clone(&open.outbound), has_session(open))).collect()
    }

    /// Removes a connection that has ended.
    pub(crate) fn remove(&self, id: ConnectionId) {
        self.table.lock().open.remove(&id);
    }

    /// Marks a connection as having a session. During a drain this sends the client the time at which the connection
    /// closes, and returns it.
    pub(crate) fn session_opened(&self, id: ConnectionId) -> Option<ScheduledClose> {
        let mut table = self.table.lock();
        let closed_by = table.closed_by;
        let open = table.open.get_mut(&id)?;
        open.has_session = true;
        closed_by.map(|closed_by| open.schedule_and_send_hint(id, closed_by))
    }

    /// Schedules the close of all connections within `spread` and returns them in order of time. A client with a
    /// session gets a random time, which is sent to it. A connection without a session is closed at the end of
    /// `spread`; if its client authenticates before, it is sent a time then.
    pub(crate) fn schedule_closes(&self, spread: Duration) -> Vec<ScheduledClose> {
        let mut table = self.table.lock();
        let closed_by = Instant::now() + spread;
        table.closed_by = Some(closed_by);
        let schedule = |(id, open): (&ConnectionId, &Open)| match open.has_session {
            true => open.schedule_and_send_hint(*id, closed_by),
            false => ScheduledClose { id: *id, at: closed_by },
        };
        let mut scheduled: Vec<_> = table.open.iter().map(schedule).collect();
        scheduled.sort_by_key(|close| close.at);
        scheduled
    }

    /// Closes a connection after its current command has finished. A client without a session has not been sent a hint
    /// yet, so it is sent one now.
    pub(crate) fn close(&self, id: ConnectionId) {
        let table = self.table.lock();
        let Some(Open { outbound, has_session }) = table.open.get(&id) else { return };
        if !has_session {
            send_hint(outbound, Duration::ZERO);
        }
        outbound.retire(CloseCode::SERVICE_RESTART, "the node restarts; reconnect");
    }
}

impl Connections {
    /// Closes a connection at its scheduled time. It is for connections that opened, or got their session, after the
    /// drain had begun to close connections.
    pub(crate) fn close_later(self: &Arc<Self>, scheduled: ScheduledClose) {
        let connections = Arc::clone(self);
        self.tasks.spawn(async move {
            sleep_until(scheduled.at).await;
            connections.close(scheduled.id);
        });
    }
}

impl Open {
    /// Chooses a random time between now and `closed_by`, and sends it to the client.
    fn schedule_and_send_hint(&self, id: ConnectionId, closed_by: Instant) -> ScheduledClose {
        let now = Instant::now();
        let after = closed_by.saturating_duration_since(now).mul_f64(random_share());
        send_hint(&self.outbound, after);
        ScheduledClose { id, at: now + after }
    }
}

/// Sends a client the time until its connection is closed. `reconnect` is a core message, so every client gets it.
fn send_hint(outbound: &Arc<Outbound>, after: Duration) {
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    outbound.push(Frame::encode_push(ReconnectHint { reason: ReconnectReason::Draining, after_ms }.into()));
}
