//! How the two connections are, for `/health`, metrics and whoever must pause.

use std::{collections::HashSet, sync::Arc, time::SystemTime};

use parking_lot::Mutex;
use realtime_gateway_protocol::Timestamp;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{fault::Fault, trouble::Trouble};
use crate::bus::BusStatus;

/// How many different errors of one absence are told apart in the log.
const SAID: usize = 16;

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

/// How one connection is.
#[derive(Debug, Clone)]
enum LinkState {
    Away { since: Timestamp, next_try: Option<Instant>, last_error: Arc<str> },
    Up,
    Blocked { since: Timestamp, reason: Arc<str> },
}

/// How both are.
#[derive(Debug)]
pub(super) struct States {
    publish: Mutex<Seen>,
    consume: Mutex<Seen>,
    blocked: watch::Sender<bool>,
    /// What is wrong while both are there.
    pub(super) trouble: Trouble,
    publish_declares: Notify,
    consume_declares: Notify,
}

/// One connection, and what was said of its absence.
#[derive(Debug)]
struct Seen {
    state: LinkState,
    said: HashSet<Arc<str>>,
    /// Whether it was ever up.
    known: bool,
}

impl Default for States {
    fn default() -> Self {
        Self {
            publish: Mutex::new(Seen::new()),
            consume: Mutex::new(Seen::new()),
            blocked: watch::Sender::new(false),
            trouble: Trouble::default(),
            publish_declares: Notify::new(),
            consume_declares: Notify::new(),
        }
    }
}

impl Seen {
    fn new() -> Self {
        let last_error = "it was not reached yet".into();
        let state = LinkState::Away { since: now(), next_try: None, last_error };
        Self { state, said: HashSet::new(), known: false }
    }
}

impl States {
    /// The connection is there and ready; true when it had been there before.
    pub(super) fn up(&self, role: Role) -> bool {
        let mut seen = self.of(role).lock();
        let again = seen.known;
        *seen = Seen { state: LinkState::Up, said: HashSet::new(), known: true };
        drop(seen);
        tracing::info!(
            connection = role.name(),
            "{}",
            if again { "the broker is back" } else { "the broker is there" }
        );
        again
    }

    /// The connection is gone, or could not be made.
    pub(super) fn away(&self, role: Role, fault: &Fault, next_try: Option<Instant>) {
        let last_error: Arc<str> = fault.to_string().into();
        let mut seen = self.of(role).lock();
        let since = match &seen.state {
            LinkState::Away { since, .. } => *since,
            _ => now(),
        };
        seen.state = LinkState::Away { since, next_try, last_error: last_error.clone() };
        let is_new = seen.said.len() < SAID && seen.said.insert(last_error.clone());
        drop(seen);
        if role == Role::Publish {
            self.blocked.send_replace(false);
        }
        // Once for each cause, however often it is tried in vain.
        match (is_new, fault) {
            (true, Fault::Mismatch(_)) => {
                tracing::error!(connection = role.name(), error = &*last_error, "the broker refuses what is declared");
            }
            (true, _) => tracing::warn!(connection = role.name(), error = &*last_error, "the broker is away"),
            (false, _) => {}
        }
    }

    /// A try is under way.
    pub(super) fn trying(&self, role: Role) {
        if let LinkState::Away { next_try, .. } = &mut self.of(role).lock().state {
            *next_try = None;
        }
    }

    /// The broker takes nothing, for a reason, or takes everything again.
    pub(super) fn blocked(&self, role: Role, reason: Option<String>) {
        let mut seen = self.of(role).lock();
        seen.state = match &reason {
            Some(reason) => LinkState::Blocked { since: now(), reason: reason.as_str().into() },
            None => LinkState::Up,
        };
        drop(seen);
        if role == Role::Publish {
            self.blocked.send_replace(reason.is_some());
        }
        match reason {
            Some(reason) => tracing::warn!(reason, "the broker takes nothing now; events wait in the outbox"),
            None => tracing::info!("the broker takes events again"),
        }
    }

    /// Asks a connection to declare everything again, sooner than it would.
    pub(super) fn redeclare(&self, role: Role) -> &Notify {
        match role {
            Role::Publish => &self.publish_declares,
            Role::Consume => &self.consume_declares,
        }
    }

    /// Whether publishing has to wait, as it changes.
    pub(super) fn watch_blocked(&self) -> watch::Receiver<bool> {
        self.blocked.subscribe()
    }

    /// Whether a connection is there.
    pub(super) fn is_up(&self, role: Role) -> bool {
        !matches!(self.of(role).lock().state, LinkState::Away { .. })
    }

    /// How the bus is.
    pub(super) fn status(&self) -> BusStatus {
        let look = |seen: &Mutex<Seen>| {
            let seen = seen.lock();
            (seen.state.clone(), seen.said.is_empty())
        };
        let ((publish, publish_untried), (consume, _)) = (look(&self.publish), look(&self.consume));
        // Of two that are away the one that was tried knows why.
        let (worse, other) = if publish_untried { (consume, publish) } else { (publish, consume) };
        match (worse, other) {
            (LinkState::Away { since, next_try, last_error }, _)
            | (_, LinkState::Away { since, next_try, last_error }) => {
                let next_try = next_try.map(|at| at.saturating_duration_since(Instant::now()));
                BusStatus::Reconnecting { since, next_try, last_error }
            }
            (LinkState::Blocked { reason, since }, _) | (_, LinkState::Blocked { reason, since }) => {
                BusStatus::Blocked { reason, since }
            }
            (LinkState::Up, LinkState::Up) => BusStatus::Connected,
        }
    }

    fn of(&self, role: Role) -> &Mutex<Seen> {
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
        let states = States::default();
        assert!(matches!(states.status(), BusStatus::Reconnecting { .. }));
        assert!(!states.up(Role::Publish));
        assert!(matches!(states.status(), BusStatus::Reconnecting { .. }));
        assert!(!states.up(Role::Consume));
        assert_eq!(states.status(), BusStatus::Connected);
        states.blocked(Role::Publish, Some("low on memory".into()));
        assert!(matches!(states.status(), BusStatus::Blocked { reason, .. } if &*reason == "low on memory"));
        assert!(*states.watch_blocked().borrow());
        states.away(Role::Publish, &Fault::of("gone"), Some(Instant::now() + Duration::from_secs(3)));
        let BusStatus::Reconnecting { next_try: Some(next_try), last_error, .. } = states.status() else {
            panic!("{:?}", states.status());
        };
        assert_eq!(&*last_error, "gone");
        assert!(next_try > Duration::from_secs(2));
        assert!(!*states.watch_blocked().borrow(), "who is away blocks nobody");
        assert!(states.up(Role::Publish), "it is back");
    }
}
