//! A topic on this node: its cursor, its live subscriptions, and the delivery of entries in offset order.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use realtime_gateway_protocol::ResetReason;

use super::{Delivery, Hub, Subscription, reader};
use crate::{
    frame::Frame,
    services::reset_message,
    store::{Entry, Epoch, Page},
    topic::Topic,
};

/// How many entries that came too early are kept, until the gap before them is read.
const EARLY_ENTRIES: usize = 64;

/// A topic that has a subscriber on this node.
pub(super) struct LocalTopic {
    pub(super) topic: Topic,
    holds: AtomicUsize,
    /// Entries that were rung and not yet looked at. Whoever holds `state` looks at them, so that ringing never waits
    /// for a fan-out under way.
    rung: Mutex<VecDeque<(Epoch, Arc<Entry>)>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Up to where the live subscriptions have been served; none before the first head was read.
    cursor: Option<u64>,
    epoch: Option<Epoch>,
    live: Vec<Live>,
    /// Entries beyond the cursor's next, waiting for the gap to be read.
    early: BTreeMap<u64, Arc<Entry>>,
    catching_up: bool,
}

struct Live {
    subscription: Arc<Subscription>,
    /// Entries at or below it were replayed already.
    position: u64,
}

/// What is left to do after a page of missed entries was delivered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CatchUp {
    /// Nothing: the cursor is at the head.
    Done,
    /// Read on from the cursor.
    More,
}

impl LocalTopic {
    pub(super) fn new(topic: Topic) -> Self {
        Self { topic, holds: AtomicUsize::new(0), rung: Mutex::default(), state: Mutex::default() }
    }

    /// Keeps the topic in its table. Called under the table's lock, or while another hold is held.
    pub(super) fn hold(&self) {
        self.holds.fetch_add(1, Ordering::AcqRel);
    }

    /// Lets go; true when nobody holds the topic any more. Called under the table's lock.
    pub(super) fn release(&self) -> bool {
        self.holds.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// The first subscriber on a node makes the cursor, at the head that it read.
    pub(super) fn begin_at(self: &Arc<Self>, hub: &Arc<Hub>, epoch: &Epoch, head: u64) {
        let mut state = self.state.lock();
        if state.cursor.is_none() {
            state.cursor = Some(head);
            state.epoch = Some(epoch.clone());
            self.advance(hub, &mut state, Vec::new());
        } else if state.cursor.is_some_and(|cursor| cursor < head) {
            // A doorbell is on its way, or was lost: reading finds out.
            self.catch_up(hub, &mut state);
        }
    }

    /// Takes an entry that a doorbell brought.
    pub(super) fn ring(self: &Arc<Self>, hub: &Arc<Hub>, epoch: &Epoch, entry: Arc<Entry>) {
        self.rung.lock().push_back((epoch.clone(), entry));
        // Somebody who holds the state looks again after letting it go, so nothing stays behind.
        while !self.rung.lock().is_empty() {
            let Some(mut state) = self.state.try_lock() else { return };
            let rung = std::mem::take(&mut *self.rung.lock());
            let mut entries = Vec::with_capacity(rung.len());
            for (epoch, entry) in rung {
                match &state.epoch {
                    Some(current) if *current != epoch => self.catch_up(hub, &mut state),
                    _ => entries.push(entry),
                }
            }
            self.advance(hub, &mut state, entries);
        }
    }

    /// Delivers what comes next, in order: drops what is at or below the cursor, keeps what is too early.
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
        if !state.early.is_empty() {
            while state.early.len() > EARLY_ENTRIES {
                state.early.pop_last();
            }
            self.catch_up(hub, state);
        }
    }

    /// Encodes each entry once, and hands all of them to each subscription at once.
    fn deliver(&self, hub: &Hub, state: &mut State, entries: &[Arc<Entry>]) {
        let (Some(first), false) = (entries.first(), state.live.is_empty()) else { return };
        let encode = |entry: &Arc<Entry>| (hub.encode)(&self.topic, entry, Delivery::First);
        let frames: Vec<Frame> = entries.iter().map(encode).collect();
        let plain = frames.iter().all(|frame| !frame.is_addition());
        for live in &mut state.live {
            let session = live.subscription.session();
            if live.position < first.offset && (plain || session.is_extended()) {
                session.outbound.push_all(&frames);
                continue;
            }
            for (entry, frame) in entries.iter().zip(&frames) {
                if entry.offset > live.position && (session.is_extended() || !frame.is_addition()) {
                    session.outbound.push(frame.clone());
                }
            }
        }
    }

