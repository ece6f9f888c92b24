//! A subscription: one session's position in one topic.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::local_topic::LocalTopic;
use crate::{
    delivery::{frame::Frame, recipient::Recipient},
    topic::Topic,
};

/// One session's subscription to one topic.
pub struct Subscription {
    recipient: Arc<Recipient>,
    local: Arc<LocalTopic>,
    /// The generation of the current replay, or `None` when the subscription has ended. It increases when the client
    /// subscribes again to the same topic, which ends the replay in progress.
    generation: Mutex<Option<u32>>,
    /// Whether the subscription counts towards the presence of its user.
    present: AtomicBool,
    /// Whether a presence snapshot has to be sent. Changes until then are not sent, because the snapshot contains them.
    snapshot_due: AtomicBool,
    /// Whether the client knows its position, which it does not in a topic without history.
    has_position: AtomicBool,
    /// The task that rechecks the permission.
    permission_watch: Mutex<Option<AbortHandle>>,
    /// The index in the topic's list of live subscriptions. It is read and written under the lock of the topic's state.
    pub(super) slot: AtomicUsize,
}

impl Subscription {
    /// The value of `slot` while the subscription is not live.
    pub(super) const NOT_LIVE: usize = usize::MAX;

    pub(super) fn new(recipient: Arc<Recipient>, local: Arc<LocalTopic>) -> Self {
        Self {
            recipient,
            local,
            generation: Mutex::new(Some(0)),
            present: AtomicBool::new(false),
            snapshot_due: AtomicBool::new(false),
            has_position: AtomicBool::new(true),
            permission_watch: Mutex::new(None),
            slot: AtomicUsize::new(Self::NOT_LIVE),
        }
    }

    /// Returns the recipient of the entries.
    pub fn recipient(&self) -> &Arc<Recipient> {
        &self.recipient
    }

    /// Returns the topic.
    pub fn topic(&self) -> &Topic {
        &self.local.topic
    }

    /// Returns whether the subscription has ended.
    pub fn is_ended(&self) -> bool {
        self.generation.lock().is_none()
    }

    /// Sets whether the subscription counts towards the presence of its user. Returns true if this is a change.
    pub(crate) fn set_present(&self, present: bool) -> bool {
        self.present.swap(present, Ordering::AcqRel) != present
    }

    /// Marks that a presence snapshot has to be sent. Returns false if it was marked already.
    pub(crate) fn request_snapshot(&self) -> bool {
        !self.snapshot_due.swap(true, Ordering::AcqRel)
    }

    /// Returns whether a presence snapshot has to be sent.
    pub(crate) fn needs_snapshot(&self) -> bool {
        self.snapshot_due.load(Ordering::Acquire)
    }

    /// Marks that the presence snapshot is being sent.
    pub(crate) fn snapshot_sent(&self) {
        self.snapshot_due.store(false, Ordering::Release);
    }

    /// Sets whether the client knows its position.
    pub(crate) fn set_has_position(&self, has_position: bool) {
        self.has_position.store(has_position, Ordering::Release);
    }

    /// Returns whether the client knows its position.
    pub(crate) fn has_position(&self) -> bool {
        self.has_position.load(Ordering::Acquire)
    }

    /// Sets the task that rechecks the permission, and aborts an earlier one. It is aborted when the subscription ends.
    pub(crate) fn set_permission_watch(&self, watch: AbortHandle) {
        let earlier = self.permission_watch.lock().replace(watch);
        if let Some(earlier) = earlier {
            earlier.abort();
        }
        // The subscription may have ended before the task was set.
        if self.is_ended() {
            self.abort_permission_watch();
        }
    }

    fn abort_permission_watch(&self) {
        if let Some(watch) = self.permission_watch.lock().take() {
            watch.abort();
        }
    }

    pub(super) fn local(&self) -> &Arc<LocalTopic> {
        &self.local
    }

    /// Ends the subscription. Returns true only for the first call.
    pub(super) fn end(&self) -> bool {
        let has_ended = self.generation.lock().take().is_some();
        self.abort_permission_watch();
        has_ended
    }

    /// Starts a new generation, which ends a replay in progress. Returns `None` when the subscription has ended.
    pub(super) fn next_generation(&self) -> Option<u32> {
        let mut generation = self.generation.lock();
        *generation = generation.map(|generation| generation + 1);
        *generation
    }

    pub(super) fn is_current(&self, generation: u32) -> bool {
        *self.generation.lock() == Some(generation)
    }

    /// Pushes replayed frames if the replay is still the current one. Holding the lock while pushing ensures that no
    /// frame follows the confirmation of an unsubscribe or of a newer subscribe.
    pub(super) fn push_replayed(&self, generation: u32, frames: &[Frame]) {
        let current = self.generation.lock();
        if *current == Some(generation) {
            self.recipient.outbound.push_paced(frames);
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subscription({})", self.topic().service())
    }
}
