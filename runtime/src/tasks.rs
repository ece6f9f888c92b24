//! The background tasks of the gateway. All tasks are spawned here, so that they are stopped and awaited at the
//! shutdown.

use std::{future::Future, time::Duration};

use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::supervision::Supervisor;

/// The background tasks of the gateway. It is cheap to clone, and all clones share the same tasks.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    supervisor: Supervisor,
}

impl Tasks {
    /// Creates a tracker without tasks. `supervisor` watches the parts among its tasks.
    pub fn supervised_by(supervisor: &Supervisor) -> Self {
        Self { supervisor: supervisor.clone(), ..Self::default() }
    }

    /// Returns the supervisor of the parts among these tasks.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Spawns a part, which is dropped when the gateway stops. If it ends or panics before that, the supervisor reports
    /// it.
    pub fn spawn_part<F>(&self, part: &'static str, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_until_stopped(self.supervisor.watch(part, task))
    }

    /// Spawns a task that ends by itself and is awaited at the shutdown. The handle may be dropped. A panic is logged
    /// and ends only this task.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(task)
    }

    /// Spawns a task on this runtime, even if the caller runs on another one. It is awaited at the shutdown.
    pub fn spawn_on<F>(&self, runtime: &Handle, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn_on(task, runtime)
    }

    /// Spawns a task that may end by itself, and that is dropped at its next await when the gateway stops. The handle
    /// may be dropped. For a task that must not end, use [`Tasks::spawn_part`].
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

    /// Returns a guard that stops all tasks when it is dropped, for a start that may be abandoned.
    pub fn stop_on_drop(&self) -> DropGuard {
        self.stop.clone().drop_guard()
    }

    /// Stops all tasks and waits for them, at most for `within`. Returns false if some were still running.
    pub async fn stop(&self, within: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(within, self.tracker.wait()).await.is_ok()
    }
}
