//! The event loops that run connections: current-thread runtimes, one a thread. A task stays on the loop that it began on,
//! because moving tasks between threads costs more than most of them.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::CountGuard;
use crate::{delivery::turn, runtime::tasks::Tasks};

/// The name under which the supervisor reports a loop that does not write any more.
const PART: &str = "event loop";

/// The event loops of the node. Dropping it ends all of them but the caller's.
#[derive(Debug)]
pub(super) struct EventLoops {
    loops: Vec<EventLoop>,
    _stop: DropGuard,
}

/// An event loop and the number of its sockets.
#[derive(Debug)]
struct EventLoop {
    runtime: Handle,
    sockets: Arc<AtomicUsize>,
}

impl EventLoops {
    /// Starts loops until there are `count`, by default one fewer than there are cores, with the runtime of the caller as the first. If that is a multi-thread
    /// runtime, as in a program that embeds the gateway, it remains the only one, and runs all connections.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub(super) fn start(tasks: &Tasks, count: Option<usize>) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let mut loops = vec![EventLoop::new(Handle::current())];
        if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            tasks.spawn_part(PART, turn::write_at_end_of_turns());
            for number in 2..=count.unwrap_or_else(default_count) {
                loops.push(EventLoop::start_thread(number, tasks.clone(), stop.clone())?);
            }
        }
        Ok(Self { loops, _stop: stop.drop_guard() })
    }

    /// Returns the loop with the fewest sockets, and a guard that counts one more socket there until it is dropped.
    pub(super) fn least_loaded(&self) -> Option<(&Handle, CountGuard)> {
        let event_loop = self.loops.iter().min_by_key(|event_loop| event_loop.sockets.load(Ordering::Relaxed))?;
        Some((&event_loop.runtime, CountGuard::new(&event_loop.sockets, usize::MAX)?))
    }
}

/// Returns the number of cores less one, at least 1. A thread that often sleeps costs a wake for each message, and other
/// threads need a core too.
fn default_count() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    cores.saturating_sub(1).max(1)
}

impl EventLoop {
    fn new(runtime: Handle) -> Self {
        Self { runtime, sockets: Arc::default() }
    }

    fn start_thread(number: usize, tasks: Tasks, stop: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new().name(format!("loop-{number}")).spawn(move || {
            runtime.block_on(async {
                tasks.spawn_part(PART, turn::write_at_end_of_turns());
                stop.cancelled().await;
            });
            // Do not wait for blocking work, such as a DNS lookup without an answer.
            runtime.shutdown_background();
        })?;
        Ok(Self::new(handle))
    }
}
