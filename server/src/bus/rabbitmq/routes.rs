//! Notices when events for backend services that used to reach a queue no longer do, because a binding, a queue or the
//! exchange was deleted. An event of a kind for which no queue was ever bound is no fault.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

/// For how long a kind counts as lost. After that it is not expected any more.
const MISSED: Duration = Duration::from_secs(60 * 60);
/// How often a kind may be lost. One that is lost more often has bindings for some of its events only.
const LOSSES: u8 = 3;
/// How many kinds are followed. There are six, and one for each service.
const KINDS: usize = 256;

/// Which kinds of events reach a queue.
#[derive(Debug, Default)]
pub(super) struct Routes(HashMap<Box<str>, Route>);

#[derive(Debug)]
struct Route {
    state: State,
    losses: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The last event reached a queue.
    Routed,
    /// No event has reached a queue, or not all of them are meant to.
    Unbound,
    /// Events reached a queue before, and do not any more.
    Lost(Instant),
}

/// What an event has shown of its kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// Events of this kind reach no queue any more.
    Lost(&'a str),
    /// They do again.
    Found(&'a str),
}

impl Routes {
    /// An event with this key reached a queue.
    pub(super) fn routed<'a>(&mut self, key: &'a str) -> Option<Change<'a>> {
        let route = self.route(key)?;
        let before = std::mem::replace(&mut route.state, State::Routed);
        matches!(before, State::Lost(_)).then(|| Change::Found(kind(key)))
    }

    /// The broker returned an event with this key.
    pub(super) fn returned<'a>(&mut self, key: &'a str) -> Option<Change<'a>> {
        let route = self.route(key)?;
        if route.state != State::Routed {
            return None;
        }
        if route.losses >= LOSSES {
            route.state = State::Unbound;
            return None;
        }
        route.losses += 1;
        route.state = State::Lost(Instant::now());
        Some(Change::Lost(kind(key)))
    }

    /// Kinds that have been lost for so long that it is meant so.
    pub(super) fn given_up(&mut self) -> Vec<Box<str>> {
        let mut given_up = Vec::new();
        for (kind, route) in &mut self.0 {
            if matches!(route.state, State::Lost(since) if since.elapsed() >= MISSED) {
                route.state = State::Unbound;
                given_up.push(kind.clone());
            }
        }
        given_up
    }

    fn route(&mut self, key: &str) -> Option<&mut Route> {
        let kind = kind(key);
        if !self.0.contains_key(kind) {
            if self.0.len() >= KINDS {
                return None;
            }
            self.0.insert(kind.into(), Route { state: State::Unbound, losses: 0 });
        }
        self.0.get_mut(kind)
    }
}

/// The first two words of a routing key, such as `chat.message` or `service.orders`.
fn kind(key: &str) -> &str {
    key.match_indices('.').nth(1).and_then(|(end, _)| key.get(..end)).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_a_kind_that_reached_a_queue_and_does_not_any_more() {
        let mut routes = Routes::default();
        assert_eq!(routes.returned("session.opened.alice"), None, "nobody has bound a queue");
        assert_eq!(routes.routed("chat.message.a"), None);
        assert_eq!(routes.returned("chat.message.b"), Some(Change::Lost("chat.message")));
        assert_eq!(routes.returned("chat.message.a"), None, "once");
        assert_eq!(routes.routed("chat.message.a"), Some(Change::Found("chat.message")));
        assert_eq!(routes.routed("session.opened.alice"), None);
        assert_eq!(routes.returned("session.opened.bob"), Some(Change::Lost("session.opened")));
        assert_eq!(routes.returned("service.orders.1"), None);
    }

    #[test]
    fn accepts_a_kind_of_which_some_events_have_a_queue() {
        let mut routes = Routes::default();
        let lost = (0..10).filter(|_| {
            routes.routed("chat.message.a");
            routes.returned("chat.message.b").is_some()
        });
        assert_eq!(lost.count(), usize::from(LOSSES));
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_after_an_hour() {
        let mut routes = Routes::default();
        routes.routed("chat.message.a");
        routes.returned("chat.message.a");
        assert!(routes.given_up().is_empty());
        tokio::time::advance(MISSED).await;
        assert_eq!(routes.given_up(), [Box::from("chat.message")]);
        assert!(routes.given_up().is_empty());
        assert_eq!(routes.routed("chat.message.a"), None);
    }
}
