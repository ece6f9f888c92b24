//! A subscription: one session's position in one topic.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
};

use super::local_topic::LocalTopic;
use crate::{session::Session, topic::Topic};

/// One session's subscription to one topic.
pub struct Subscription {
    session: Arc<Session>,
    local: Arc<LocalTopic>,
    ended: AtomicBool,
    /// Rises when the client asks anew for what it is subscribed to, which ends a replay under way.
    turn: AtomicU32,
    /// Whether it counts towards its user's presence.
    present: AtomicBool,
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
            ended: AtomicBool::new(false),
            turn: AtomicU32::new(0),
            present: AtomicBool::new(false),
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
        self.ended.load(Ordering::Acquire)
    }

    /// Counts it towards its user's presence, or no longer; true when that changes something.
    pub(crate) fn set_present(&self, present: bool) -> bool {
        self.present.swap(present, Ordering::AcqRel) != present
    }

    pub(super) fn local(&self) -> &Arc<LocalTopic> {
        &self.local
    }

    /// Ends it; true the first time.
    pub(super) fn end(&self) -> bool {
        !self.ended.swap(true, Ordering::AcqRel)
    }

    pub(super) fn next_turn(&self) -> u32 {
        self.turn.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub(super) fn is_turn(&self, turn: u32) -> bool {
        self.turn.load(Ordering::Acquire) == turn && !self.is_ended()
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subscription({})", self.topic().service())
    }
}
