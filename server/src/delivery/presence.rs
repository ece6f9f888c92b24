//! Presence: which users are in a clan or in a topic, and the data that they show there. A change is announced when a
//! user appears or has other data, and when a user has been absent for `presence.grace`. In a topic with more than
//! `presence.max_announced` users, the changes of a second are announced together.
//!
//! This file tracks the sessions and watchers of this node. `worker` writes them to the store, which combines all
//! nodes, and announces the resulting changes.

mod batch;
mod message;
mod work;
mod worker;

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use realtime_gateway_protocol::{
    ClanId, Presence as ClanRoster, RawJson, ServiceName, TopicName, TopicPresence, UserId,
};
use tokio::sync::oneshot;

pub(crate) use self::message::Change;
use self::{
    batch::Batch,
    message::{clan_roster, topic_roster},
    work::{Job, Work},
};
use super::hub::Subscription;
use crate::{
    bus::Bus,
    command_error::CommandError,
    config::LiveConfig,
    confirmation::in_time,
    node::Lease,
    runtime::tasks::Tasks,
    store::{Present, Store, StoreError, UserPresence},
    topic::Topic,
};

/// The parts that [`Presence`] works with.
pub(crate) struct PresenceParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) config: LiveConfig,
    pub(crate) tasks: Tasks,
}

/// The users of this node who are present in each topic.
pub struct Presence {
    topics: Mutex<HashMap<Topic, Users>>,
    work: Work,
    parts: PresenceParts,
}

/// The users of this node in a topic.
#[derive(Default)]
struct Users {
    users: HashMap<UserId, Here>,
    /// Subscriptions that requested presence changes.
    watchers: Vec<Arc<Subscription>>,
    /// The number of users on all nodes. It is read with every snapshot and follows the changes; it is not exact while
    /// nothing is watched, or when changes of other nodes were lost.
    count: u64,
    /// The changes that wait to be announced together, because the topic is large.
    batch: Option<Batch>,
}

/// A user of this node in a topic.
#[derive(Default)]
struct Here {
    /// The number of subscribed sessions. Zero during the grace period.
    sessions: u32,
    /// Increases with every change, so that the end of an outdated grace period is ignored.
    generation: u64,
    /// What a session of this node sent last.
    data: Option<RawJson>,
    /// Whether `data` has to be stored. Otherwise it must not be: the user may have newer data from another node.
    has_new_data: bool,
}

/// How a subscription takes part in the presence of its topic.
#[derive(Debug, Clone, Default)]
pub(crate) struct Joining {
    /// Whether it is sent a snapshot and then every change.
    pub(crate) watches: bool,
    /// The new data of the user. `None` keeps the data of before.
    pub(crate) data: Option<RawJson>,
}

/// What the worker stores about a user of this node.
struct ToStore {
    presence: UserPresence,
    /// The generation of the user's record when it was read.
    generation: u64,
}

impl Presence {
    /// Creates a presence without users.
    pub(crate) fn new(parts: PresenceParts) -> Self {
        Self { topics: Mutex::default(), work: Work::default(), parts }
    }

    /// Returns the users who are present in a clan, on all nodes.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time, or when too many requests are waiting.
    pub(crate) async fn clan_roster(&self, clan_id: &ClanId) -> Result<ClanRoster, CommandError> {
        Ok(clan_roster(clan_id, self.present(&Topic::Clan(clan_id.clone())).await?))
    }

    /// Returns the users who are present in a topic of a service, on all nodes.
    ///
    /// # Errors
    /// As [`Presence::clan_roster`].
    pub(crate) async fn topic_roster(
        &self,
        service: &ServiceName,
        topic: &TopicName,
    ) -> Result<TopicPresence, CommandError> {
        let present = self.present(&Topic::Service(service.clone(), topic.clone())).await?;
        Ok(topic_roster(service, topic, present))
    }

    async fn present(&self, topic: &Topic) -> Result<Present, CommandError> {
        // Use the job queue instead of reading immediately, so that a client that has just subscribed finds its own
        // user.
        let (sender, answer) = oneshot::channel();
        if !self.work.request_roster(topic, sender) {
            return Err(CommandError::unavailable());
        }
        in_time(async { answer.await.map_err(|_| ended()) }).await
    }

    /// Records a subscription to a topic with presence. A subscription that exists already may bring new data, and may
    /// begin to watch. This resolves when the snapshot was sent, or when the store does not answer in time and the
    /// snapshot follows later.
    pub(crate) async fn joined(&self, subscription: &Arc<Subscription>, Joining { watches, data }: Joining) {
        let (topic, user) = (subscription.topic(), &subscription.recipient().user);
        {
            let mut topics = self.topics.lock();
            if subscription.is_ended() {
                return;
            }
            let is_new = subscription.set_present(true);
            if is_new || data.is_some() {
                let here = topics.entry(topic.clone()).or_default().users.entry(user.clone()).or_default();
                here.sessions += u32::from(is_new);
                here.generation += 1;
                if data.is_some() {
                    (here.data, here.has_new_data) = (data, true);
                }
                self.work.store(topic, user);
            }
        }
        if watches {
            let (done, sent) = oneshot::channel();
            self.work.add(Job::Watch(subscription.clone(), Some(done)));
            // A timeout is not an error: the snapshot is sent once the store answers.
            let _ = in_time(async { sent.await.map_err(|_| ended()) }).await;
        }
    }

