//! Writes what one turn of an event loop has queued, at the end of that turn.
//!
//! In a turn, a loop asks the operating system which sockets are readable and runs their tasks. A frame that is queued
//! meanwhile marks its queue, and the end of the turn writes each marked queue once, with all its frames. So a burst of
//! messages costs one write for each receiver, while a single message leaves in the same turn, and no receiver's task is
//! woken for it. Any loop can write to any socket.
//!
//! A confirmation need not leave in its turn: its queue is deferred, and written when the loop has nothing else to write,
//! when another frame for the same client is queued, or after a millisecond. So a busy loop writes the confirmations of
//! several messages of a client together.
//!
//! A thread without a loop of this kind (the runtime of a program that embeds the gateway) wakes the task of the
//! connection instead, which then writes.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use tokio::{
    task::{coop::unconstrained, yield_now},
    time::Instant,
};

use super::outbound::Outbound;

/// The most queues that are written before the loop looks for readable sockets again. What these publish joins the
/// queues that are not written yet.
const SLICE: usize = 256;
/// How long a busy loop defers a queue, apart from the slice that it is writing.
const MAX_DEFERRED: Duration = Duration::from_millis(1);

thread_local! {
    static TURN: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

/// The current turn of this thread's loop.
#[derive(Default)]
struct Turn {
    /// The queues that are written at the end, in the order of marking.
    marked: VecDeque<Arc<Outbound>>,
    /// The queues with confirmations only.
    deferred: Deferred,
    /// The number of messages for topics in this turn.
    messages: u32,
    /// Wakes the task that writes, while it waits.
    writer: Option<Waker>,
}

/// Queues with nothing but confirmations.
#[derive(Default)]
struct Deferred {
    queues: Vec<Arc<Outbound>>,
    /// When the first of them was deferred.
    since: Option<Instant>,
}

/// Marks a queue to be written at the end of the turn. Returns false if this thread has no loop.
pub(super) fn mark(outbound: &Arc<Outbound>) -> bool {
    if_installed(|turn| {
        turn.marked.push_back(Arc::clone(outbound));
        turn.wake();
    })
}

/// Defers a queue that has nothing but confirmations. Returns false if this thread has no loop.
pub(super) fn defer(outbound: &Arc<Outbound>) -> bool {
    if_installed(|turn| {
        turn.deferred.queues.push(Arc::clone(outbound));
        turn.deferred.since.get_or_insert_with(Instant::now);
        turn.wake();
    })
}

/// Counts a message for the subscribers of a topic.
pub(super) fn count_message() {
    if_installed(|turn| turn.messages += 1);
}

/// Returns false if this thread has no loop, or is ending.
fn if_installed(change: impl FnOnce(&mut Turn)) -> bool {
    let is_installed = TURN.try_with(|turn| turn.borrow_mut().as_mut().map(change).is_some());
    is_installed.unwrap_or(false)
}

impl Turn {
    fn wake(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    fn is_empty(&self) -> bool {
        self.marked.is_empty() && self.deferred.queues.is_empty()
    }

    /// Moves the deferred queues behind those that are marked. One that was written meanwhile has nothing to write then.
    fn mark_deferred(&mut self) {
        self.marked.extend(std::mem::take(&mut self.deferred).queues);
    }

    /// Begins to write what the turn has queued. Returns whether sockets that are readable by now belong to the same turn.
    /// After a single message they do not: its frames leave immediately, with what was deferred, which spares two looks at
    /// the sockets.
    fn begin_writing(&mut self) -> bool {
        let is_busy = std::mem::take(&mut self.messages) > 1;
        if !is_busy {
            self.mark_deferred();
        }
        is_busy
    }

    /// Takes the queues that are written next, or returns `None` if there are none. Queues stay deferred while others are
    /// marked, but not for too long.
    fn next_slice(&mut self) -> Option<VecDeque<Arc<Outbound>>> {
        let is_overdue = || self.deferred.since.is_some_and(|since| since.elapsed() >= MAX_DEFERRED);
        if self.marked.is_empty() || is_overdue() {
            self.mark_deferred();
        }
        if self.marked.is_empty() {
            return None;
        }
        let rest = self.marked.split_off(SLICE.min(self.marked.len()));
        Some(std::mem::replace(&mut self.marked, rest))
    }
}

/// Writes the marked queues at the end of each turn, until it is dropped. It must run as a task of a current-thread
/// runtime, one on each thread.
pub async fn write_at_end_of_turns() {
    let _installed = InstalledTurn::new();
    // The budget of a task would make sockets appear to be blocked after 128 writes.
    unconstrained(async {
        loop {
            until_queued().await;
            if with_turn(Turn::begin_writing) {
                yield_now().await;
            }
            while let Some(slice) = with_turn(Turn::next_slice) {
                slice.iter().for_each(|outbound| outbound.write_queued());
                if !with_turn(|turn| turn.is_empty()) {
                    yield_now().await;
                }
            }
        }
    })
    .await;
}

async fn until_queued() {
    poll_fn(|context| {
        with_turn(|turn| {
            if turn.is_empty() {
                turn.messages = 0;
                turn.writer = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
    })
    .await;
}

fn with_turn<T>(run: impl FnOnce(&mut Turn) -> T) -> T {
    TURN.with_borrow_mut(|turn| run(turn.get_or_insert_default()))
}

/// Makes queues of this thread be marked, until it is dropped.
struct InstalledTurn;

impl InstalledTurn {
    fn new() -> Self {
        with_turn(|_| ());
        Self
    }
}

impl Drop for InstalledTurn {
    /// Leaves the queues to the tasks of their connections.
    fn drop(&mut self) {
        let turn = TURN.try_with(RefCell::take).ok().flatten();
        for outbound in turn.into_iter().flat_map(|turn| turn.marked.into_iter().chain(turn.deferred.queues)) {
            outbound.unmark();
        }
    }
}

#[cfg(test)]
mod tests;
