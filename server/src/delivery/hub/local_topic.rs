//! A topic on this node: its cursor, its live subscriptions, and the delivery of entries in offset order.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{ResetReason, stored::Delivery};

use super::{Hub, Subscription, reader};
use crate::{
    delivery::{entry::reset_message, frame::Frame, outbound::Outbound},
    store::{Entry, Epoch, NoticeEntry, Page},
    topic::Topic,
};

/// The maximum number of entries that are kept after a gap until the gap has been read.
const EARLY_ENTRIES: usize = 64;

/// A topic that has a subscriber on this node.
pub(super) struct LocalTopic {
    pub(super) topic: Topic,
    references: AtomicUsize,
    /// Entries of append notices that no task has handled yet.
    received: Mutex<VecDeque<(Epoch, NoticeEntry)>>,
    /// Held by the task that handles `received`, so that other tasks do not wait for a fan-out in progress. It is
    /// separate from `state`, because tasks that hold `state` for other reasons do not handle `received`: an entry that
    /// arrived meanwhile would wait until the next one arrives.
    handling: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The offset up to which the live subscriptions were sent entries. `None` until the first head was read.
    cursor: Option<u64>,
    epoch: Option<Epoch>,
    live: Vec<Live>,
    /// Entries after a gap, which wait until the gap has been read.
    early: BTreeMap<u64, Arc<Entry>>,
    catching_up: bool,
    /// The highest offset that a notice without its entry, or a head of the log, has named since the catch-up began its
    /// last read. The page of that read may end before it.
    announced: u64,
    /// Whether a notice or a head of another epoch has arrived since the catch-up began its last read. The page of that
    /// read may be of the epoch before.
    other_epoch: bool,
}

/// A live subscription. What a delivery needs is copied here, because following the references of thousands of
/// subscriptions that are in no cache costs as much as the rest of a delivery.
struct Live {
    subscription: Arc<Subscription>,
    /// The queue of the recipient.
    outbound: Arc<Outbound>,
    /// Whether the recipient is known to support extensions. Once it does, it always does.
    supports_extensions: bool,
    /// Entries up to this offset were replayed already.
    position: u64,
}

impl Live {
    fn new(subscription: Arc<Subscription>, position: u64) -> Self {
        let recipient = subscription.recipient();
        let (outbound, supports_extensions) = (Arc::clone(&recipient.outbound), recipient.supports_extensions());
        Self { subscription, outbound, supports_extensions, position }
    }

    fn supports_extensions(&mut self) -> bool {
        self.supports_extensions = self.supports_extensions || self.subscription.recipient().supports_extensions();
        self.supports_extensions
    }
}

/// Whether a catch-up is complete after a page was delivered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CatchUp {
    /// The cursor is at the head.
    Done,
    /// More entries have to be read after the cursor.
    More,
}

impl LocalTopic {
    pub(super) fn new(topic: Topic) -> Self {
        Self {
            topic,
            references: AtomicUsize::new(0),
            received: Mutex::default(),
            handling: Mutex::default(),
            state: Mutex::default(),
        }
    }

    /// Adds a reference, which keeps the topic in its table. Call it under the table's lock or while holding another
    /// reference, so that the topic is not removed concurrently.
    pub(super) fn acquire(&self) {
        self.references.fetch_add(1, Ordering::AcqRel);
    }

