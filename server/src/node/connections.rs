//! The open connections of this node, with or without a session, so that a drain reaches every one of them: also a
//! client that authenticates late, or never.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use realtime_gateway_protocol::{CloseCode, ReconnectHint, ReconnectReason};
use tokio::time::Instant;

use crate::{backoff::random_share, frame::Frame, outbound::Outbound};

/// Names a connection of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(u64);

/// The open connections.
#[derive(Default)]
pub struct Connections(Mutex<Table>);

#[derive(Default)]
struct Table {
    open: HashMap<ConnectionId, Open>,
    last: u64,
    /// When the last connections are closed, once a drain has begun to close them.
    closed_by: Option<Instant>,
}

struct Open {
    outbound: Arc<Outbound>,
    /// Whether it has a session, so that its client waits for pushes.
    has_session: bool,
}

/// Whether a connection has a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HasSession {
    /// It has not, or not yet.
    No,
    /// It has.
    Yes,
}

/// A connection, and the moment at which a drain closes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Departure {
    pub(crate) id: ConnectionId,
    pub(crate) at: Instant,
}

impl Connections {
    /// Adds a connection, which has no session yet. During a drain it says when the connection has to be closed.
    pub(crate) fn add(&self, outbound: Arc<Outbound>) -> (ConnectionId, Option<Departure>) {
        let mut table = self.0.lock();
        table.last += 1;
        let id = ConnectionId(table.last);
        table.open.insert(id, Open { outbound, has_session: false });
        (id, table.closed_by.map(|at| Departure { id, at }))
    }

    /// Returns the outbound queues of all connections, and whether each has a session.
    pub(crate) fn queues(&self) -> Vec<(Arc<Outbound>, HasSession)> {
        let table = self.0.lock();
        let has_session = |open: &Open| if open.has_session { HasSession::Yes } else { HasSession::No };
        table.open.values().map(|open| (Arc::clone(&open.outbound), has_session(open))).collect()
    }

    /// Forgets a connection that has ended.
    pub(crate) fn remove(&self, id: ConnectionId) {
        self.0.lock().open.remove(&id);
    }

    /// Notes that a connection has a session. During a drain the client is sent the time of its close, which is
    /// also returned.
    pub(crate) fn has_session(&self, id: ConnectionId) -> Option<Departure> {
        let mut table = self.0.lock();
        let closed_by = table.closed_by;
        let open = table.open.get_mut(&id)?;
        open.has_session = true;
        closed_by.map(|closed_by| open.announce(id, closed_by))
    }

    /// Begins to close all connections within `spread`, and returns them in the order of their times. Each client
    /// with a session is sent its random time. The others can still get a session until the end, and are informed then.
    pub(crate) fn begin_to_close(&self, spread: Duration) -> Vec<Departure> {
        let mut table = self.0.lock();
        let closed_by = Instant::now() + spread;
        table.closed_by = Some(closed_by);
        let departure = |(id, open): (&ConnectionId, &Open)| match open.has_session {
            true => open.announce(*id, closed_by),
            false => Departure { id: *id, at: closed_by },
        };
        let mut departures: Vec<_> = table.open.iter().map(departure).collect();
        departures.sort_by_key(|departure| departure.at);
        departures
    }

    /// Closes a connection once the command under way has finished. A client that has no session is asked now to
    /// reconnect.
    pub(crate) fn close(&self, id: ConnectionId) {
        let table = self.0.lock();
        let Some(Open { outbound, has_session }) = table.open.get(&id) else { return };
        if !has_session {
            send_hint(outbound, Duration::ZERO);
        }
        outbound.retire(CloseCode::SERVICE_RESTART, "the node restarts; reconnect");
    }
}

impl Open {
    /// Chooses a random time from now to the end, and sends it to the client.
    fn announce(&self, id: ConnectionId, closed_by: Instant) -> Departure {
        let now = Instant::now();
        let after = closed_by.saturating_duration_since(now).mul_f64(random_share());
        send_hint(&self.outbound, after);
        Departure { id, at: now + after }
    }
}

/// Sends a client the time until its connection is closed. Every client gets this, whether or not it knows additions.
fn send_hint(outbound: &Outbound, after: Duration) {
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    outbound.push(Frame::push(ReconnectHint { reason: ReconnectReason::Draining, after_ms }.into()));
}
