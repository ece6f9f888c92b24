//! The outbound queue of one session: bounded in bytes, filled by anyone, emptied by its connection in few writes.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use realtime_gateway_protocol::CloseCode;

use crate::{
    frame::Frame,
    memory::{Footprint, MemoryBudget},
};

/// Frames that may be lost are not queued behind more bytes than this: what a client then reads is no longer current.
const EPHEMERAL: usize = 64 * 1024;

/// What became of a pushed frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits to be written.
    Queued,
    /// It was let go: it is ephemeral and the queue is under pressure, or the session has ended.
    Dropped,
    /// The queue is full. The session is being closed with 4508 and recovers from the log.
    Overflowed,
}

/// Why a connection is to be closed: the code and a sentence for people, at most 123 bytes (RFC 6455, section 5.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseReason {
    /// The code.
    pub code: CloseCode,
    /// The sentence.
    pub reason: &'static str,
}

/// What the connection finds when it looks into the queue.
#[derive(Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Frames were moved out, to be written.
    Frames,
    /// Nothing more will come: close the connection.
    Close(CloseReason),
}

/// A queue of frames between everybody and one connection.
#[derive(Debug)]
pub struct Outbound {
    queue: Mutex<Queue>,
    limit: usize,
    retiring: AtomicBool,
    footprint: Footprint,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Frame>,
    /// Bytes in `frames` and in the frames that the connection took and has not yet written.
    bytes: usize,
    /// Bytes in `frames`.
    waiting: usize,
    close: Option<CloseReason>,
    /// The close that comes once a command under way has finished.
    retire: Option<CloseReason>,
    ended: bool,
    connection: Option<Waker>,
    /// Those that wait for room: replays, and presence snapshots.
    readers: Vec<Waker>,
}

impl Outbound {
    /// An empty queue that holds at most `limit` bytes, and counts in no budget but its own.
    pub fn new(limit: usize) -> Self {
        Self::within(limit, &MemoryBudget::new(usize::MAX))
    }

    /// An empty queue that holds at most `limit` bytes, which count in the node's budget.
    pub fn within(limit: usize, budget: &Arc<MemoryBudget>) -> Self {
        Self { queue: Mutex::default(), limit, retiring: AtomicBool::new(false), footprint: Footprint::new(budget) }
    }

    /// What the connection of this queue holds.
    pub fn footprint(&self) -> &Footprint {
        &self.footprint
    }

    /// Queues a frame. When it does not fit, the session ends with 4508.
    pub fn push(&self, frame: Frame) -> Pushed {
        self.push_all(std::slice::from_ref(&frame))
    }

    /// Queues frames in order, with one wake of the connection.
    pub fn push_all(&self, frames: &[Frame]) -> Pushed {
        self.queue_all(frames, self.limit)
    }

    /// Queues frames whose sender keeps to the client's pace, and which so never overflow: a replay waits for
    /// [`room`](Self::room), and the next command is not read while more than half of the queue is taken.
    pub fn push_paced(&self, frames: &[Frame]) -> Pushed {
        self.queue_all(frames, usize::MAX)
    }

    fn queue_all(&self, frames: &[Frame], limit: usize) -> Pushed {
        let mut queue = self.queue.lock();
        if queue.ended || queue.close.is_some() {
            return Pushed::Dropped;
        }
        let more: usize = frames.iter().map(Frame::len).sum();
        let pushed = if queue.bytes + more > limit && queue.bytes > 0 {
            queue.give_up("the client reads too slowly; reconnect and recover");
            Pushed::Overflowed
        } else {
            queue.bytes += more;
            queue.waiting += more;
            queue.frames.extend(frames.iter().cloned());
            Pushed::Queued
        };
        self.footprint.set_outbound(queue.bytes);
        let overflowed = pushed == Pushed::Overflowed;
        let readers = if overflowed { std::mem::take(&mut queue.readers) } else { Vec::new() };
        let connection = queue.connection.take();
        drop(queue);
        connection.into_iter().chain(readers).for_each(Waker::wake);
        pushed
    }

    /// How many bytes it holds before it overflows.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Queues a frame that may be lost (typing, presence), unless a quarter of the queue or 64 KiB are taken.
    pub fn push_ephemeral(&self, frame: Frame) -> Pushed {
        if self.queue.lock().bytes > self.ephemeral() { Pushed::Dropped } else { self.push(frame) }
    }

    fn ephemeral(&self) -> usize {
        EPHEMERAL.min(self.limit / 4)
    }

    /// Waits until a frame that may be lost would be queued; false when the session has ended.
    pub async fn calm(&self) -> bool {
        self.until_at_most(self.ephemeral()).await
    }

    /// Whether a frame that may be lost would be queued.
    pub fn is_calm(&self) -> bool {
        self.queue.lock().bytes <= self.ephemeral()
    }

