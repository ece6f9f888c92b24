//! A subscription: one session's position in one topic.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::local_topic::LocalTopic;
use crate::{frame::Frame, session::Session, topic::Topic};

/// One session's subscription to one topic.
pub struct Subscription {
    session: Arc<Session>,
    local: Arc<LocalTopic>,
    /// Rises when the client asks anew for what it is subscribed to, which ends a replay under way; none when the
    /// subscription is over.
    turn: Mutex<Option<u32>>,
    /// Whether it counts towards its user's presence.
    present: AtomicBool,
    /// Whether it is to be sent a presence snapshot, which stands for all changes until then.
    snapshot_due: AtomicBool,
    /// The task that asks for its permission again.
    permission_watch: OnceLock<AbortHandle>,
    /// Its place in the topic's list of live subscriptions. Read and written under the topic's lock.
    pub(super) slot: AtomicUsize,
}

impl Subscription {
    /// The slot of a subscription that is not live.
    pub(super) const NOT_LIVE: usize = usize::MAX;

    pub(super) fn new(session: Arc<Session>, local: Arc<LocalTopic>) -> Self {
        Self {
            session,
            local,
            turn: Mutex::new(Some(0)),
            present: AtomicBool::new(false),
            snapshot_due: AtomicBool::new(false),
            permission_watch: OnceLock::new(),
            slot: AtomicUsize::new(Self::NOT_LIVE),
        }
    }

    /// Whose it is.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// To what.
    pub fn topic(&self) -> &Topic {
        &self.local.topic
    }

    /// Whether it is over.
    pub fn is_ended(&self) -> bool {
        self.turn.lock().is_none()
    }

    /// Counts it towards its user's presence, or no longer; true when that changes something.
    pub(crate) fn set_present(&self, present: bool) -> bool {
        self.present.swap(present, Ordering::AcqRel) != present
    }

    /// Notes that it is to be sent a presence snapshot; false when it was already.
    pub(crate) fn need_snapshot(&self) -> bool {
        !self.snapshot_due.swap(true, Ordering::AcqRel)
    }

    /// Whether it is to be sent a presence snapshot.
    pub(crate) fn needs_snapshot(&self) -> bool {
        self.snapshot_due.load(Ordering::Acquire)
    }

    /// Notes that it is being sent its presence snapshot.
    pub(crate) fn got_snapshot(&self) {
        self.snapshot_due.store(false, Ordering::Release);
    }

    /// Takes the task that asks for its permission again, which ends with the subscription.
    pub(crate) fn set_permission_watch(&self, watch: AbortHandle) {
        if let Err(second) = self.permission_watch.set(watch) {
            second.abort();
        }
    }

    pub(super) fn local(&self) -> &Arc<LocalTopic> {
        &self.local
    }

    /// Ends it; true the first time.
    pub(super) fn end(&self) -> bool {
        if let Some(watch) = self.permission_watch.get() {
            watch.abort();
        }
        self.turn.lock().take().is_some()
    }

    /// Begins a replay; any other of this subscription is over. None when the subscription is.
    pub(super) fn next_turn(&self) -> Option<u32> {
        let mut turn = self.turn.lock();
        *turn = turn.map(|turn| turn + 1);
        *turn
    }

    pub(super) fn is_turn(&self, turn: u32) -> bool {
        *self.turn.lock() == Some(turn)
    }

    /// Sends what a replay has read, unless the replay is over: then nothing may follow what the client was told.
    pub(super) fn push_in_turn(&self, turn: u32, frames: &[Frame]) {
        let current = self.turn.lock();
        if *current == Some(turn) {
            self.session.outbound.push_paced(frames);
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subscription({})", self.topic().service())
    }
}
