//! Tasks with an owner and an end, and the drain that ends them: everything that the gateway spawns is counted here.

use std::{future::Future, sync::Arc, time::Duration};

use realtime_gateway_protocol::{CloseCode, ReconnectReason};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use uuid::Uuid;

use crate::{running::Running, session::Session};

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
    /// Goes without anybody noticing: not ready at once, then every session is asked to go at a moment of its own,
    /// and everything is over within `drain.grace`.
    pub async fn drain(&self) {
        let drain = self.node.config().drain;
        let over = Instant::now() + drain.grace;
        self.node.set_draining();
        self.node.bus.stop_taking();
        tracing::info!(delay = ?drain.delay, spread = ?drain.spread, grace = ?drain.grace, "draining");
        sleep(drain.delay.min(drain.grace)).await;
        self.listening.stop();
        let mut leaving = self.ask_to_go(drain.spread);
        leaving.sort_by_key(|(moment, _)| *moment);
        for (moment, session) in leaving {
            sleep_until(moment.min(over)).await;
            session.outbound.retire(CloseCode::SERVICE_RESTART, "the node restarts; reconnect");
        }
        let left = over.saturating_duration_since(Instant::now());
        if !self.node.tasks.stop(left.max(NOTICE)).await {
            tracing::warn!("some connections did not end within drain.grace");
        }
    }

    /// Tells every session when its connection will be closed.
    fn ask_to_go(&self, spread: Duration) -> Vec<(Instant, Arc<Session>)> {
        let now = Instant::now();
        let ask = |session: Arc<Session>| {
            // The last bits of a UUIDv7 are random, and spread the moments evenly.
            let share = Uuid::now_v7().as_u128() as u32 as f64 / f64::from(u32::MAX);
            let after = spread.mul_f64(share);
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            session.push_reconnect(ReconnectReason::Draining, after_ms);
            (now + after, session)
        };
        self.node.sessions.all().into_iter().map(ask).collect()
    }
}