    /// Releases a reference. Returns true for the last one. Call it under the table's lock.
    pub(super) fn release(&self) -> bool {
        self.references.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Initializes the cursor for the first subscriber on this node, at the head that was read from the store.
    pub(super) fn begin_at(self: &Arc<Self>, hub: &Arc<Hub>, epoch: &Epoch, head: u64) {
        let mut state = self.state.lock();
        if state.cursor.is_none() {
            state.cursor = Some(head);
            state.epoch = Some(epoch.clone());
            self.advance(hub, &mut state, Vec::new());
        } else {
            self.compare_state(hub, &mut state, epoch, head);
        }
    }

    /// Handles the entry of an append notice.
    pub(super) fn receive(self: &Arc<Self>, hub: &Arc<Hub>, epoch: &Epoch, entry: NoticeEntry) {
        self.received.lock().push_back((epoch.clone(), entry));
        // A task that cannot lock `handling` leaves its entry to the task that holds it. That task checks `received`
        // again after releasing the lock, so no entry is left behind.
        while !self.received.lock().is_empty() {
            let Some(_handling) = self.handling.try_lock() else { return };
            let received = std::mem::take(&mut *self.received.lock());
            let mut state = self.state.lock();
            let mut entries = Vec::with_capacity(received.len());
            for (epoch, entry) in received {
                match (&state.epoch, entry) {
                    (Some(current), _) if *current != epoch => self.receive_other_epoch(hub, &mut state),
                    (_, NoticeEntry::Included(entry)) => entries.push(entry),
                    (_, NoticeEntry::Omitted(offset)) => state.announced = state.announced.max(offset),
                }
            }
            self.advance(hub, &mut state, entries);
        }
    }

    /// Delivers entries in offset order. Entries at or below the cursor are dropped as duplicates, entries after a gap
    /// are kept until the gap has been read. Starts to catch up if entries are missing afterwards.
    fn advance(self: &Arc<Self>, hub: &Arc<Hub>, state: &mut State, entries: Vec<Arc<Entry>>) {
        let Some(mut cursor) = state.cursor else {
            state.early.extend(entries.into_iter().map(|entry| (entry.offset, entry)).take(EARLY_ENTRIES));
            return;
        };
        let mut next = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.offset == cursor + 1 {
                cursor += 1;
                next.push(entry);
            } else if entry.offset > cursor + 1 {
                state.early.insert(entry.offset, entry);
            }
            while let Some(early) = state.early.remove(&(cursor + 1)) {
                cursor += 1;
                next.push(early);
            }
        }
        state.early = state.early.split_off(&(cursor + 1));
        self.deliver(hub, state, &next);
        state.cursor = Some(cursor);
        while state.early.len() > EARLY_ENTRIES {
            state.early.pop_last();
        }
        if !state.early.is_empty() || cursor < state.announced {
            self.catch_up(hub, state);
        }
    }

    /// Encodes each entry once and pushes all frames to each live subscription, with one wake per connection.
    fn deliver(&self, hub: &Hub, state: &mut State, entries: &[Arc<Entry>]) {
        let (Some(first), false) = (entries.first(), state.live.is_empty()) else { return };
        let epoch = state.epoch.clone().unwrap_or_default();
        let encode = |entry: &Arc<Entry>| (hub.encode)(&self.topic, &epoch, entry, Delivery::First);
        let frames: Vec<Frame> = entries.iter().map(encode).collect();
        let plain = frames.iter().all(|frame| !frame.is_extension());
        for live in &mut state.live {
            if live.position < first.offset && (plain || live.supports_extensions()) {
                live.outbound.push_all(&frames);
                continue;
            }
            for (entry, frame) in entries.iter().zip(&frames) {
                if entry.offset > live.position && (!frame.is_extension() || live.supports_extensions()) {
                    live.outbound.push(frame.clone());
                }
            }
        }
    }

    /// Handles a notice or a head of another epoch. Only reading the log can tell which of the two is newer.
    fn receive_other_epoch(self: &Arc<Self>, hub: &Arc<Hub>, state: &mut State) {
        state.other_epoch = true;
        self.catch_up(hub, state);
    }

    /// Starts the task that reads the gap after the cursor from the log, unless it is running. What the caller has
    /// recorded in the state makes a running task read again.
    fn catch_up(self: &Arc<Self>, hub: &Arc<Hub>, state: &mut State) {
        if !state.catching_up {
            state.catching_up = true;
            self.acquire();
            let reading = reader::catch_up(hub.clone(), self.clone());
            // After a panic of its reader the topic would never catch up again, so the supervisor is notified.
            hub.tasks.spawn_until_stopped(hub.tasks.supervisor().watch_panics("topic reader", reading));
        }
    }

    /// Starts to catch up if the log's epoch or head shows that the topic is behind.
    pub(super) fn compare(self: &Arc<Self>, hub: &Arc<Hub>, epoch: &Epoch, head: u64) {
        self.compare_state(hub, &mut self.state.lock(), epoch, head);
    }

    /// Compares with the state that the caller has locked. If the cursor is before the head, a notice has not arrived yet
    /// or was lost.
    fn compare_state(self: &Arc<Self>, hub: &Arc<Hub>, state: &mut State, epoch: &Epoch, head: u64) {
        if state.epoch.as_ref().is_some_and(|current| current != epoch) {
            self.receive_other_epoch(hub, state);
        } else {
            state.announced = state.announced.max(head);
            self.advance(hub, state, Vec::new());
        }
    }

