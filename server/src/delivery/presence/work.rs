//! The queue of presence jobs. One worker executes them in order.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use realtime_gateway_protocol::UserId;
use tokio::sync::{Notify, oneshot};

use super::message::Change;
use crate::{delivery::hub::Subscription, store::Present, topic::Topic};

/// The maximum number of waiting changes of other nodes. Beyond it, watchers get a new snapshot instead.
const WAITING_CHANGES: usize = 16_384;
/// The maximum number of waiting roster requests of clients. After an outage of the store many of them may be
/// abandoned.
const WAITING_REQUESTS: usize = 4_096;

/// A job of the presence worker.
pub(super) enum Job {
    /// Write the presence of a user in a topic on this node to the store.
    Store(Topic, UserId),
    /// Read the users of a topic for a client.
    Read(Topic, Option<oneshot::Sender<Present>>),
    /// Send a subscription a snapshot, and from then on every change.
    Watch(Arc<Subscription>, Option<oneshot::Sender<()>>),
    /// Send a subscription a new snapshot.
    Snapshot(Arc<Subscription>),
    /// Send a change on another node to the watchers on this node.
    Announce(Change),
    /// Send the changes of a topic that wait to be announced together to the watchers on this node.
    AnnounceBatch(Topic),
    /// Send a change to the watchers on all nodes. No other node sends it, because the node of the user has failed.
    Broadcast(Change),
}

/// The queue of jobs. The number of `Store` jobs is bounded by the subscriptions of this node, because there is at most
/// one for each user and topic.
#[derive(Default)]
pub(super) struct Work {
    waiting: Mutex<Waiting>,
    added: Notify,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    to_store: HashSet<(Topic, UserId)>,
    changes: usize,
    requests: usize,
}

impl Work {
    /// Adds a job that stores the presence of a user in a topic. If one is already waiting, that job stores what is
    /// current when it runs.
    pub(super) fn store(&self, topic: &Topic, user: &UserId) {
        let mut waiting = self.waiting.lock();
        if waiting.to_store.insert((topic.clone(), user.clone())) {
            waiting.jobs.push_back(Job::Store(topic.clone(), user.clone()));
            self.added.notify_one();
        }
    }

    /// Adds a job of a kind that its callers bound.
    pub(super) fn add(&self, job: Job) {
        self.waiting.lock().jobs.push_back(job);
        self.added.notify_one();
    }

    /// Adds a roster request of a client. Returns false when too many are waiting.
    pub(super) fn request_roster(&self, topic: &Topic, answer: oneshot::Sender<Present>) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.requests >= WAITING_REQUESTS {
            waiting.remove_abandoned_requests();
        }
        if waiting.requests >= WAITING_REQUESTS {
            return false;
        }
        waiting.requests += 1;
        waiting.jobs.push_back(Job::Read(topic.clone(), Some(answer)));
        self.added.notify_one();
        true
    }

    /// Adds a change on another node. Returns false when too many are waiting.
    pub(super) fn announce(&self, change: Change) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.changes >= WAITING_CHANGES {
            return false;
        }
        waiting.changes += 1;
        waiting.jobs.push_back(Job::Announce(change));
        self.added.notify_one();
        true
    }

    /// Waits for the next job.
    pub(super) async fn next(&self) -> Job {
        loop {
            if let Some(job) = self.take() {
                return job;
            }
            self.added.notified().await;
        }
    }

    fn take(&self) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        let job = waiting.jobs.pop_front()?;
        match &job {
            Job::Store(topic, user) => {
                waiting.to_store.remove(&(topic.clone(), user.clone()));
            }
            Job::Announce(_) => waiting.changes -= 1,
            Job::Read(..) => waiting.requests -= 1,
            Job::Watch(..) | Job::Snapshot(_) | Job::AnnounceBatch(_) | Job::Broadcast(_) => {}
        }
        Some(job)
    }
}

impl Waiting {
    fn remove_abandoned_requests(&mut self) {
        let is_abandoned =
            |job: &Job| matches!(job, Job::Read(_, answer) if answer.as_ref().is_none_or(oneshot::Sender::is_closed));
        let before = self.jobs.len();
        self.jobs.retain(|job| !is_abandoned(job));
        self.requests -= before - self.jobs.len();
    }
}
