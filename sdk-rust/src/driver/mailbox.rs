//! The queue between the task and one stream: the machine's buffer behind a lock, and the waker of its reader.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    Delivery, Error, Position,
    machine::{Buffer, Overflow, Taken},
};

/// A bounded queue between the task and a stream.
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
    sweep: Arc<Notify>,
}

struct Inner {
    buffer: Buffer,
    dropped: bool,
    end: Option<Error>,
    waker: Option<Waker>,
}

impl Mailbox {
    pub(crate) fn new(capacity: usize, overflow: Overflow, sweep: Arc<Notify>) -> Self {
        let buffer = Buffer::new(capacity, overflow);
        Self { inner: Mutex::new(Inner { buffer, dropped: false, end: None, waker: None }), sweep }
    }

    /// Sets the position at which the stream begins.
    pub(crate) fn begin_at(&self, position: Option<Position>) {
        self.inner.lock().buffer.begin_at(position);
    }

    /// Queues a delivery. Returns it if the machine has to deliver it again.
    pub(crate) fn push(&self, delivery: Delivery) -> Option<Delivery> {
        let mut inner = self.inner.lock();
        if inner.dropped {
            return None;
        }
        let waker = inner.waker.take();
        let refused = inner.buffer.push(delivery);
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

    /// Returns the error with which the stream ended, or `None` while it has not ended.
    pub(crate) fn ended(&self) -> Option<Error> {
        self.inner.lock().end.clone()
    }

    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Taken>> {
        let mut inner = self.inner.lock();
        let taken = inner.buffer.take();
        if inner.buffer.is_drained() {
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

    /// Records that the app has dropped the stream, and clears the queue.
    pub(crate) fn drop_stream(&self) {
        let mut inner = self.inner.lock();
        inner.dropped = true;
        inner.buffer.clear();
        self.sweep.notify_one();
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.inner.lock().dropped
    }

    /// Returns whether a slow reader has caught up since the last call.
    pub(crate) fn take_drained(&self) -> bool {
        self.inner.lock().buffer.take_drained()
    }
}
