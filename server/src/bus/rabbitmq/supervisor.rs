//! Keeps a connection: makes it, has the work done on it, and makes it again, for ever. lapin's own recovery gives up
//! after some minutes, comes back in step with everybody else, and does not mend a channel.

use std::time::Duration;

use async_trait::async_trait;
use lapin::uri::AMQPUri;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::{Shared, address::shown, fault::Fault, link::Link, state::Role};
use crate::bus::Heard;

/// The shortest time between two tries.
const FIRST: Duration = Duration::from_millis(250);
/// The longest.
const LAST: Duration = Duration::from_secs(5);
/// A connection that lasted for so long was a good one: the next tries begin with the shortest time again.
const GOOD: Duration = Duration::from_secs(10);

/// What is done on a connection.
#[async_trait]
pub(super) trait Work: Send + 'static {
    /// Works until the connection is lost, or until there is nothing more to do.
    async fn on(&mut self, link: &Link, ready: Ready<'_>) -> Result<(), Fault>;
}

/// What came of the tries so far.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The first is under way.
    None,
    /// It was there.
    Ready,
    /// It was not, for this reason.
    Failed(Fault),
}

/// Keeps one connection.
pub(super) struct Supervisor {
    pub(super) role: Role,
    pub(super) shared: Shared,
    pub(super) addresses: Vec<AMQPUri>,
    pub(super) tls: Option<TlsConnector>,
    /// What came of the tries, as it changes.
    pub(super) outcome: watch::Sender<Outcome>,
    /// Tells the work to finish.
    pub(super) stop: CancellationToken,
}

/// To be told that everything is declared, and the connection does what it is for.
pub(super) struct Ready<'a>(&'a Supervisor);

impl Ready<'_> {
    pub(super) fn up(self) {
        let Self(supervisor) = self;
        let Shared { states, metrics, hearing, .. } = &supervisor.shared;
        supervisor.outcome.send_replace(Outcome::Ready);
        if states.up(supervisor.role) {
            metrics.bus_reconnects_total.inc();
            // Whoever listens has so much to hear then that it is nothing new.
            let _ = hearing.try_send(Heard::Back);
        }
    }
}

impl Supervisor {
    /// Keeps the connection until it is told to stop and the work is finished.
    pub(super) async fn keep(self, mut work: impl Work) {
        let (mut failures, mut hosts) = (0, self.addresses.iter().cycle());
        while let Some(uri) = hosts.next().filter(|_| !self.stop.is_cancelled()) {
            self.shared.states.trying(self.role);
            let begun = Instant::now();
            let fault = match self.once(uri, &mut work).await {
                Ok(()) => return,
                Err(fault) => fault,
            };
            failures = if begun.elapsed() >= GOOD { 1 } else { failures + 1 };
            let wait = match &fault {
                Fault::Mismatch(_) => LAST,
                _ => backoff(failures, random()),
            };
            tracing::debug!(host = shown(uri), connection = self.role.name(), error = %fault, ?wait, "not connected");
            self.shared.states.away(self.role, &fault, Some(Instant::now() + wait));
            self.outcome.send_replace(Outcome::Failed(fault));
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = sleep(wait) => {}
            }
        }
    }

    async fn once(&self, uri: &AMQPUri, work: &mut impl Work) -> Result<(), Fault> {
        let name = format!("{} ({})", self.shared.node, self.role.name());
        let link = tokio::select! {
            () = self.stop.cancelled() => return Ok(()),
            link = Link::open(uri, self.tls.as_ref(), name) => link?,
        };
        let result = work.on(&link, Ready(self)).await;
        link.close().await;
        result
    }
}

/// How long to wait after so many failures: at random between the shortest time and one that doubles each time.
fn backoff(failures: u32, share: f64) -> Duration {
    let longest = FIRST.saturating_mul(1 << failures.min(8)).min(LAST);
    FIRST + longest.saturating_sub(FIRST).mul_f64(share)
}

/// A number from 0 to 1.
fn random() -> f64 {
    // The last bits of a UUIDv7 are random.
    uuid::Uuid::now_v7().as_u128() as u32 as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_seconds_and_no_further() {
        assert_eq!(backoff(1, 0.0), FIRST);
        assert_eq!(backoff(1, 1.0), FIRST * 2);
        assert_eq!(backoff(3, 1.0), FIRST * 8);
        for failures in [6, 60, u32::MAX] {
            assert_eq!((backoff(failures, 0.0), backoff(failures, 1.0)), (FIRST, LAST));
        }
        assert!((0.0..=1.0).contains(&random()));
    }
}