    /// Sees to it that the gap after the cursor is read from the log.
    fn catch_up(self: &Arc<Self>, hub: &Arc<Hub>, state: &mut State) {
        if !state.catching_up {
            state.catching_up = true;
            self.hold();
            let reading = reader::catch_up(hub.clone(), self.clone());
            // A topic whose reader panicked would be silent from then on.
            hub.tasks.spawn_until_stopped(hub.tasks.supervisor().watch_panics("topic reader", reading));
        }
    }

    /// Sees to it that the log is read, if it is known to be ahead of the cursor.
    pub(super) fn compare(self: &Arc<Self>, hub: &Arc<Hub>, epoch: &Epoch, head: u64) {
        let mut state = self.state.lock();
        let behind = state.cursor.is_some_and(|cursor| cursor < head);
        let stale = state.epoch.as_ref().is_some_and(|current| current != epoch);
        if behind || stale {
            self.catch_up(hub, &mut state);
        }
    }

    /// From where a reader of missed entries reads on.
    pub(super) fn missing_after(&self) -> u64 {
        self.state.lock().cursor.unwrap_or(0)
    }

    /// Delivers a page of missed entries, or tells the subscriptions that some can never be delivered.
    pub(super) fn take_page(self: &Arc<Self>, hub: &Arc<Hub>, page: Page) -> CatchUp {
        let mut state = self.state.lock();
        let cursor = state.cursor.unwrap_or(0);
        if state.epoch.as_ref().is_some_and(|epoch| *epoch != page.epoch) {
            self.reset(hub, &mut state, &page.epoch, page.ends.head, ResetReason::EpochChanged);
        } else if page.ends.floor > cursor + 1 {
            self.reset(hub, &mut state, &page.epoch, page.ends.floor - 1, ResetReason::Trimmed);
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
        if cursor >= page.ends.head && state.early.is_empty() {
            state.catching_up = false;
            return CatchUp::Done;
        }
        CatchUp::More
    }

    fn reset(&self, hub: &Hub, state: &mut State, epoch: &Epoch, offset: u64, reason: ResetReason) {
        hub.metrics.reset(&reason);
        let changed = reason == ResetReason::EpochChanged;
        let frame = Frame::push(reset_message(&self.topic, epoch, offset, reason));
        for live in &mut state.live {
            if live.position >= offset && !changed {
                // It was replayed beyond that already, and told then.
                continue;
            }
            live.position = offset;
            let session = live.subscription.session();
            if session.is_extended() {
                session.outbound.push(frame.clone());
            }
        }
        state.early.clear();
        state.epoch = Some(epoch.clone());
        state.cursor = Some(offset);
    }

    /// Makes a subscription live when its position has reached the cursor. True also when it has ended meanwhile.
    pub(super) fn go_live(&self, subscription: &Arc<Subscription>, turn: u32, position: u64) -> bool {
        let mut state = self.state.lock();
        if !subscription.is_turn(turn) {
            return true;
        }
        Self::unlink(&mut state, subscription);
        if state.cursor.is_some_and(|cursor| position < cursor) {
            return false;
        }
        subscription.slot.store(state.live.len(), Ordering::Relaxed);
        state.live.push(Live { subscription: subscription.clone(), position });
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

    /// The live subscriptions, for a frame that skips the log.
    pub(super) fn live(&self) -> Vec<Arc<Subscription>> {
        self.state.lock().live.iter().map(|live| live.subscription.clone()).collect()
    }

    /// The cursor, when somebody is live.
    pub(super) fn served(&self) -> Option<u64> {
        let state = self.state.lock();
        if state.live.is_empty() { None } else { state.cursor }
    }
}