    /// Records the end of a subscription. After the last one the user still counts as present for `presence.grace`.
    pub(crate) fn left(self: &Arc<Self>, subscription: &Arc<Subscription>) {
        let (topic, user) = (subscription.topic(), subscription.recipient().user.clone());
        let mut topics = self.topics.lock();
        let Some(here) = topics.get_mut(topic) else { return };
        here.watchers.retain(|watcher| !Arc::ptr_eq(watcher, subscription));
        if !subscription.set_present(false) {
            return;
        }
        let Some(here) = here.users.get_mut(&user) else { return };
        here.sessions = here.sessions.saturating_sub(1);
        here.generation += 1;
        if here.sessions > 0 {
            return self.work.store(topic, &user);
        }
        let generation = here.generation;
        drop(topics);
        let (presence, topic) = (self.clone(), topic.clone());
        self.parts.tasks.spawn_until_stopped(async move {
            tokio::time::sleep(presence.parts.config.get().presence_grace).await;
            presence.depart(&topic, &user, generation);
        });
    }

    /// Removes a user when the grace period is over, unless the user's sessions have changed since it began.
    fn depart(&self, topic: &Topic, user: &UserId, generation: u64) {
        let mut topics = self.topics.lock();
        let Some(here) = topics.get_mut(topic) else { return };
        if here.users.get(user).is_none_or(|here| here.generation != generation) {
            return;
        }
        here.users.remove(user);
        if here.users.is_empty() && here.watchers.is_empty() {
            topics.remove(topic);
        }
        self.work.store(topic, user);
    }

    /// Returns what to store about a user of this node. During the grace period one session counts.
    fn presence_here(&self, topic: &Topic, user: &UserId) -> ToStore {
        let topics = self.topics.lock();
        match topics.get(topic).and_then(|here| here.users.get(user)) {
            None => ToStore { presence: UserPresence::of_sessions(0), generation: 0 },
            Some(here) => {
                let data = here.data.clone().filter(|_| here.has_new_data);
                let presence = UserPresence { sessions: here.sessions.max(1), data };
                ToStore { presence, generation: here.generation }
            }
        }
    }

    /// Notes that the presence of a user is stored as it was in a generation.
    fn stored(&self, topic: &Topic, user: &UserId, generation: u64) {
        let mut topics = self.topics.lock();
        let here = topics.get_mut(topic).and_then(|here| here.users.get_mut(user));
        if let Some(here) = here.filter(|here| here.generation == generation) {
            here.has_new_data = false;
        }
    }

    /// Adds a watcher of a topic with this number of users, unless its subscription has ended meanwhile.
    fn watch(&self, subscription: &Arc<Subscription>, count: u64) {
        let mut topics = self.topics.lock();
        if subscription.is_ended() {
            return;
        }
        let here = topics.entry(subscription.topic().clone()).or_default();
        here.count = count;
        if !here.watchers.iter().any(|watcher| Arc::ptr_eq(watcher, subscription)) {
            here.watchers.push(subscription.clone());
        }
    }

    /// Notes the number of users of a topic, as the store has it.
    fn counted(&self, topic: &Topic, count: u64) {
        if let Some(here) = self.topics.lock().get_mut(topic) {
            here.count = count;
        }
    }

    /// Writes the users of this node to the store again, because it may have lost them. Watchers may get a change
    /// repeatedly, which has no effect on them.
    pub(crate) fn store_again(&self) {
        let mut topics = self.topics.lock();
        for (topic, here) in topics.iter_mut() {
            for (user, here) in &mut here.users {
                here.has_new_data = here.data.is_some();
                self.work.store(topic, user);
            }
        }
        drop(topics);
        self.refresh_watchers();
    }

    /// Sends every watcher a new snapshot, because changes on other nodes may have been missed. A watcher that is
    /// already waiting for a snapshot gets only one.
    pub(crate) fn refresh_watchers(&self) {
        let topics = self.topics.lock();
        for watcher in topics.values().flat_map(|here| &here.watchers) {
            if watcher.request_snapshot() {
                self.work.add(Job::Snapshot(watcher.clone()));
            }
        }
    }
}

/// Returns the error when the worker has stopped because the gateway shuts down.
fn ended() -> StoreError {
    StoreError::Unavailable("presence has ended".into())
}
