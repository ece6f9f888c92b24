//! Graceful shutdown: closes the connections spread over time, so that their clients reconnect to other nodes
//! gradually.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::running::Running;
use crate::config::Drain;

/// The least time that tasks get to end, even if `drain.grace` is over.
const MIN_STOP_TIME: Duration = Duration::from_secs(2);

impl Running {
    /// Shuts down gracefully: reports not ready immediately, closes every connection at a random time within
    /// `drain.spread`, and ends within `drain.grace`.
    pub async fn drain(&self) {
        self.drain_within(self.parts.config.get().drain).await;
    }

    /// Shuts down gracefully like [`Running::drain`], with the given times.
    pub(crate) async fn drain_within(&self, drain: Drain) {
        self.parts.tasks.supervisor().begin_shutdown();
        let deadline = Instant::now() + drain.grace;
        self.parts.node.set_draining();
        if let Some(broker) = &self.parts.broker {
            broker.stop_consuming();
        }
        tracing::info!(delay = ?drain.delay, spread = ?drain.spread, grace = ?drain.grace, "draining");
        sleep(drain.delay.min(drain.grace)).await;
        self.listening.stop();
        let spread = drain.spread.min(deadline.saturating_duration_since(Instant::now()));
        for scheduled in self.parts.connections.schedule_closes(spread) {
            sleep_until(scheduled.at).await;
            self.parts.connections.close(scheduled.id);
        }
        let remaining = deadline.saturating_duration_since(Instant::now());
        if !self.parts.tasks.stop(remaining.max(MIN_STOP_TIME)).await {
            tracing::warn!("some connections did not end within drain.grace");
        }
    }
}
