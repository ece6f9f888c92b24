//! Writes what one turn of an event loop has queued, at the end of that turn.
//!
//! In a turn, a loop asks the operating system which sockets are readable and runs their tasks. A frame that is queued
//! meanwhile marks its queue, and the end of the turn writes each marked queue once, with all its frames. So a burst of
//! messages costs one write for each receiver, while a single message leaves in the same turn, and no receiver's task is
//! woken for it. Any loop can write to any socket.
//!
//! A thread without a loop of this kind (the runtime of a program that embeds the gateway) wakes the task of the
//! connection instead, which then writes.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Poll, Waker},
};

use tokio::task::{coop::unconstrained, yield_now};

use super::outbound::Outbound;

/// The most queues that are written before the loop looks for readable sockets again. What these publish joins the
/// queues that are not written yet.
const SLICE: usize = 256;

thread_local! {
    static TURN: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

/// The current turn of this thread's loop.
#[derive(Default)]
struct Turn {
    /// The queues that are written at the end, in the order of marking.
    marked: VecDeque<Arc<Outbound>>,
    /// Wakes the task that writes them, while it waits.
    writer: Option<Waker>,
}

/// Marks a queue to be written at the end of the turn. Returns false if this thread has no loop.
pub(super) fn mark(outbound: &Arc<Outbound>) -> bool {
    let marked = TURN.try_with(|turn| {
        let mut turn = turn.borrow_mut();
        let Some(turn) = turn.as_mut() else { return false };
        turn.marked.push_back(Arc::clone(outbound));
        if let Some(writer) = turn.writer.take() {
            writer.wake();
        }
        true
    });
    // The thread is ending.
    marked.unwrap_or(false)
}

/// Writes the marked queues at the end of each turn, until it is dropped. It must run as a task of a current-thread
/// runtime, one on each thread.
pub async fn write_at_end_of_turns() {
    let _installed = InstalledTurn::new();
    // The budget of a task would make sockets appear to be blocked after 128 writes.
    unconstrained(async {
        loop {
            until_marked().await;
            // Sockets that are readable by now belong to the same turn.
            yield_now().await;
            while let Some(slice) = next_slice() {
                for outbound in slice {
                    outbound.write_queued();
                }
                yield_now().await;
            }
        }
    })
    .await;
}

async fn until_marked() {
    poll_fn(|context| {
        with_turn(|turn| {
            if turn.marked.is_empty() {
                turn.writer = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
    })
    .await;
}

/// Takes the queues that are written next, or returns `None` if no queue is marked.
fn next_slice() -> Option<VecDeque<Arc<Outbound>>> {
    with_turn(|turn| {
        if turn.marked.is_empty() {
            return None;
        }
        let rest = turn.marked.split_off(SLICE.min(turn.marked.len()));
        Some(std::mem::replace(&mut turn.marked, rest))
    })
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
    /// Leaves the marked queues to the tasks of their connections.
    fn drop(&mut self) {
        let turn = TURN.try_with(RefCell::take).ok().flatten();
        for outbound in turn.into_iter().flat_map(|turn| turn.marked) {
            outbound.unmark();
        }
    }
}
