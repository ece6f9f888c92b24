//! Presence: which users are in a clan. A change is announced when a user appears, and when a user has been absent for
//! `presence.grace`.
//!
//! This file tracks the sessions and watchers of this node. `worker` writes them to the store, which combines all
//! nodes, and announces the resulting changes.

mod work;
mod worker;

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use realtime_gateway_protocol::{ClanId, Presence as Roster, PresentUser, UserId};
use tokio::sync::oneshot;

use self::work::{Job, Work};
use super::hub::Subscription;
use crate::{
    bus::Bus,
    command_error::CommandError,
    config::LiveConfig,
    confirmation::in_time,
    node::Lease,
    runtime::tasks::Tasks,
    store::{Present, Store, StoreError},
};

/// The maximum number of users that a `presence` message lists.
const NAMED_USERS: usize = 200;

/// The parts that [`Presence`] works with.
pub(crate) struct PresenceParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) config: LiveConfig,
    pub(crate) tasks: Tasks,
}

/// The users of this node who are present in each clan.
pub struct Presence {
    clans: Mutex<HashMap<ClanId, Clan>>,
    work: Work,
    parts: PresenceParts,
}

#[derive(Default)]
struct Clan {
    users: HashMap<UserId, Here>,
    /// Subscriptions that requested presence changes.
    watchers: Vec<Arc<Subscription>>,
}

/// A user of this node in a clan.
#[derive(Default)]
struct Here {
    /// The number of subscribed sessions. Zero during the grace period.
    sessions: u32,
    /// Increases with every change, so that the end of an outdated grace period is ignored.
    generation: u64,
}

impl Presence {
    /// Creates a presence without users.
    pub(crate) fn new(parts: PresenceParts) -> Self {
        Self { clans: Mutex::default(), work: Work::default(), parts }
    }

    /// Returns the users who are present in a clan, on all nodes.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time, or when too many requests are waiting.
    pub(crate) async fn roster(&self, clan_id: &ClanId) -> Result<Roster, CommandError> {
        // Use the job queue instead of reading immediately, so that a client that has just subscribed finds its own
        // user.
        let (sender, answer) = oneshot::channel();
        if !self.work.request_roster(clan_id, sender) {
            return Err(CommandError::unavailable());
        }
        let present = in_time(async { answer.await.map_err(|_| ended()) }).await?;
        Ok(snapshot(clan_id, present))
    }

    /// Records a subscription to a clan. With `watches`, the subscription is sent a snapshot and then every change.
    /// This resolves when the snapshot was sent, or when the store does not answer in time and the snapshot follows
    /// later.
    pub(crate) async fn joined(&self, clan_id: &ClanId, subscription: &Arc<Subscription>, watches: bool) {
        let user = &subscription.recipient().user;
        {
            let mut clans = self.clans.lock();
            if subscription.is_ended() {
                return;
            }
            if subscription.set_present(true) {
                let here = clans.entry(clan_id.clone()).or_default().users.entry(user.clone()).or_default();
                here.sessions += 1;
                here.generation += 1;
                self.work.store(clan_id, user);
            }
        }
        if watches {
            let (done, sent) = oneshot::channel();
            self.work.add(Job::Watch(clan_id.clone(), subscription.clone(), Some(done)));
            // A timeout is not an error: the snapshot is sent once the store answers.
            let _ = in_time(async { sent.await.map_err(|_| ended()) }).await;
        }
    }

    /// Records the end of a subscription to a clan. After the last one the user still counts as present for
    /// `presence.grace`.
    pub(crate) fn left(self: &Arc<Self>, clan_id: &ClanId, subscription: &Arc<Subscription>) {
        let user = subscription.recipient().user.clone();
        let mut clans = self.clans.lock();
        let Some(clan) = clans.get_mut(clan_id) else { return };
        clan.watchers.retain(|watcher| !Arc::ptr_eq(watcher, subscription));
        if !subscription.set_present(false) {
            return;
        }
        let Some(here) = clan.users.get_mut(&user) else { return };
        here.sessions = here.sessions.saturating_sub(1);
        here.generation += 1;
        if here.sessions > 0 {
            return self.work.store(clan_id, &user);
        }
        let generation = here.generation;
        drop(clans);
        let (presence, clan_id) = (self.clone(), clan_id.clone());
        self.parts.tasks.spawn_until_stopped(async move {
            tokio::time::sleep(presence.parts.config.get().presence_grace).await;
            presence.depart(&clan_id, &user, generation);
        });
    }

    /// Removes a user when the grace period is over, unless the user's sessions have changed since it began.
    fn depart(&self, clan_id: &ClanId, user: &UserId, generation: u64) {
        let mut clans = self.clans.lock();
        let Some(clan) = clans.get_mut(clan_id) else { return };
        if clan.users.get(user).is_none_or(|here| here.generation != generation) {
            return;
        }
        clan.users.remove(user);
        if clan.users.is_empty() && clan.watchers.is_empty() {
            clans.remove(clan_id);
        }
        self.work.store(clan_id, user);
    }

    /// Returns the number of sessions that count for a user on this node, which is one during the grace period.
    fn sessions_here(&self, clan_id: &ClanId, user: &UserId) -> u32 {
        let clans = self.clans.lock();
        clans.get(clan_id).and_then(|clan| clan.users.get(user)).map_or(0, |here| here.sessions.max(1))
    }

    /// Adds a watcher, unless its subscription has ended meanwhile.
    fn watch(&self, clan_id: &ClanId, subscription: &Arc<Subscription>) {
        let mut clans = self.clans.lock();
        if subscription.is_ended() {
            return;
        }
        let watchers = &mut clans.entry(clan_id.clone()).or_default().watchers;
        if !watchers.iter().any(|watcher| Arc::ptr_eq(watcher, subscription)) {
            watchers.push(subscription.clone());
        }
    }

    fn watchers(&self, clan_id: &ClanId) -> Vec<Arc<Subscription>> {
        self.clans.lock().get(clan_id).map(|clan| clan.watchers.clone()).unwrap_or_default()
    }

    /// Writes the users of this node to the store again, because it may have lost them. Watchers may get a change
    /// repeatedly, which has no effect on them.
    pub(crate) fn store_again(&self) {
        let clans = self.clans.lock();
        for (clan_id, clan) in clans.iter() {
            clan.users.keys().for_each(|user| self.work.store(clan_id, user));
        }
        drop(clans);
        self.refresh_watchers();
    }

    /// Sends every watcher a new snapshot, because changes on other nodes may have been missed. A watcher that is
    /// already waiting for a snapshot gets only one.
    pub(crate) fn refresh_watchers(&self) {
        let clans = self.clans.lock();
        for watcher in clans.values().flat_map(|clan| &clan.watchers) {
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

fn snapshot(clan_id: &ClanId, present: Present) -> Roster {
    let user = |(user_id, sessions)| PresentUser { user_id, sessions };
    Roster { clan_id: clan_id.clone(), users: present.users.into_iter().map(user).collect(), count: present.count }
}
