//! Presence: who is in a clan, announced when a user comes, and when they have been gone for a while.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{ClanId, GetPresence, Presence, PresenceChanged, PresenceStatus, PresentUser, UserId};

use crate::{
    auth::Action, command_error::CommandError, frame::Frame, hub::Subscription, node::Node, outbound::Pushed,
    session::Session, topic::Topic,
};

/// How many users a `presence` message names.
const NAMED_USERS: usize = 200;

/// Who is present in which clan, on this node.
#[derive(Default)]
pub struct Presences {
    clans: Mutex<HashMap<ClanId, Clan>>,
}

#[derive(Default)]
struct Clan {
    users: BTreeMap<UserId, Present>,
    /// Subscriptions that asked to be told.
    watchers: Vec<Arc<Subscription>>,
}

#[derive(Default)]
struct Present {
    sessions: u32,
    /// Rises with every change, so that a departure that was taken back is not announced.
    turn: u64,
}

impl Presences {
    /// `presence`
    pub(crate) async fn read(node: &Arc<Node>, session: &Session, get: &GetPresence) -> Result<Presence, CommandError> {
        node.permissions.check(&session.identity(), Action::Read, &Topic::Clan(get.clan_id.clone())).await?;
        Ok(node.presences.snapshot(&get.clan_id))
    }

    /// Notes a subscription to a clan, and whether it wants to be told who comes and goes.
    pub(crate) fn came(&self, node: &Arc<Node>, clan_id: &ClanId, subscription: &Arc<Subscription>, watches: bool) {
        let user = &subscription.session().user;
        let mut clans = self.clans.lock();
        if subscription.is_ended() {
            return;
        }
        let clan = clans.entry(clan_id.clone()).or_default();
        let mut appeared = false;
        if subscription.set_present(true) {
            appeared = !clan.users.contains_key(user);
            let present = clan.users.entry(user.clone()).or_default();
            present.sessions += 1;
            present.turn += 1;
        }
        let missed = if appeared { clan.announce(clan_id, user, PresenceStatus::Online) } else { Vec::new() };
        if watches && !clan.watchers.iter().any(|watcher| Arc::ptr_eq(watcher, subscription)) {
            clan.watchers.push(subscription.clone());
        }
        if watches {
            subscription.session().outbound.push(Frame::push(clan.snapshot(clan_id).into()));
        }
        drop(clans);
        self.make_up(node, clan_id, missed);
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
        let Some(present) = clan.users.get_mut(&user) else { return };
        present.sessions = present.sessions.saturating_sub(1);
        present.turn += 1;
        if present.sessions > 0 {
            return;
        }
        let turn = present.turn;
        drop(clans);
        let (node, clan_id) = (node.clone(), clan_id.clone());
        node.tasks.clone().spawn_until_stopped(async move {
            tokio::time::sleep(node.config().presence_grace).await;
            node.presences.depart(&node, &clan_id, &user, turn);
        });
    }

    /// Announces that a user is gone, unless something changed since.
    fn depart(&self, node: &Arc<Node>, clan_id: &ClanId, user: &UserId, turn: u64) {
        let mut clans = self.clans.lock();
        let Some(clan) = clans.get_mut(clan_id) else { return };
        if clan.users.get(user).is_none_or(|present| present.turn != turn) {
            return;
        }
        clan.users.remove(user);
        let missed = clan.announce(clan_id, user, PresenceStatus::Offline);
        if clan.users.is_empty() {
            clans.remove(clan_id);
        }
        drop(clans);
        self.make_up(node, clan_id, missed);
    }

    /// Sends a new snapshot to those who could not take a change, once they can.
    fn make_up(&self, node: &Arc<Node>, clan_id: &ClanId, missed: Vec<Arc<Subscription>>) {
        for watcher in missed {
            let (node, clan_id) = (node.clone(), clan_id.clone());
            node.tasks.clone().spawn_until_stopped(async move {
                if watcher.session().outbound.room().await && !watcher.is_ended() {
                    watcher.session().outbound.push(Frame::push(node.presences.snapshot(&clan_id).into()));
                }
            });
        }
    }

    fn snapshot(&self, clan_id: &ClanId) -> Presence {
        let clans = self.clans.lock();
        let empty = Presence { clan_id: clan_id.clone(), users: Vec::new(), count: 0 };
        clans.get(clan_id).map_or(empty, |clan| clan.snapshot(clan_id))
    }
}

impl Clan {
    fn snapshot(&self, clan_id: &ClanId) -> Presence {
        let named = self.users.iter().take(NAMED_USERS);
        let users = named.map(|(user, present)| PresentUser { user_id: user.clone(), sessions: present.sessions });
        Presence { clan_id: clan_id.clone(), users: users.collect(), count: self.users.len() as u64 }
    }

    /// Tells the watchers of a change. Returns those who could not take it.
    fn announce(&self, clan_id: &ClanId, user: &UserId, status: PresenceStatus) -> Vec<Arc<Subscription>> {
        if self.watchers.is_empty() {
            return Vec::new();
        }
        let changed = PresenceChanged { clan_id: clan_id.clone(), user_id: user.clone(), status };
        let frame = Frame::push(changed.into());
        let missed =
            |watcher: &&Arc<Subscription>| watcher.session().outbound.push_ephemeral(frame.clone()) == Pushed::Dropped;
        self.watchers.iter().filter(missed).cloned().collect()
    }
}
