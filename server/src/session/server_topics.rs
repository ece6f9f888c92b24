//! The topics to which the server subscribes one session, and the synchronisation of the session with them.

use parking_lot::Mutex;
use realtime_gateway_protocol::{ServiceName, Timestamp, TopicName};

use crate::{auth::Identity, store::ServerSubscription, topic::Topic};

/// The topics of one session.
#[derive(Debug, Default)]
pub(crate) struct ServerTopics(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The topics of the token's claim `subscribe`, without those that an operator has ended since.
    claimed: Vec<Topic>,
    /// The subscriptions in the store, as they were read last. `None` before they are read.
    stored: Option<Vec<ServerSubscription>>,
    running: bool,
    requested: bool,
}

fn topic(service: &ServiceName, topic: &TopicName) -> Topic {
    Topic::Service(service.clone(), topic.clone())
}

fn topic_of(subscription: &ServerSubscription) -> Topic {
    topic(&subscription.service, &subscription.topic)
}

impl ServerTopics {
    /// Replaces the topics of the token's claim.
    pub(super) fn claim(&self, identity: &Identity) {
        let claimed = identity.grants.subscribe.iter();
        self.0.lock().claimed = claimed.map(|claimed| topic(&claimed.service, &claimed.topic)).collect();
    }

    /// Forgets topics, because an operator has ended the subscriptions to them. Those of the claim come back with the next
    /// token.
    pub(super) fn forget(&self, is_ended: impl Fn(&Topic) -> bool) {
        let mut state = self.0.lock();
        state.claimed.retain(|topic| !is_ended(topic));
        state.stored.iter_mut().for_each(|stored| stored.retain(|stored| !is_ended(&topic_of(stored))));
    }

    /// Replaces the subscriptions of the store. Returns when the first of them ends.
    pub(crate) fn set_stored(&self, stored: Vec<ServerSubscription>) -> Option<Timestamp> {
        let first = stored.iter().filter_map(|subscription| subscription.until).min();
        self.0.lock().stored = Some(stored);
        first
    }

    /// Returns whether the subscriptions of the store are not known, because they were not read yet.
    pub(crate) fn is_stored_unknown(&self) -> bool {
        self.0.lock().stored.is_none()
    }

    /// Returns the topics to which the session has to be subscribed at the time `now`, each once.
    pub(crate) fn wanted(&self, now: Timestamp) -> Vec<Topic> {
        let state = self.0.lock();
        let mut wanted: Vec<Topic> = state.claimed.clone();
        wanted.extend(state.stored.iter().flatten().filter(|stored| !stored.has_ended(now)).map(topic_of));
        wanted.sort();
        wanted.dedup();
        wanted
    }

    /// Begins a synchronisation. Returns false if one is running, which then runs once more.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.0.lock();
        state.requested = true;
        !std::mem::replace(&mut state.running, true)
    }

    /// Begins the next run of the synchronisation. Returns false when none was requested since the last one began; the
    /// synchronisation has ended then.
    pub(crate) fn next(&self) -> bool {
        let mut state = self.0.lock();
        let requested = std::mem::take(&mut state.requested);
        state.running = requested;
        requested
    }

    /// Ends the synchronisation, because its task was dropped.
    pub(crate) fn abandon(&self) {
        self.0.lock().running = false;
    }
}
