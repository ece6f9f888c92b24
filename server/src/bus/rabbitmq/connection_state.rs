//! The state of the two connections, for `/health`, the log, and the tasks that wait while the broker is blocked.

use std::{collections::HashSet, sync::Arc, time::SystemTime};

use parking_lot::Mutex;
use realtime_gateway_protocol::Timestamp;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{error::AmqpError, warnings::TopologyWarnings};
use crate::bus::BrokerStatus;

/// How many different errors are logged while a connection is down.
const LOGGED: usize = 16;

/// What a connection is for. A broker that is short of memory stops reading from those that publish, and then what
/// they acknowledge hangs too: so acknowledgements have a connection of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Publish,
    Consume,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Consume => "consume",
        }
    }
}

/// The state of one connection.
#[derive(Debug, Clone)]
enum LinkState {
    Down { since: Timestamp, next_try: Option<Instant>, last_error: Arc<str> },
    Up,
    Blocked { since: Timestamp, reason: Arc<str> },
}

/// The state of both connections.
#[derive(Debug)]
pub(super) struct ConnectionStates {
    publish: Mutex<Record>,
    consume: Mutex<Record>,
    blocked: watch::Sender<bool>,
    /// What is wrong with the topology while both are up.
    pub(super) topology: TopologyWarnings,
    redeclaration_request: Notify,
}

/// One connection, and which errors were logged since it went down.
#[derive(Debug)]
struct Record {
    state: LinkState,
    logged: HashSet<Arc<str>>,
    /// Whether it was ever up.
    known: bool,
}

impl Default for ConnectionStates {
    fn default() -> Self {
        Self {
            publish: Mutex::new(Record::new()),
            consume: Mutex::new(Record::new()),
            blocked: watch::Sender::new(false),
            topology: TopologyWarnings::default(),
            redeclaration_request: Notify::new(),
        }
    }
}

impl Record {
    fn new() -> Self {
        let last_error = "no connection was made yet".into();
        let state = LinkState::Down { since: now(), next_try: None, last_error };
        Self { state, logged: HashSet::new(), known: false }
    }
}

impl ConnectionStates {
    /// The connection is up and ready. Returns whether it had been up before.
    pub(super) fn up(&self, role: Role) -> bool {
        let mut record = self.of(role).lock();
        let again = record.known;
        *record = Record { state: LinkState::Up, logged: HashSet::new(), known: true };
        drop(record);
        tracing::info!(
            connection = role.name(),
            "{}",
            if again { "connected to the broker again" } else { "connected to the broker" }
        );
        again
    }

    /// The connection is lost, or could not be made.
    pub(super) fn down(&self, role: Role, error: &AmqpError, next_try: Option<Instant>) {
        let last_error: Arc<str> = error.to_string().into();
        let mut record = self.of(role).lock();
        let since = match &record.state {
            LinkState::Down { since, .. } => *since,
            _ => now(),
        };
        record.state = LinkState::Down { since, next_try, last_error: last_error.clone() };
        let is_new = record.logged.len() < LOGGED && record.logged.insert(last_error.clone());
        drop(record);
        if role == Role::Publish {
            self.blocked.send_replace(false);
        }
        // Once for each cause, however many attempts fail.
        match (is_new, error) {
            (true, AmqpError::Mismatch(_)) => {
                tracing::error!(connection = role.name(), error = &*last_error, "the broker refuses what is declared");
            }
            (true, _) => tracing::warn!(connection = role.name(), error = &*last_error, "the broker is away"),
            (false, _) => {}
        }
    }

    /// An attempt to connect is under way.
    pub(super) fn trying(&self, role: Role) {
        if let LinkState::Down { next_try, .. } = &mut self.of(role).lock().state {
            *next_try = None;
        }
    }

    /// The broker accepts no publications for this reason, or accepts them again.
    pub(super) fn blocked(&self, role: Role, reason: Option<String>) {
        let mut record = self.of(role).lock();
        record.state = match &reason {
            Some(reason) => LinkState::Blocked { since: now(), reason: reason.as_str().into() },
            None => LinkState::Up,
        };
        drop(record);
        if role == Role::Publish {
            self.blocked.send_replace(reason.is_some());
        }
        match reason {
            Some(reason) => tracing::warn!(reason, "the broker accepts no publications now; events wait in the outbox"),
            None => tracing::info!("the broker accepts publications again"),
        }
    }

    /// Requests that everything that is published to is declared again, sooner than it would be.
    pub(super) fn request_redeclaration(&self) {
        self.redeclaration_request.notify_one();
    }

    /// Resolves when a redeclaration was requested.
    pub(super) async fn redeclaration_requested(&self) {
        self.redeclaration_request.notified().await;
    }

    /// Whether the broker accepts no publications, as it changes.
    pub(super) fn watch_blocked(&self) -> watch::Receiver<bool> {
        self.blocked.subscribe()
    }

    /// Returns the state of the worse connection.
    pub(super) fn status(&self) -> BrokerStatus {
        let look = |record: &Mutex<Record>| {
            let record = record.lock();
            (record.state.clone(), record.logged.is_empty())
        };
        let ((publish, publish_untried), (consume, _)) = (look(&self.publish), look(&self.consume));
        // Of two that are down the one with a failed attempt knows why.
        let (worse, other) = if publish_untried { (consume, publish) } else { (publish, consume) };
        match (worse, other) {
            (LinkState::Down { since, next_try, last_error }, _)
            | (_, LinkState::Down { since, next_try, last_error }) => {
                let next_try = next_try.map(|at| at.saturating_duration_since(Instant::now()));
                BrokerStatus::Reconnecting { since, next_try, last_error }
            }
            (LinkState::Blocked { reason, since }, _) | (_, LinkState::Blocked { reason, since }) => {
                BrokerStatus::Blocked { reason, since }
            }
            (LinkState::Up, LinkState::Up) => BrokerStatus::Connected,
        }
    }

    fn of(&self, role: Role) -> &Mutex<Record> {
        match role {
            Role::Publish => &self.publish,
            Role::Consume => &self.consume,
        }
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_status_is_that_of_the_worse_connection() {
        let states = ConnectionStates::default();
        assert!(matches!(states.status(), BrokerStatus::Reconnecting { .. }));
        assert!(!states.up(Role::Publish));
        assert!(matches!(states.status(), BrokerStatus::Reconnecting { .. }));
        assert!(!states.up(Role::Consume));
        assert_eq!(states.status(), BrokerStatus::Connected);
        states.blocked(Role::Publish, Some("low on memory".into()));
        assert!(matches!(states.status(), BrokerStatus::Blocked { reason, .. } if &*reason == "low on memory"));
        assert!(*states.watch_blocked().borrow());
        states.down(Role::Publish, &AmqpError::of("gone"), Some(Instant::now() + Duration::from_secs(3)));
        let BrokerStatus::Reconnecting { next_try: Some(next_try), last_error, .. } = states.status() else {
            panic!("{:?}", states.status());
        };
        assert_eq!(&*last_error, "gone");
        assert!(next_try > Duration::from_secs(2));
        assert!(!*states.watch_blocked().borrow(), "a connection that is down is not blocked");
        assert!(states.up(Role::Publish), "it was up before");
    }
}
