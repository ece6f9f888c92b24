//! Does the work of presence, one thing after the other, so that nobody sees a change before the snapshot it follows.

use std::{sync::Arc, time::Duration};

use realtime_gateway_protocol::{PresenceChanged, PresenceStatus};

use super::{NAMED_USERS, Presences, snapshot, work::Job};
use crate::{
    bus::Whisper,
    frame::Frame,
    hub::Subscription,
    node::Node,
    outbound::Pushed,
    store::{Absent, PresenceChange, StoreError},
    topic::Topic,
};

/// How long to wait before a store is asked again that did not answer.
const STORE_RETRY: Duration = Duration::from_millis(250);

impl Presences {
    /// A change that another node tells of.
    pub(crate) fn heard(&self, change: PresenceChanged) {
        if !self.work.announce(change) {
            self.tell_watchers_again();
        }
    }

    /// A user who is nowhere any more, because their node is gone.
    pub(crate) fn is_gone(&self, absent: &Absent) {
        let (clan_id, user_id) = (absent.clan.clone(), absent.user.clone());
        self.work.add(Job::Spread(PresenceChanged { clan_id, user_id, status: PresenceStatus::Offline }));
    }
}

impl Node {
    /// Works for ever.
    pub(crate) async fn keep_presence(self: Arc<Self>) {
        loop {
            let mut job = self.presences.work.next().await;
            while let Err(error) = self.do_presence(&mut job).await {
                tracing::debug!(%error, "presence waits for the store");
                tokio::time::sleep(STORE_RETRY).await;
            }
        }
    }

    async fn do_presence(self: &Arc<Self>, job: &mut Job) -> Result<(), StoreError> {
        match job {
            Job::Tell(clan_id, user_id) => {
                let sessions = self.presences.sessions_here(clan_id, user_id);
                let change = self.store.set_present(clan_id, user_id, sessions).await?;
                let status = match change {
                    PresenceChange::Came => PresenceStatus::Online,
                    PresenceChange::Left => PresenceStatus::Offline,
                    PresenceChange::None => return Ok(()),
                };
                let (clan_id, user_id) = (clan_id.clone(), user_id.clone());
                self.spread(PresenceChanged { clan_id, user_id, status });
            }
            Job::Look(clan_id, asker) => {
                // A client that has gone on in the meantime costs no question.
                if asker.as_ref().is_some_and(|asker| !asker.is_closed()) {
                    let present = self.store.present(clan_id, NAMED_USERS).await?;
                    asker.take().map(|asker| asker.send(present));
                }
            }
            Job::Watch(clan_id, subscription, asker) => {
                let present = self.store.present(clan_id, NAMED_USERS).await?;
                self.presences.watch(clan_id, subscription);
                subscription.session().outbound.push(Frame::push(snapshot(clan_id, present).into()));
                asker.take().map(|asker| asker.send(()));
            }
            Job::Snapshot(subscription) => {
                let Topic::Clan(clan_id) = subscription.topic() else { return Ok(()) };
                if subscription.is_ended() {
                    return Ok(());
                }
                if !subscription.session().outbound.is_calm() {
                    self.make_up(subscription.clone());
                    return Ok(());
                }
                let present = self.store.present(clan_id, NAMED_USERS).await?;
                // Changes follow from here on: only this task sends them.
                subscription.got_snapshot();
                subscription.session().outbound.push(Frame::push(snapshot(clan_id, present).into()));
            }
            Job::Announce(change) => self.announce(change),
            Job::Spread(change) => self.spread(change.clone()),
        }
        Ok(())
    }

    /// Tells the watchers on every node.
    fn spread(self: &Arc<Self>, change: PresenceChanged) {
        self.announce(&change);
        let topic = Topic::Clan(change.clan_id.clone());
        self.bus.whisper(&Whisper { topic, message: change.into() });
    }

    /// Tells the watchers on this node. Those who cannot take it get a new snapshot once they can.
    fn announce(self: &Arc<Self>, change: &PresenceChanged) {
        let watchers = self.presences.watchers(&change.clan_id);
        if watchers.is_empty() || self.lease.is_lost() {
            return;
        }
        let frame = Frame::push(change.clone().into());
        for watcher in watchers {
            // A snapshot that is still to be sent holds this change.
            if watcher.needs_snapshot() {
                continue;
            }
            if watcher.session().outbound.push_ephemeral(frame.clone()) == Pushed::Dropped && watcher.need_snapshot() {
                let (clan, session) = (&change.clan_id, &watcher.session().id);
                tracing::debug!(%clan, %session, "changes of presence are dropped until a snapshot can be sent");
                self.make_up(watcher);
            }
        }
    }

    /// Sends a watcher its snapshot once it has read enough. There is one such task for each watcher at most.
    fn make_up(self: &Arc<Self>, watcher: Arc<Subscription>) {
        let node = self.clone();
        self.tasks.spawn_until_stopped(async move {
            if watcher.session().outbound.calm().await && !watcher.is_ended() {
                node.presences.work.add(Job::Snapshot(watcher));
            }
        });
    }
}
