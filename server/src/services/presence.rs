//! Presence: who is in a clan, announced when a user comes, and when they have been gone for a while.
//!
//! This file knows the sessions of this node, and who wants to be told; `worker` tells the store, which knows all
//! nodes, and announces what that changes.

mod work;
mod worker;

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use realtime_gateway_protocol::{ClanId, GetPresence, Presence, PresentUser, UserId};
use tokio::sync::oneshot;

use self::work::{Job, Work};
use crate::{
    auth::Action,
    command_error::CommandError,
    hub::Subscription,
    node::{Node, in_time},
    session::Session,
    store::{Present, StoreError},
    topic::Topic,
};

/// How many users a `presence` message names.
const NAMED_USERS: usize = 200;

/// Who is present in which clan, on this node.
#[derive(Default)]
pub struct Presences {
    clans: Mutex<HashMap<ClanId, Clan>>,
    work: Work,
}

#[derive(Default)]
struct Clan {
    users: HashMap<UserId, Here>,
    /// Subscriptions that asked to be told.
    watchers: Vec<Arc<Subscription>>,
}

/// A user in a clan, on this node.
#[derive(Default)]
struct Here {
    /// Sessions that subscribe; none while the grace runs.
    sessions: u32,
    /// Rises with every change, so that a departure that was taken back is not announced.
    turn: u64,
}

impl Presences {
    /// `presence`
    pub(crate) async fn read(node: &Arc<Node>, session: &Session, get: &GetPresence) -> Result<Presence, CommandError> {
        node.permissions.check(&session.identity(), Action::Read, &Topic::Clan(get.clan_id.clone())).await?;
        // In turn, so that whoever subscribed before finds themselves.
        let (asker, answer) = oneshot::channel();
        if !node.presences.work.look(&get.clan_id, asker) {
            return Err(CommandError::unavailable());
        }
        let present = in_time(async { answer.await.map_err(|_| gone()) }).await?;
        Ok(snapshot(&get.clan_id, present))
    }

    /// Notes a subscription to a clan. With `watcher` it wants to be told who comes and goes: this resolves when it
    /// has got the snapshot that comes before, or when the store does not answer in time and the snapshot comes later.
    pub(crate) async fn came(&self, clan_id: &ClanId, subscription: &Arc<Subscription>, watches: bool) {
        let user = &subscription.session().user;
        {
            let mut clans = self.clans.lock();
            if subscription.is_ended() {
                return;
            }
            if subscription.set_present(true) {
                let here = clans.entry(clan_id.clone()).or_default().users.entry(user.clone()).or_default();
                here.sessions += 1;
                here.turn += 1;
                self.work.tell(clan_id, user);
            }
        }
        if watches {
            let (done, told) = oneshot::channel();
            self.work.add(Job::Watch(clan_id.clone(), subscription.clone(), Some(done)));
            // Too late is no error: the snapshot is sent once the store answers.
            let _ = in_time(async { told.await.map_err(|_| gone()) }).await;
        }
    }

    /// Notes that a subscription to a clan is over. The user counts as present for `presence.grace` more.
    pub(crate) fn left(&self, node: &Arc<Node>, clan_id: &ClanId, subscription: &Arc<Subscription>) {
        let user = subscription.session().user.clone();
        let mut clans = self.clans.lock();
        let Some(clan) = clans.get_mut(clan_id) else { return };
        clan.watchers.retain(|watcher| !Arc::ptr_eq(watcher, subscription));
        if !subscription.set_present(false) {
            return;
        }
        let Some(here) = clan.users.get_mut(&user) else { return };
        here.sessions = here.sessions.saturating_sub(1);
        here.turn += 1;
        if here.sessions > 0 {
            return self.work.tell(clan_id, &user);
        }
        let turn = here.turn;
        drop(clans);
        let (node, clan_id) = (node.clone(), clan_id.clone());
        node.tasks.clone().spawn_until_stopped(async move {
            tokio::time::sleep(node.config().presence_grace).await;
            node.presences.depart(&clan_id, &user, turn);
        });
    }

    /// The grace is over: the user is gone from this node, unless something changed since.
    fn depart(&self, clan_id: &ClanId, user: &UserId, turn: u64) {
        let mut clans = self.clans.lock();
        let Some(clan) = clans.get_mut(clan_id) else { return };
        if clan.users.get(user).is_none_or(|here| here.turn != turn) {
            return;
        }
        clan.users.remove(user);
        if clan.users.is_empty() && clan.watchers.is_empty() {
            clans.remove(clan_id);
        }
        self.work.tell(clan_id, user);
    }

    /// How many sessions count for a user here: one while the grace runs.
    fn sessions_here(&self, clan_id: &ClanId, user: &UserId) -> u32 {
        let clans = self.clans.lock();
        clans.get(clan_id).and_then(|clan| clan.users.get(user)).map_or(0, |here| here.sessions.max(1))
    }

    /// Takes a watcher, unless it has ended meanwhile.
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

    /// The store may have lost what this node told it: it is told again. Watchers who knew are told once more, which
    /// changes nothing for them.
    pub(crate) fn tell_again(&self) {
        let clans = self.clans.lock();
        for (clan_id, clan) in clans.iter() {
            clan.users.keys().for_each(|user| self.work.tell(clan_id, user));
        }
        drop(clans);
        self.tell_watchers_again();
    }

    /// Changes on other nodes may have been missed: watchers get a new snapshot. One that waits for a snapshot already
    /// waits for no second one.
    pub(crate) fn tell_watchers_again(&self) {
        let clans = self.clans.lock();
        for watcher in clans.values().flat_map(|clan| &clan.watchers) {
            if watcher.need_snapshot() {
                self.work.add(Job::Snapshot(watcher.clone()));
            }
        }
    }
}

/// The gateway is on its way out.
fn gone() -> StoreError {
    StoreError::Unavailable("presence has ended".into())
}

fn snapshot(clan_id: &ClanId, present: Present) -> Presence {
    let user = |(user_id, sessions)| PresentUser { user_id, sessions };
    Presence { clan_id: clan_id.clone(), users: present.users.into_iter().map(user).collect(), count: present.count }
}