    /// Closes the session with 4508 although its own queue is not full, because the node holds too much for all of its
    /// clients. What waits is dropped: recovery sends it again.
    pub fn close_for_memory(&self) {
        let mut queue = self.queue.lock();
        if queue.ended || queue.close.is_some() {
            return;
        }
        queue.give_up("the node is short of memory and the client too slow; reconnect and recover");
        self.footprint.set_outbound(queue.bytes);
        let readers = std::mem::take(&mut queue.readers);
        let connection = queue.connection.take();
        drop(queue);
        connection.into_iter().chain(readers).for_each(Waker::wake);
    }

    /// Asks the connection to write what waits and close. The first reason stands.
    pub fn close(&self, code: CloseCode, reason: &'static str) {
        let mut queue = self.queue.lock();
        if queue.close.is_none() {
            queue.close = Some(CloseReason { code, reason });
        }
        let readers = std::mem::take(&mut queue.readers);
        let connection = queue.connection.take();
        drop(queue);
        connection.into_iter().chain(readers).for_each(Waker::wake);
    }

    /// Asks the connection to read no more, to let a command under way finish, and then to close.
    pub fn retire(&self, code: CloseCode, reason: &'static str) {
        let mut queue = self.queue.lock();
        queue.retire = Some(CloseReason { code, reason });
        self.retiring.store(true, Ordering::Release);
        let connection = queue.connection.take();
        drop(queue);
        if let Some(connection) = connection {
            connection.wake();
        }
    }

    /// For the connection: whether it is asked to read no more.
    pub fn is_retiring(&self) -> bool {
        self.retiring.load(Ordering::Acquire)
    }

    /// For the connection: no command is under way any more, so the close that was asked for may come.
    pub fn finish_retiring(&self) {
        let reason = self.queue.lock().retire.take();
        if let Some(CloseReason { code, reason }) = reason {
            self.close(code, reason);
        }
    }

    /// Whether the session is over or about to be: nothing more is taken.
    pub fn is_closed(&self) -> bool {
        let queue = self.queue.lock();
        queue.ended || queue.close.is_some()
    }

    /// Bytes that wait or are being written.
    pub fn bytes(&self) -> usize {
        self.queue.lock().bytes
    }

    /// Waits until the queue is less than half full; false when the session has ended.
    pub async fn room(&self) -> bool {
        self.until_at_most((self.limit / 2).saturating_sub(1)).await
    }

    async fn until_at_most(&self, bytes: usize) -> bool {
        poll_fn(|context| {
            let mut queue = self.queue.lock();
            if queue.ended || queue.close.is_some() {
                return Poll::Ready(false);
            }
            if queue.bytes <= bytes {
                return Poll::Ready(true);
            }
            queue.readers.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Whether the queue is less than half full.
    pub fn has_room(&self) -> bool {
        self.queue.lock().bytes < self.limit / 2
    }

    /// For the connection: moves what waits into `batch`, or registers for the next push.
    pub fn poll_take(&self, context: &mut Context<'_>, batch: &mut VecDeque<Frame>) -> Poll<Waiting> {
        let mut queue = self.queue.lock();
        if !queue.frames.is_empty() {
            queue.waiting = 0;
            if batch.is_empty() {
                std::mem::swap(&mut queue.frames, batch);
            } else {
                batch.append(&mut queue.frames);
            }
            return Poll::Ready(Waiting::Frames);
        }
        if let Some(reason) = &queue.close {
            return Poll::Ready(Waiting::Close(reason.clone()));
        }
        queue.connection = Some(context.waker().clone());
        Poll::Pending
    }

    /// For the connection: so many bytes of what it took are written, or dropped.
    pub fn written(&self, bytes: usize) {
        let mut queue = self.queue.lock();
        queue.bytes = queue.bytes.saturating_sub(bytes);
        self.footprint.set_outbound(queue.bytes);
        if queue.bytes < self.limit / 2 && !queue.readers.is_empty() {
            let readers = std::mem::take(&mut queue.readers);
            drop(queue);
            readers.into_iter().for_each(Waker::wake);
        }
    }

    /// For the connection: it is gone. Pushes are dropped from here on, and readers end.
    pub fn end(&self) {
        let mut queue = self.queue.lock();
        queue.ended = true;
        queue.frames = VecDeque::new();
        queue.bytes = queue.bytes.saturating_sub(std::mem::take(&mut queue.waiting));
        self.footprint.set_outbound(queue.bytes);
        self.footprint.leave();
        let readers = std::mem::take(&mut queue.readers);
        drop(queue);
        readers.into_iter().for_each(Waker::wake);
    }
}

impl Queue {
    /// Ends a session that is too slow. What waits would only delay the close; recovery sends it again.
    fn give_up(&mut self, reason: &'static str) {
        self.close = Some(CloseReason { code: CloseCode::SLOW_CONSUMER, reason });
        self.frames = VecDeque::new();
        self.bytes = self.bytes.saturating_sub(std::mem::take(&mut self.waiting));
    }
}
