//! What is to be done for presence, one thing after the other.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{ClanId, PresenceChanged, UserId};
use tokio::sync::{Notify, oneshot};

use crate::{hub::Subscription, store::Present};

/// How many changes of other nodes may wait. Beyond it watchers get a new snapshot instead.
const WAITING_CHANGES: usize = 16_384;
/// How many clients' questions may wait, of which many may have gone on when the store was away.
const WAITING_LOOKS: usize = 4_096;

/// One thing to do.
pub(super) enum Job {
    /// Tell the store how many sessions this node has of a user in a clan.
    Tell(ClanId, UserId),
    /// Tell whoever asks who is in a clan.
    Look(ClanId, Option<oneshot::Sender<Present>>),
    /// Begin to tell a subscription of changes, with a snapshot first.
    Watch(ClanId, Arc<Subscription>, Option<oneshot::Sender<()>>),
    /// Send a subscription a new snapshot.
    Snapshot(Arc<Subscription>),
    /// Tell this node's watchers of a change elsewhere.
    Announce(PresenceChanged),
    /// Tell everybody of a change that no node of its own will tell of.
    Spread(PresenceChanged),
}

/// Things to do, in order. What the store is told is bounded by this node's subscriptions, because the same user in
/// the same clan waits once.
#[derive(Default)]
pub(super) struct Work {
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    told: HashSet<(ClanId, UserId)>,
    changes: usize,
    looks: usize,
}

impl Work {
    /// Has the store told of a user. Where that waits already, the later number is told.
    pub(super) fn tell(&self, clan: &ClanId, user: &UserId) {
        let mut waiting = self.waiting.lock();
        if waiting.told.insert((clan.clone(), user.clone())) {
            waiting.jobs.push_back(Job::Tell(clan.clone(), user.clone()));
            self.news.notify_one();
        }
    }

    /// Adds something that is bounded by those who ask for it.
    pub(super) fn add(&self, job: Job) {
        self.waiting.lock().jobs.push_back(job);
        self.news.notify_one();
    }

    /// Adds a client's question; false when too many wait.
    pub(super) fn look(&self, clan: &ClanId, asker: oneshot::Sender<Present>) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.looks >= WAITING_LOOKS {
            waiting.forget_looks_of_the_gone();
        }
        if waiting.looks >= WAITING_LOOKS {
            return false;
        }
        waiting.looks += 1;
        waiting.jobs.push_back(Job::Look(clan.clone(), Some(asker)));
        self.news.notify_one();
        true
    }

    /// Adds a change of another node; false when too many wait.
    pub(super) fn announce(&self, change: PresenceChanged) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.changes >= WAITING_CHANGES {
            return false;
        }
        waiting.changes += 1;
        waiting.jobs.push_back(Job::Announce(change));
        self.news.notify_one();
        true
    }

    /// The next thing to do.
    pub(super) async fn next(&self) -> Job {
        loop {
            if let Some(job) = self.take() {
                return job;
            }
            self.news.notified().await;
        }
    }

    fn take(&self) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        let job = waiting.jobs.pop_front()?;
        match &job {
            Job::Tell(clan, user) => {
                waiting.told.remove(&(clan.clone(), user.clone()));
            }
            Job::Announce(_) => waiting.changes -= 1,
            Job::Look(..) => waiting.looks -= 1,
            Job::Watch(..) | Job::Snapshot(_) | Job::Spread(_) => {}
        }
        Some(job)
    }
}

impl Waiting {
    fn forget_looks_of_the_gone(&mut self) {
        let is_gone =
            |job: &Job| matches!(job, Job::Look(_, asker) if asker.as_ref().is_none_or(oneshot::Sender::is_closed));
        let before = self.jobs.len();
        self.jobs.retain(|job| !is_gone(job));
        self.looks -= before - self.jobs.len();
    }
}
