//! The outbound queue of one connection. It is bounded in bytes. Any task may push frames. The loop of the task that pushes
//! writes them at the end of its turn (`turn.rs`), or else the connection does, with few system calls.

mod queue;

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use realtime_gateway_protocol::CloseCode;

use self::queue::{Queue, Writing};
use crate::{
    delivery::{frame::Frame, turn},
    runtime::memory::{Footprint, MemoryBudget},
};

/// Ephemeral frames are not queued behind more bytes than this, because they would be outdated when the client reads
/// them.
const MAX_BEFORE_EPHEMERAL: usize = 64 * 1024;

/// The result of pushing a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The frame was queued.
    Queued,
    /// The frame was dropped: it is ephemeral and the queue is under pressure, or the session has ended.
    Dropped,
    /// The queue is full. The session is being closed with 4508 and recovers from the log.
    Overflowed,
}

/// The code and the reason of a close frame. The reason is at most 123 bytes (RFC 6455, section 5.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseReason {
    /// The close code.
    pub code: CloseCode,
    /// A sentence for people.
    pub reason: &'static str,
}

/// What the connection has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Write the frames that were moved into the batch.
    Frames,
    /// Close the connection; no more frames will follow.
    Close(CloseReason),
}

/// Writes the frames of a queue to the socket of its connection.
pub trait QueueWriter: Send + Sync {
    /// Writes the frames that wait in the queue, as far as the socket accepts them, and does not wait.
    fn write_queued(&self, outbound: &Outbound);
}

impl fmt::Debug for dyn QueueWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueWriter")
    }
}

/// The bounded queue of frames for one connection.
#[derive(Debug)]
pub struct Outbound {
    queue: Mutex<Queue>,
    limit: usize,
    retiring: AtomicBool,
    footprint: Footprint,
}

impl Outbound {
    /// Creates an empty queue of at most `limit` bytes that does not count towards a node's memory budget.
    pub fn new(limit: usize) -> Self {
        Self::within(limit, &MemoryBudget::new(usize::MAX))
    }

    /// Creates an empty queue of at most `limit` bytes that count towards the node's memory budget.
    pub fn within(limit: usize, budget: &Arc<MemoryBudget>) -> Self {
        Self { queue: Mutex::default(), limit, retiring: AtomicBool::new(false), footprint: Footprint::new(budget) }
    }

    /// Returns the memory footprint of the connection.
    pub fn footprint(&self) -> &Footprint {
        &self.footprint
    }

    /// Queues a frame. If it does not fit, the connection is closed with 4508.
    pub fn push(self: &Arc<Self>, frame: Frame) -> Pushed {
        self.push_all(std::slice::from_ref(&frame))
    }

    /// Queues frames in order and has them written once.
    pub fn push_all(self: &Arc<Self>, frames: &[Frame]) -> Pushed {
        self.queue_all(frames, self.limit)
    }

    /// Queues frames without the limit, for senders that pace themselves: a replay waits for [`room`](Self::room), and
    /// the connection reads no command while the queue is more than half full. Such frames therefore never overflow it.
    pub fn push_paced(self: &Arc<Self>, frames: &[Frame]) -> Pushed {
        self.queue_all(frames, usize::MAX)
    }

    /// Queues a reply that its client need not have in this turn of the loop (`turn.rs`), without the limit, as
    /// [`push_paced`](Self::push_paced).
    pub fn push_deferred(self: &Arc<Self>, frame: Frame) -> Pushed {
        self.queue(std::slice::from_ref(&frame), usize::MAX, Self::is_deferred)
    }

    fn queue_all(self: &Arc<Self>, frames: &[Frame], limit: usize) -> Pushed {
        self.queue(frames, limit, Self::is_written_without_wake)
    }

