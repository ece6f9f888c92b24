//! The clock-driven tasks of a node, once a second: check the clock for jumps, expire sessions whose timers are late,
//! and remove expired data while the clock can be trusted.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    task::yield_now,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    command_error::CommandError, config::LiveConfig, confirmation::in_time, metrics::Metrics,
    runtime::clock::NodeClock, session::Sessions, store::Store,
};

/// The interval of clock checks and sweeps.
const EVERY: Duration = Duration::from_secs(1);
/// The interval at which the clock mark is written to the store for the next process.
const MARK_EVERY: Duration = Duration::from_secs(60);

/// The parts that [`Sweeper`] works with.
pub(crate) struct SweeperParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: NodeClock,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) config: LiveConfig,
    pub(crate) metrics: Arc<Metrics>,
}

/// Checks the clock and removes expired data.
pub(crate) struct Sweeper {
    parts: SweeperParts,
}

impl Sweeper {
    /// Creates a sweeper. It does nothing until one of its tasks runs.
    pub(crate) fn new(parts: SweeperParts) -> Self {
        Self { parts }
    }

    /// Checks the clock until it is dropped.
    pub(crate) async fn watch_clock(self: Arc<Self>) {
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            self.parts.clock.observe();
            let status = self.parts.clock.status();
            self.parts.metrics.deletion_paused.set(i64::from(!status.may_delete()));
            if self.parts.clock.timers_are_late() {
                self.parts.sessions.expire(self.parts.clock.wall().millis(), self.parts.config.get().auth.leeway);
            }
        }
    }

    /// Removes expired data until it is dropped.
    pub(crate) async fn sweep(self: Arc<Self>) {
        let mut ticks = ticks();
        let mut next_mark = Instant::now();
        loop {
            ticks.tick().await;
            self.parts.metrics.sample_rates();
            if self.parts.clock.may_delete() {
                self.sweep_now().await;
            }
            if Instant::now() >= next_mark {
                self.keep_clock_mark().await;
                next_mark = Instant::now() + MARK_EVERY;
            }
        }
    }

    async fn sweep_now(&self) {
        loop {
            match self.parts.store.sweep(self.parts.clock.now()).await {
                Ok(swept) => {
                    self.parts.clock.record_refusal(swept.refused);
                    self.parts.metrics.notifications_dropped("expired", swept.expired);
                    if !swept.more {
                        break;
                    }
                    // A store in memory never waits, and the event loop has to serve clients between two steps.
                    yield_now().await;
                }
                Err(error) => {
                    tracing::debug!(%error, "the sweep is waiting for the store");
                    break;
                }
            }
        }
    }

    /// Writes the clock mark to the store. The next process compares it with its own clock.
    pub(crate) async fn keep_clock_mark(&self) {
        let Some(mark) = self.parts.clock.mark() else { return };
        if let Err(error) = in_time(self.parts.store.keep_clock_mark(mark)).await {
            tracing::debug!(%error, "the clock mark was not written to the store");
        }
    }

    /// Accepts the current time of the clock on behalf of an operator. A shared store has its own clock and forwards
    /// the acceptance to every node.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn accept_clock(&self) -> Result<(), CommandError> {
        in_time(self.parts.store.accept_clock()).await?;
        if !self.parts.config.get().store.is_shared() {
            self.parts.clock.accept();
            self.keep_clock_mark().await;
        }
        Ok(())
    }
}

fn ticks() -> Interval {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
