//! What a node does by its clock once a second: it watches the clock itself, expires sessions whose timers are late, and
//! removes what is too old while the clock can be trusted.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Node, in_time};
use crate::{command_error::CommandError, session::Session};

/// How often the clock is looked at, and what is too old is removed.
const EVERY: Duration = Duration::from_secs(1);
/// How often the clock is noted in the store, for the next process.
const MARK_EVERY: Duration = Duration::from_secs(60);

impl Node {
    /// Watches the clock, indefinitely.
    pub(crate) async fn watch_clock(self: Arc<Self>) {
        let mut ticks = ticks();
        loop {
            ticks.tick().await;
            self.clock.observe();
            let status = self.clock.status();
            self.metrics.deletion_paused.set(i64::from(!status.may_delete()));
            if self.clock.timers_are_late() {
                self.expire_sessions();
            }
        }
    }

    /// Removes what is too old, indefinitely.
    pub(crate) async fn sweep(self: Arc<Self>) {
        let mut ticks = ticks();
        let mut next_mark = Instant::now();
        loop {
            ticks.tick().await;
            self.metrics.look();
            if self.clock.may_delete() {
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
            match self.store.sweep(self.now()).await {
                Ok(swept) => {
                    self.clock.note_refusal(swept.refused);
                    self.metrics.notifications_dropped("expired", swept.expired);
                    if !swept.more {
                        break;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "the sweep waits for the store");
                    break;
                }
            }
        }
    }

    /// Notes the clock in the store, for the next process.
    pub(crate) async fn keep_clock_mark(&self) {
        let Some(mark) = self.clock.mark() else { return };
        if let Err(error) = in_time(self.store.keep_clock_mark(mark)).await {
            tracing::debug!(%error, "the clock was not noted in the store");
        }
    }

    /// Trusts the clock as it is, because an operator says so. A store with a clock of its own tells every node.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn accept_clock(&self) -> Result<(), CommandError> {
        in_time(self.store.accept_clock()).await?;
        if !self.config().store.is_shared() {
            self.clock.accept();
            self.keep_clock_mark().await;
        }
        Ok(())
    }

    /// Expires the sessions whose tokens have ended by the wall clock. Their timers wait by a clock that neither jumps nor
    /// counts while the machine is suspended.
    fn expire_sessions(&self) {
        let now = self.clock.wall().millis();
        let leeway = u64::try_from(self.config().auth.leeway.as_millis()).unwrap_or(u64::MAX);
        let is_over = |session: &Arc<Session>| session.expires_at().millis().saturating_add(leeway) <= now;
        let over: Vec<_> = self.sessions.all().into_iter().filter(is_over).collect();
        if !over.is_empty() {
            tracing::warn!(sessions = over.len(), "the clock has moved on: these sessions have expired");
        }
        for session in over {
            session.expire();
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