    /// Queues frames. `is_left_to_loop` has them written by the loop of this thread, if there is one.
    fn queue(
        self: &Arc<Self>,
        frames: &[Frame],
        limit: usize,
        is_left_to_loop: impl FnOnce(&Arc<Self>, &mut Queue) -> bool,
    ) -> Pushed {
        let mut queue = self.queue.lock();
        if queue.ended || queue.close.is_some() {
            return Pushed::Dropped;
        }
        let more: usize = frames.iter().map(Frame::len).sum();
        let pushed = if queue.bytes + more > limit && queue.bytes > 0 {
            queue.close_slow_consumer("the client reads too slowly; reconnect and recover");
            Pushed::Overflowed
        } else {
            queue.bytes += more;
            queue.waiting += more;
            queue.frames.extend(frames.iter().cloned());
            Pushed::Queued
        };
        self.footprint.set_outbound(queue.bytes);
        let overflowed = pushed == Pushed::Overflowed;
        let waiters = if overflowed { std::mem::take(&mut queue.waiters) } else { Vec::new() };
        let connection = if overflowed || !is_left_to_loop(self, &mut queue) { queue.connection.take() } else { None };
        drop(queue);
        connection.into_iter().chain(waiters).for_each(Waker::wake);
        pushed
    }

    /// Has the frames written at the end of the turn, if this thread has a loop. Returns false if the task of the connection
    /// has to be woken.
    fn is_written_without_wake(self: &Arc<Self>, queue: &mut Queue) -> bool {
        let is_unmarked = matches!(queue.writing, Writing::Idle | Writing::Deferred);
        if is_unmarked && queue.writer.is_some() && turn::mark(self) {
            queue.writing = Writing::Marked;
        }
        queue.writing != Writing::Idle
    }

    /// Has the frames written with the next ones, or when the loop of this thread has nothing else to write. Returns false
    /// if the task of the connection has to be woken.
    fn is_deferred(self: &Arc<Self>, queue: &mut Queue) -> bool {
        if queue.writing == Writing::Idle && queue.writer.is_some() && turn::defer(self) {
            queue.writing = Writing::Deferred;
        }
        queue.writing != Writing::Idle
    }

    /// Sets what writes the frames at the end of a turn. Called by the connection when it begins.
    pub fn attach(&self, writer: Arc<dyn QueueWriter>) {
        self.queue.lock().writer = Some(writer);
    }

    /// Writes the waiting frames, at the end of a turn.
    pub(super) fn write_queued(&self) {
        let writer = self.queue.lock().writer.clone();
        if let Some(writer) = writer {
            writer.write_queued(self);
        }
    }

    /// Leaves the waiting frames to the task of the connection, because the loop ends.
    pub(super) fn unmark(&self) {
        self.queue.lock().writing = Writing::Idle;
        self.wake();
    }

    /// Records that the socket accepts no more data. The task of the connection, which calls this, writes the rest.
    pub fn block(&self) {
        self.queue.lock().writing = Writing::Blocked;
    }

    /// Leaves everything that waits to the task of the connection, because the socket accepts no more data or has failed.
    pub fn leave_to_connection(&self) {
        self.block();
        self.wake();
    }

    /// Returns the number of bytes that the queue holds at most.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Queues an ephemeral frame (typing, presence). Drops it if more than a quarter of the queue or 64 KiB are in use.
    pub fn push_ephemeral(self: &Arc<Self>, frame: Frame) -> Pushed {
        if self.queue.lock().bytes > self.ephemeral_limit() { Pushed::Dropped } else { self.push(frame) }
    }

    fn ephemeral_limit(&self) -> usize {
        MAX_BEFORE_EPHEMERAL.min(self.limit / 4)
    }

    /// Waits until an ephemeral frame would be queued. Returns false when the session has ended.
    pub async fn room_for_ephemeral(&self) -> bool {
        self.until_at_most(self.ephemeral_limit()).await
    }

    /// Returns whether an ephemeral frame would be queued.
    pub fn has_room_for_ephemeral(&self) -> bool {
        self.queue.lock().bytes <= self.ephemeral_limit()
    }

    /// Closes the connection with 4508 although its own queue is not full, because all connections of the node together
    /// exceed the memory budget. Waiting frames are dropped; the client gets them again through recovery.
    pub fn close_for_memory(&self) {
        let mut queue = self.queue.lock();
        if queue.ended || queue.close.is_some() {
            return;
        }
        queue.close_slow_consumer("the node is short of memory and the client too slow; reconnect and recover");
        self.footprint.set_outbound(queue.bytes);
        let waiters = std::mem::take(&mut queue.waiters);
        let connection = queue.connection.take();
        drop(queue);
        connection.into_iter().chain(waiters).for_each(Waker::wake);
    }

