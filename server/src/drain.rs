//! Tasks with an owner and an end, and the drain that ends them: everything that the gateway spawns is counted here.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    node::{Departure, Node},
    running::Running,
};

/// How long tasks that only have to notice the end may take for that.
const NOTICE: Duration = Duration::from_secs(2);

/// The gateway's tasks. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Runs a task that is waited for at the end.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(task)
    }

    /// Runs a task on this runtime, whichever the caller is on. It is waited for at the end.
    pub(crate) fn spawn_on<F>(&self, runtime: &Handle, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn_on(task, runtime)
    }

    /// Runs a task that is dropped at its next await when the gateway stops.
    pub fn spawn_until_stopped<F>(&self, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        })
    }

    /// Tells all tasks to end when it is dropped, which is for a start that may be given up half way.
    pub fn stop_on_drop(&self) -> DropGuard {
        self.stop.clone().drop_guard()
    }

    /// Tells all tasks to end and waits for them, at most so long; false when some were still at work.
    pub async fn stop(&self, within: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(within, self.tracker.wait()).await.is_ok()
    }
}

impl Running {
    /// Shuts down gracefully: reports not ready immediately, closes every connection at a random time within
    /// `drain.spread`, and ends within `drain.grace`.
    pub async fn drain(&self) {
        let drain = self.node.config().drain;
        let over = Instant::now() + drain.grace;
        self.node.set_draining();
        self.node.bus.stop_taking();
        tracing::info!(delay = ?drain.delay, spread = ?drain.spread, grace = ?drain.grace, "draining");
        sleep(drain.delay.min(drain.grace)).await;
        self.listening.stop();
        let spread = drain.spread.min(over.saturating_duration_since(Instant::now()));
        for departure in self.node.connections.begin_to_close(spread) {
            sleep_until(departure.at).await;
            self.node.connections.close(departure.id);
        }
        let left = over.saturating_duration_since(Instant::now());
        if !self.node.tasks.stop(left.max(NOTICE)).await {
            tracing::warn!("some connections did not end within drain.grace");
        }
    }
}

impl Node {
    /// Closes a connection that came, or got its session, when the drain had begun to close connections.
    pub(crate) fn close_late(self: &Arc<Self>, departure: Departure) {
        let node = self.clone();
        self.tasks.spawn(async move {
            sleep_until(departure.at).await;
            node.connections.close(departure.id);
        });
    }
}
