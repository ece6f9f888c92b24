//! The presence worker. It executes jobs one at a time, so that a client never receives a change before the snapshot
//! that the change follows.

use std::{sync::Arc, time::Duration};

use realtime_gateway_protocol::{PresenceChanged, PresenceStatus};

use super::{NAMED_USERS, Presence, snapshot, work::Job};
use crate::{
    bus::EphemeralBroadcast,
    delivery::{frame::Frame, hub::Subscription, outbound::Pushed},
    store::{Absent, PresenceChange, StoreError},
    topic::Topic,
};

/// The time before a job is retried after the store has not answered.
const STORE_RETRY: Duration = Duration::from_millis(250);

impl Presence {
    /// Handles a change that another node has broadcast.
    pub(crate) fn receive_change(&self, change: PresenceChanged) {
        if !self.work.announce(change) {
            self.refresh_watchers();
        }
    }

    /// Broadcasts that a user is offline because the user's last node has failed.
    pub(crate) fn broadcast_absent(&self, absent: &Absent) {
        let (clan_id, user_id) = (absent.clan.clone(), absent.user.clone());
        self.work.add(Job::Broadcast(PresenceChanged { clan_id, user_id, status: PresenceStatus::Offline }));
    }
}

impl Presence {
    /// Executes jobs until it is dropped.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let mut job = self.work.next().await;
            while let Err(error) = self.execute(&mut job).await {
                tracing::debug!(%error, "presence is waiting for the store");
                tokio::time::sleep(STORE_RETRY).await;
            }
        }
    }

    async fn execute(self: &Arc<Self>, job: &mut Job) -> Result<(), StoreError> {
        match job {
            Job::Store(clan_id, user_id) => {
                let sessions = self.sessions_here(clan_id, user_id);
                let change = self.parts.store.set_present(clan_id, user_id, sessions).await?;
                let status = match change {
                    PresenceChange::Came => PresenceStatus::Online,
                    PresenceChange::Left => PresenceStatus::Offline,
                    PresenceChange::None => return Ok(()),
                };
                let (clan_id, user_id) = (clan_id.clone(), user_id.clone());
                self.broadcast(PresenceChanged { clan_id, user_id, status });
            }
            Job::Read(clan_id, answer) => {
                // Do not query the store for a client that has stopped waiting.
                if answer.as_ref().is_some_and(|answer| !answer.is_closed()) {
                    let present = self.parts.store.present(clan_id, NAMED_USERS).await?;
                    answer.take().map(|answer| answer.send(present));
                }
            }
            Job::Watch(clan_id, subscription, answer) => {
                let present = self.parts.store.present(clan_id, NAMED_USERS).await?;
                self.watch(clan_id, subscription);
                subscription.recipient().outbound.push(Frame::encode_push(snapshot(clan_id, present).into()));
                answer.take().map(|answer| answer.send(()));
            }
            Job::Snapshot(subscription) => {
                let Topic::Clan(clan_id) = subscription.topic() else { return Ok(()) };
                if subscription.is_ended() {
                    return Ok(());
                }
                if !subscription.recipient().outbound.has_room_for_ephemeral() {
                    self.send_snapshot_later(subscription.clone());
                    return Ok(());
                }
                let present = self.parts.store.present(clan_id, NAMED_USERS).await?;
                // Changes may follow immediately: only this task sends them, so none can overtake the snapshot.
                subscription.snapshot_sent();
                subscription.recipient().outbound.push(Frame::encode_push(snapshot(clan_id, present).into()));
            }
            Job::Announce(change) => self.announce(change),
            Job::Broadcast(change) => self.broadcast(change.clone()),
        }
        Ok(())
    }

    /// Sends a change to the watchers on every node.
    fn broadcast(self: &Arc<Self>, change: PresenceChanged) {
        self.announce(&change);
        let topic = Topic::Clan(change.clan_id.clone());
        self.parts.bus.broadcast_ephemeral(&EphemeralBroadcast { topic, message: change.into() });
    }

    /// Sends a change to the watchers on this node. Slow watchers are sent a new snapshot later instead.
    fn announce(self: &Arc<Self>, change: &PresenceChanged) {
        let watchers = self.watchers(&change.clan_id);
        if watchers.is_empty() || self.parts.lease.is_lost() {
            return;
        }
        let frame = Frame::encode_push(change.clone().into());
        for watcher in watchers {
            // The snapshot that still has to be sent will contain this change.
            if watcher.needs_snapshot() {
                continue;
            }
            if watcher.recipient().outbound.push_ephemeral(frame.clone()) == Pushed::Dropped
                && watcher.request_snapshot()
            {
                let (clan, session) = (&change.clan_id, &watcher.recipient().session);
                tracing::debug!(%clan, %session, "presence changes are dropped until a snapshot can be sent");
                self.send_snapshot_later(watcher);
            }
        }
    }

    /// Sends a watcher a snapshot once its queue has room. Each watcher has at most one such task.
    fn send_snapshot_later(self: &Arc<Self>, watcher: Arc<Subscription>) {
        let presence = self.clone();
        self.parts.tasks.spawn_until_stopped(async move {
            if watcher.recipient().outbound.room_for_ephemeral().await && !watcher.is_ended() {
                presence.work.add(Job::Snapshot(watcher));
            }
        });
    }
}
