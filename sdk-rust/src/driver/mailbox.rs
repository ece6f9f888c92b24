//! What lies between the task and one stream: a bounded queue that a slow reader cannot make anybody wait for.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{Delivery, Error, Event, Gap, GapReason, Position};

/// What becomes of a delivery that finds no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// The app is told of a gap; what is not an entry of a log goes without a word.
    Gap,
    /// It comes again once there is room.
    Redeliver,
    /// It is counted.
    Count,
}

/// A bounded queue between the task and a stream.
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
    sweep: Arc<Notify>,
    overflow: Overflow,
    capacity: usize,
}

#[derive(Default)]
struct Inner {
    queue: VecDeque<Delivery>,
    /// The position once everything queued has been read.
    tail: Option<Position>,
    gap: Option<Gap>,
    missed: u64,
    drained: bool,
    dropped: bool,
    end: Option<Error>,
    waker: Option<Waker>,
}

/// What a stream is given.
pub(crate) enum Taken {
    Delivery(Delivery),
    Missed(u64),
}

impl Mailbox {
    pub(crate) fn new(capacity: usize, overflow: Overflow, sweep: Arc<Notify>) -> Self {
        Self { inner: Mutex::default(), sweep, overflow, capacity: capacity.max(1) }
    }

    /// Where the stream begins.
    pub(crate) fn begin_at(&self, position: Option<Position>) {
        self.inner.lock().tail = position;
    }

    /// Queues a delivery. Returns one that has to come again.
    pub(crate) fn push(&self, delivery: Delivery) -> Option<Delivery> {
        let mut inner = self.inner.lock();
        let waker = inner.waker.take();
        let refused = inner.push(delivery, self.overflow, self.capacity);
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        refused
    }

    /// Ends the stream once everything queued has been read.
    pub(crate) fn end(&self, error: Error) {
        let mut inner = self.inner.lock();
        inner.end.get_or_insert(error);
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
    }

    /// Why the stream ended, once it has.
    pub(crate) fn ended(&self) -> Option<Error> {
        self.inner.lock().end.clone()
    }

    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Taken>> {
        let mut inner = self.inner.lock();
        let taken = inner.take(self.overflow);
        if inner.queue.is_empty() && inner.missed > 0 && self.overflow == Overflow::Redeliver {
            inner.missed = 0;
            inner.drained = true;
            self.sweep.notify_one();
        }
        match taken {
            Some(taken) => Poll::Ready(Some(taken)),
            None if inner.end.is_some() => Poll::Ready(None),
            None => {
                inner.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The app has let the stream go.
    pub(crate) fn drop_stream(&self) {
        let mut inner = self.inner.lock();
        inner.dropped = true;
        inner.queue = VecDeque::new();
        self.sweep.notify_one();
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.inner.lock().dropped
    }

    /// Whether a reader that was too slow has caught up since this was last asked.
    pub(crate) fn take_drained(&self) -> bool {
        std::mem::take(&mut self.inner.lock().drained)
    }
}

impl Inner {
    fn push(&mut self, delivery: Delivery, overflow: Overflow, capacity: usize) -> Option<Delivery> {
        if self.dropped {
            return None;
        }
        let full = self.queue.len() >= capacity;
        match overflow {
            Overflow::Gap if delivery.position.is_none() => {
                // Typing and presence are the first to go.
                if self.queue.len() < capacity.div_ceil(2) && self.gap.is_none() {
                    self.queue.push_back(delivery);
                }
            }
            Overflow::Gap if full || self.gap.is_some() => self.widen_gap(delivery),
            // Later ones wait with the first that found no room, so that they come in order.
            Overflow::Redeliver if full || self.missed > 0 || self.drained => {
                self.missed += 1;
                return Some(delivery);
            }
            Overflow::Count if full || self.missed > 0 => self.missed += 1,
            _ => {
                if delivery.position.is_some() {
                    self.tail.clone_from(&delivery.position);
                }
                self.queue.push_back(delivery);
            }
        }
        None
    }

    fn widen_gap(&mut self, delivery: Delivery) {
        let Some(after) = delivery.position else { return };
        let mut reason = GapReason::Slow;
        let mut before = self.tail.as_ref().map_or(0, |tail| tail.offset);
        if let Event::Gap(gap) = delivery.event {
            reason = gap.reason;
        }
        if let Some(gap) = &self.gap {
            before = gap.before;
            if reason == GapReason::Slow {
                reason = gap.reason;
            }
        }
        self.gap = Some(Gap { before, after, reason });
    }

    fn take(&mut self, overflow: Overflow) -> Option<Taken> {
        if let Some(delivery) = self.queue.pop_front() {
            return Some(Taken::Delivery(delivery));
        }
        if let Some(gap) = self.gap.take() {
            self.tail = Some(gap.after.clone());
            return Some(Taken::Delivery(Delivery { position: self.tail.clone(), event: Event::Gap(gap) }));
        }
        (overflow == Overflow::Count && self.missed > 0).then(|| Taken::Missed(std::mem::take(&mut self.missed)))
    }
}