    /// Returns the offset after which missing entries have to be read. Everything that was received before the read begins
    /// is in the log by then, so it does not require a further read.
    pub(super) fn begin_read(&self) -> u64 {
        let mut state = self.state.lock();
        (state.announced, state.other_epoch) = (0, false);
        state.cursor.unwrap_or(0)
    }

    /// Delivers a page of missing entries, or sends the subscriptions a reset when entries were trimmed or lost.
    pub(super) fn apply_page(self: &Arc<Self>, hub: &Arc<Hub>, page: Page) -> CatchUp {
        let mut state = self.state.lock();
        let cursor = state.cursor.unwrap_or(0);
        if state.epoch.as_ref().is_some_and(|epoch| *epoch != page.epoch) {
            self.reset(hub, &mut state, &page.epoch, page.bounds.head, ResetReason::EpochChanged);
        } else if page.bounds.floor > cursor + 1 {
            self.reset(hub, &mut state, &page.epoch, page.bounds.floor - 1, ResetReason::Trimmed);
        } else if let Some(lost) = page.lost.filter(|lost| lost.last > cursor) {
            self.reset(hub, &mut state, &page.epoch, lost.last, ResetReason::Lost);
        } else {
            let entries: Vec<_> =
                page.entries.into_iter().filter(|entry| entry.offset > cursor).map(Arc::new).collect();
            self.deliver(hub, &mut state, &entries);
            state.cursor = Some(cursor.max(page.next));
        }
        self.advance(hub, &mut state, Vec::new());
        let cursor = state.cursor.unwrap_or(0);
        if cursor >= page.bounds.head.max(state.announced) && !state.other_epoch && state.early.is_empty() {
            state.catching_up = false;
            return CatchUp::Done;
        }
        CatchUp::More
    }

    fn reset(&self, hub: &Hub, state: &mut State, epoch: &Epoch, offset: u64, reason: ResetReason) {
        hub.metrics.reset(&reason);
        let changed = reason == ResetReason::EpochChanged;
        let frame = Frame::encode_push(reset_message(&self.topic, epoch, offset, reason));
        for live in &mut state.live {
            if live.position >= offset && !changed {
                // The replay has passed this offset already and has sent the reset itself.
                continue;
            }
            live.position = offset;
            if live.subscription.has_position() && live.supports_extensions() {
                live.outbound.push(frame.clone());
            }
        }
        state.early.clear();
        state.epoch = Some(epoch.clone());
        state.cursor = Some(offset);
    }

    /// Makes a subscription live if its position has reached the cursor. Also returns true when the subscription has
    /// ended or a newer replay has started, because the calling replay is finished then.
    pub(super) fn go_live(&self, subscription: &Arc<Subscription>, generation: u32, position: u64) -> bool {
        let mut state = self.state.lock();
        if !subscription.is_current(generation) {
            return true;
        }
        Self::unlink(&mut state, subscription);
        if state.cursor.is_some_and(|cursor| position < cursor) {
            return false;
        }
        subscription.slot.store(state.live.len(), Ordering::Relaxed);
        state.live.push(Live::new(subscription.clone(), position));
        true
    }

    pub(super) fn remove(&self, subscription: &Arc<Subscription>) {
        Self::unlink(&mut self.state.lock(), subscription);
    }

    fn unlink(state: &mut State, subscription: &Subscription) {
        let slot = subscription.slot.swap(Subscription::NOT_LIVE, Ordering::Relaxed);
        if slot < state.live.len() {
            state.live.swap_remove(slot);
            if let Some(moved) = state.live.get(slot) {
                moved.subscription.slot.store(slot, Ordering::Relaxed);
            }
        }
    }

    /// Returns the live subscriptions, for frames that are not entries of the log.
    pub(super) fn live(&self) -> Vec<Arc<Subscription>> {
        self.state.lock().live.iter().map(|live| live.subscription.clone()).collect()
    }

    /// Returns the cursor if the topic has live subscriptions.
    pub(super) fn served(&self) -> Option<u64> {
        let state = self.state.lock();
        if state.live.is_empty() { None } else { state.cursor }
    }
}
