//! Notices when events for backend services that used to reach a queue no longer do, because a binding, a queue or the
//! exchange was deleted. An event of a kind for which no queue was ever bound is not an error.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// For how long a kind counts as lost. After that it is not expected to reach a queue any more.
const MISSED: Duration = Duration::from_secs(60 * 60);
/// How often the loss of a kind is reported. One that is lost more often has bindings for some of its events only.
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
    /// The newest event that the broker has returned.
    newest_returned: u64,
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
    /// An event with this sequence and key reached a queue.
    pub(super) fn routed<'a>(&mut self, sequence: u64, key: &'a str, now: Instant) -> Option<Change<'a>> {
        let route = self.route(key)?;
        if sequence < route.newest_returned {
            // A broker confirms what it returns before what it has to write: the loss is newer than this event.
            return if route.state == State::Unbound { route.lost(key, now) } else { None };
        }
        let before = std::mem::replace(&mut route.state, State::Routed);
        matches!(before, State::Lost(_)).then(|| Change::Found(kind(key)))
    }

    /// The broker returned an event with this sequence and key.
    pub(super) fn returned<'a>(&mut self, sequence: u64, key: &'a str, now: Instant) -> Option<Change<'a>> {
        let route = self.route(key)?;
        route.newest_returned = route.newest_returned.max(sequence);
        if route.state == State::Routed { route.lost(key, now) } else { None }
    }

    /// Returns the kinds that have been lost for an hour, and are not expected to reach a queue any more.
    pub(super) fn given_up(&mut self, now: Instant) -> Vec<Box<str>> {
        let mut given_up = Vec::new();
        for (kind, route) in &mut self.0 {
            if matches!(route.state, State::Lost(since) if now.duration_since(since) >= MISSED) {
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
            self.0.insert(kind.into(), Route { state: State::Unbound, losses: 0, newest_returned: 0 });
        }
        self.0.get_mut(kind)
    }
}

impl Route {
    fn lost<'a>(&mut self, key: &'a str, now: Instant) -> Option<Change<'a>> {
        if self.losses >= LOSSES {
            self.state = State::Unbound;
            return None;
        }
        self.losses += 1;
        self.state = State::Lost(now);
        Some(Change::Lost(kind(key)))
    }
}

/// Returns the first two words of a routing key, such as `chat.message` or `service.orders`.
fn kind(key: &str) -> &str {
    key.match_indices('.').nth(1).and_then(|(end, _)| key.get(..end)).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_a_kind_that_reached_a_queue_and_does_not_any_more() {
        let (mut routes, now) = (Routes::default(), Instant::now());
        assert_eq!(routes.returned(1, "session.opened.alice", now), None, "no queue was ever bound");
        assert_eq!(routes.routed(2, "chat.message.a", now), None);
        assert_eq!(routes.returned(3, "chat.message.b", now), Some(Change::Lost("chat.message")));
        assert_eq!(routes.returned(4, "chat.message.a", now), None, "once");
        assert_eq!(routes.routed(5, "chat.message.a", now), Some(Change::Found("chat.message")));
        assert_eq!(routes.routed(6, "session.opened.alice", now), None);
        assert_eq!(routes.returned(7, "session.opened.bob", now), Some(Change::Lost("session.opened")));
        assert_eq!(routes.returned(8, "service.orders.1", now), None);
    }

    #[test]
    fn reports_a_loss_whatever_the_broker_confirms_first() {
        let (mut routes, now) = (Routes::default(), Instant::now());
        assert_eq!(routes.returned(3, "chat.message.a", now), None);
        assert_eq!(routes.routed(1, "chat.message.a", now), Some(Change::Lost("chat.message")));
        assert_eq!(routes.routed(2, "chat.message.a", now), None, "once");
        assert_eq!(routes.routed(4, "chat.message.a", now), Some(Change::Found("chat.message")));
    }

    #[test]
    fn accepts_a_kind_of_which_some_events_have_a_queue() {
        let (mut routes, now) = (Routes::default(), Instant::now());
        let lost = (0..10).filter(|n| {
            routes.routed(2 * n, "chat.message.a", now);
            routes.returned(2 * n + 1, "chat.message.b", now).is_some()
        });
        assert_eq!(lost.count(), usize::from(LOSSES));
    }

    #[test]
    fn gives_up_after_an_hour() {
        let (mut routes, now) = (Routes::default(), Instant::now());
        routes.routed(1, "chat.message.a", now);
        routes.returned(2, "chat.message.a", now);
        assert!(routes.given_up(now).is_empty());
        assert_eq!(routes.given_up(now + MISSED), [Box::from("chat.message")]);
        assert!(routes.given_up(now + MISSED).is_empty());
        assert_eq!(routes.routed(3, "chat.message.a", now), None);
    }
}
