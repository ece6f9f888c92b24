//! Keeps a connection: makes it, runs the tasks of its role on it, and makes it again, indefinitely. lapin's own recovery
//! gives up after some minutes, reconnects at the same time as every other client, and does not recover a channel.

use std::sync::Arc;

use async_trait::async_trait;
use lapin::uri::AMQPUri;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::{Shared, address::shown, connection_state::Role, error::AmqpError, link::Link};
use crate::bus::backoff::{GOOD, LONGEST, backoff, random};

/// What runs on a connection.
#[async_trait]
pub(super) trait ConnectionTasks: Send + 'static {
    /// Runs until the connection is lost, or until it is asked to stop.
    async fn run(&mut self, link: &Arc<Link>, ready: Ready<'_>) -> Result<(), AmqpError>;
}

/// The result of the attempts to connect so far.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The first is under way.
    None,
    /// The last has succeeded.
    Ready,
    /// The last has failed, for this reason.
    Failed(AmqpError),
}

/// Keeps one connection.
pub(super) struct Supervisor {
    pub(super) role: Role,
    pub(super) shared: Shared,
    pub(super) addresses: Vec<AMQPUri>,
    pub(super) tls: Option<TlsConnector>,
    /// The result of the attempts, as it changes.
    pub(super) outcome: watch::Sender<Outcome>,
    /// Requests to close the connection and to end.
    pub(super) stop: CancellationToken,
}

/// Takes the report that everything is declared, and the connection can be used.
pub(super) struct Ready<'a>(&'a Supervisor);

impl Ready<'_> {
    /// Reports it.
    pub(super) fn up(self) {
        let Self(supervisor) = self;
        let Shared { states, metrics, .. } = &supervisor.shared;
        supervisor.outcome.send_replace(Outcome::Ready);
        if states.up(supervisor.role) {
            metrics.bus_reconnects_total.inc();
        }
    }
}

impl Supervisor {
    /// Keeps the connection until it is asked to stop.
    pub(super) async fn keep(self, mut tasks: impl ConnectionTasks) {
        let (mut failures, mut hosts) = (0, self.addresses.iter().cycle());
        while let Some(uri) = hosts.next().filter(|_| !self.stop.is_cancelled()) {
            self.shared.states.trying(self.role);
            let begun = Instant::now();
            let error = match self.connect(uri, &mut tasks).await {
                Ok(()) => return,
                Err(error) => error,
            };
            failures = if begun.elapsed() >= GOOD { 1 } else { failures + 1 };
            let wait = match &error {
                AmqpError::Mismatch(_) => LONGEST,
                _ => backoff(failures, random()),
            };
            tracing::debug!(host = shown(uri), connection = self.role.name(), %error, ?wait, "not connected");
            self.shared.states.down(self.role, &error, Some(Instant::now() + wait));
            self.outcome.send_replace(Outcome::Failed(error));
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = sleep(wait) => {}
            }
        }
    }

    async fn connect(&self, uri: &AMQPUri, tasks: &mut impl ConnectionTasks) -> Result<(), AmqpError> {
        let name = format!("{} ({})", self.shared.node, self.role.name());
        let link = tokio::select! {
            () = self.stop.cancelled() => return Ok(()),
            link = Link::open(uri, self.tls.as_ref(), name) => Arc::new(link?),
        };
        let result = tasks.run(&link, Ready(self)).await;
        link.set_down();
        self.shared.links(self.role).send_replace(None);
        link.close().await;
        result
    }
}