    /// Asks the connection to write the waiting frames and close. Only the first call has an effect on the close frame.
    pub fn close(&self, code: CloseCode, reason: &'static str) {
        let mut queue = self.queue.lock();
        if queue.close.is_none() {
            queue.close = Some(CloseReason { code, reason });
        }
        let waiters = std::mem::take(&mut queue.waiters);
        let connection = queue.connection.take();
        drop(queue);
        connection.into_iter().chain(waiters).for_each(Waker::wake);
    }

    /// Asks the connection to stop reading, to finish the current command, and then to close.
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

    /// Returns whether the connection has to stop reading. Called by the connection.
    pub fn is_retiring(&self) -> bool {
        self.retiring.load(Ordering::Acquire)
    }

    /// Closes the connection if it is retiring. Called by the connection when no command is in progress.
    pub fn finish_retiring(&self) {
        let reason = self.queue.lock().retire.take();
        if let Some(CloseReason { code, reason }) = reason {
            self.close(code, reason);
        }
    }

    /// Returns whether the connection is closed or closing. Pushed frames are dropped then.
    pub fn is_closed(&self) -> bool {
        let queue = self.queue.lock();
        queue.ended || queue.close.is_some()
    }

    /// Returns the number of bytes that wait or are being written.
    pub fn bytes(&self) -> usize {
        self.queue.lock().bytes
    }

    /// Waits until the queue is less than half full. Returns false when the session has ended.
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
            queue.waiters.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Returns whether the queue is less than half full.
    pub fn has_room(&self) -> bool {
        self.queue.lock().bytes < self.limit / 2
    }

    /// Moves the waiting frames into `batch`, or registers the waker for the next push. Called by the connection. Frames that
    /// a loop writes at the end of its turn are left to it, unless the connection closes or the queue is half full.
    pub fn poll_take(&self, context: &mut Context<'_>, batch: &mut VecDeque<Frame>) -> Poll<Waiting> {
        let mut queue = self.queue.lock();
        let is_left_to_loop = matches!(queue.writing, Writing::Marked | Writing::Deferred)
            && queue.close.is_none()
            && queue.bytes < self.limit / 2;
        if !is_left_to_loop && queue.take(batch) {
            return Poll::Ready(Waiting::Frames);
        }
        if let Some(reason) = &queue.close {
            return Poll::Ready(Waiting::Close(reason.clone()));
        }
        if queue.writing == Writing::Blocked && batch.is_empty() {
            queue.writing = Writing::Idle;
        }
        queue.connection = Some(context.waker().clone());
        Poll::Pending
    }

    /// Moves the waiting frames into `batch`, without a waker. Returns false if the queue has ended.
    pub fn take_queued(&self, batch: &mut VecDeque<Frame>) -> bool {
        let mut queue = self.queue.lock();
        queue.writing = Writing::Idle;
        queue.take(batch);
        !queue.ended
    }

    /// Wakes the connection, so that it checks the queue and its deadline again.
    pub fn wake(&self) {
        let connection = self.queue.lock().connection.take();
        if let Some(connection) = connection {
            connection.wake();
        }
    }

    /// Releases `bytes` of the frames that were taken, after they were written or dropped. Called by the connection.
    pub fn written(&self, bytes: usize) {
        let mut queue = self.queue.lock();
        queue.bytes = queue.bytes.saturating_sub(bytes);
        self.footprint.set_outbound(queue.bytes);
        if queue.bytes < self.limit / 2 && !queue.waiters.is_empty() {
            let waiters = std::mem::take(&mut queue.waiters);
            drop(queue);
            waiters.into_iter().for_each(Waker::wake);
        }
    }

    /// Marks the queue as ended: later pushes are dropped and waiting tasks return. Called by the connection.
    pub fn end(&self) {
        let mut queue = self.queue.lock();
        if queue.ended {
            return;
        }
        queue.ended = true;
        queue.writer = None;
        queue.frames = VecDeque::new();
        queue.bytes = queue.bytes.saturating_sub(std::mem::take(&mut queue.waiting));
        self.footprint.set_outbound(queue.bytes);
        self.footprint.leave();
        let waiters = std::mem::take(&mut queue.waiters);
        drop(queue);
        waiters.into_iter().for_each(Waker::wake);
    }
}
