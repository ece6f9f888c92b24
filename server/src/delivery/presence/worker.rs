//! The presence worker. It executes jobs one at a time, so that a client never receives a change before the snapshot
//! that the change follows.

use std::{sync::Arc, time::Duration};

use realtime_gateway_protocol::ServerMessage;

use super::{
    Presence,
    message::{Change, ChangeKind, NAMED_USERS, snapshot},
    work::Job,
};
use crate::{
    bus::EphemeralBroadcast,
    delivery::{frame::Frame, hub::Subscription, outbound::Pushed},
    store::{Absent, PresenceChange, Present, StoreError},
    topic::Topic,
};

/// The time before a job is retried after the store has not answered.
const STORE_RETRY: Duration = Duration::from_millis(250);
/// How long changes of a large topic wait to be announced together.
const BATCH_INTERVAL: Duration = Duration::from_secs(1);

impl Presence {
    /// Handles a change that another node has broadcast.
    pub(crate) fn receive_change(&self, change: Change) {
        if !self.work.announce(change) {
            self.refresh_watchers();
        }
    }

    /// Broadcasts that a user is offline because the user's last node has failed.
    pub(crate) fn broadcast_absent(&self, absent: &Absent) {
        let (topic, user) = (absent.topic.clone(), absent.user.clone());
        self.work.add(Job::Broadcast(Change { topic, user, kind: ChangeKind::Offline }));
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
            Job::Store(topic, user) => {
                let here = self.presence_here(topic, user);
                let change = self.parts.store.set_present(topic, user, here.presence.clone()).await?;
                self.stored(topic, user, here.generation);
                let kind = match (change, here.presence.data) {
                    (PresenceChange::Came, data) => ChangeKind::Online(data),
                    (PresenceChange::Left, _) => ChangeKind::Offline,
                    (PresenceChange::Updated, Some(data)) => ChangeKind::Updated(data),
                    (PresenceChange::Updated, None) | (PresenceChange::None, _) => return Ok(()),
                };
                self.broadcast(Change { topic: topic.clone(), user: user.clone(), kind });
            }
            Job::Read(topic, answer) => {
                // Do not query the store for a client that has stopped waiting.
                if answer.as_ref().is_some_and(|answer| !answer.is_closed()) {
                    let present = self.parts.store.present(topic, NAMED_USERS).await?;
                    answer.take().map(|answer| answer.send(present));
                }
            }
            Job::Watch(subscription, answer) => {
                let present = self.parts.store.present(subscription.topic(), NAMED_USERS).await?;
                self.watch(subscription, present.count);
                push_snapshot(subscription, present);
                answer.take().map(|answer| answer.send(()));
            }
            Job::Snapshot(subscription) => {
                if subscription.is_ended() {
                    return Ok(());
                }
                if !subscription.recipient().outbound.has_room_for_ephemeral() {
                    self.send_snapshot_later(subscription.clone());
                    return Ok(());
                }
                let present = self.parts.store.present(subscription.topic(), NAMED_USERS).await?;
                self.counted(subscription.topic(), present.count);
                // Changes may follow immediately: only this task sends them, so none can overtake the snapshot.
                subscription.snapshot_sent();
                push_snapshot(subscription, present);
            }
            Job::Announce(change) => self.announce(change),
            Job::AnnounceBatch(topic) => self.announce_batch(topic).await?,
            Job::Broadcast(change) => self.broadcast(change.clone()),
        }
        Ok(())
    }

    /// Sends a change to the watchers on every node.
    fn broadcast(self: &Arc<Self>, change: Change) {
        self.announce(&change);
        if let Some(message) = change.message() {
            self.parts.bus.broadcast_ephemeral(&EphemeralBroadcast { topic: change.topic, message });
        }
    }

    /// Sends a change to the watchers on this node: immediately, or in a large topic together with the other changes of a
    /// second.
    fn announce(self: &Arc<Self>, change: &Change) {
        let watchers = {
            let mut topics = self.topics.lock();
            let Some(here) = topics.get_mut(&change.topic).filter(|here| !here.watchers.is_empty()) else { return };
            match change.kind {
                ChangeKind::Online(_) => here.count += 1,
                ChangeKind::Offline => here.count = here.count.saturating_sub(1),
                ChangeKind::Updated(_) => {}
            }
            // A change must not overtake an earlier one that waits.
            if here.batch.is_some() || here.count > self.parts.config.get().presence_max_announced {
                if here.batch.is_none() {
                    self.announce_batch_later(change.topic.clone());
                }
                here.batch.get_or_insert_default().add(change);
                return;
            }
            here.watchers.clone()
        };
        if let Some(message) = change.message() {
            self.send_to_watchers(&change.topic, watchers, message);
        }
    }

    /// Announces what waits in a topic a second later. Each topic has at most one such task.
    fn announce_batch_later(self: &Arc<Self>, topic: Topic) {
        let presence = self.clone();
        self.parts.tasks.spawn_until_stopped(async move {
            tokio::time::sleep(BATCH_INTERVAL).await;
            presence.work.add(Job::AnnounceBatch(topic));
        });
    }

    /// Sends the watchers on this node the changes that wait in a topic, as one message.
    async fn announce_batch(self: &Arc<Self>, topic: &Topic) -> Result<(), StoreError> {
        // Read before the changes are taken, so that they still wait when the store does not answer. No change is added in
        // between, because only this task adds them.
        let present = self.parts.store.present(topic, NAMED_USERS).await?;
        let (watchers, batch) = {
            let mut topics = self.topics.lock();
            let Some(here) = topics.get_mut(topic) else { return Ok(()) };
            here.count = present.count;
            (here.watchers.clone(), here.batch.take())
        };
        let Some(batch) = batch else { return Ok(()) };
        if let Some(message) = batch.message(topic, present.count).or_else(|| snapshot(topic, present)) {
            self.send_to_watchers(topic, watchers, message);
        }
        Ok(())
    }

    /// Sends a message to watchers. Slow watchers are sent a new snapshot later instead.
    fn send_to_watchers(self: &Arc<Self>, topic: &Topic, watchers: Vec<Arc<Subscription>>, message: ServerMessage) {
        if self.parts.lease.is_lost() {
            return;
        }
        let frame = Frame::encode_push(message);
        for watcher in watchers {
            // The snapshot that still has to be sent will contain this change.
            if watcher.needs_snapshot() {
                continue;
            }
            if watcher.recipient().outbound.push_ephemeral(frame.clone()) == Pushed::Dropped
                && watcher.request_snapshot()
            {
                let session = &watcher.recipient().session;
                tracing::debug!(%topic, %session, "presence changes are dropped until a snapshot can be sent");
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

fn push_snapshot(subscription: &Subscription, present: Present) {
    if let Some(message) = snapshot(subscription.topic(), present) {
        subscription.recipient().outbound.push(Frame::encode_push(message));
    }
}
