//! A running gateway. It reloads on SIGHUP (`running/reload.rs`), accepts its clock on SIGUSR1, and shuts down on
//! SIGTERM, on Ctrl-C, or when one of its parts has failed.

mod reload;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use crate::{
    auth::{ApiKeys, Authenticator, Permissions},
    bus::{BackendBroker, Bus},
    cluster::Sweeper,
    commands::{ServerSubscriptions, Services},
    config::{Drain, InForce, LiveConfig, Loaded},
    confirmation::in_time,
    delivery::presence::Presence,
    edge::accept::{Certificates, Listening},
    node::Node,
    runtime::{clock::NodeClock, memory::MemoryBudget, supervision::PartFailure, tasks::Tasks},
    session::{Connections, Sessions, Subscriptions},
    store::Store,
    telemetry::Telemetry,
    webhooks::Webhooks,
};

/// The drain after a part has failed. It is short, because the remaining parts may not work for long.
const DRAIN_AFTER_FAILURE: Drain =
    Drain { delay: Duration::ZERO, spread: Duration::from_secs(1), grace: Duration::from_secs(3) };
/// The time limit for the whole shutdown after a part has failed. The shutdown may wait for the failed part.
const END_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// The parts of a gateway that reloads, the shutdown and tests use.
pub struct Parts {
    /// The verifier of tokens.
    pub auth: Arc<Authenticator>,
    /// The source of permissions.
    pub permissions: Arc<Permissions>,
    /// The keys of the HTTP API.
    pub api_keys: Arc<ApiKeys>,
    /// The configuration in force.
    pub config: LiveConfig,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The bus between nodes.
    pub bus: Arc<dyn Bus>,
    /// The broker of backend services, if one is configured.
    pub broker: Option<Arc<BackendBroker>>,
    /// The senders of webhooks.
    pub webhooks: Arc<Webhooks>,
    /// The name, the lease and the drain state of the node.
    pub node: Arc<Node>,
    /// The tasks of the gateway.
    pub tasks: Tasks,
    /// The memory budget of all connections.
    pub memory: Arc<MemoryBudget>,
    /// The open connections.
    pub connections: Arc<Connections>,
    /// The sessions of this node.
    pub sessions: Arc<Sessions>,
    /// The subscriptions of sessions.
    pub subscriptions: Arc<Subscriptions>,
    /// The services.
    pub services: Arc<Services>,
    /// The subscriptions that the server makes.
    pub server_subscriptions: Arc<ServerSubscriptions>,
    /// The presence of users in clans.
    pub presence: Arc<Presence>,
    /// The clock of the node.
    pub clock: NodeClock,
    pub(crate) sweeper: Arc<Sweeper>,
}

/// A running gateway.
pub struct Running {
    /// The parts of the gateway.
    pub parts: Parts,
    pub(crate) listening: Listening,
    pub(crate) certificates: Option<Certificates>,
}

impl Running {
    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// Resolves when a part of the gateway has failed. The process should end then, because the gateway no longer
    /// works.
    pub async fn failed(&self) -> PartFailure {
        self.parts.tasks.supervisor().failed().await
    }

    /// Shuts down gracefully and closes the store, for a program that handles signals itself.
    pub async fn shut_down(self) {
        self.drain().await;
        self.leave().await;
        self.parts.sweeper.keep_clock_mark().await;
        self.parts.store.close().await;
    }

    /// Serves until a signal to shut down, and drains. A second signal ends the drain early. A third one also skips the
    /// cleanup at the store and the broker.
    ///
    /// # Errors
    /// A [`PartFailure`] when a part of the gateway has failed. The gateway was drained briefly then.
    pub async fn run_until_shutdown(
        self,
        mut signals: Signals,
        loaded: Loaded,
        telemetry: &Telemetry,
    ) -> Result<(), PartFailure> {
        telemetry.supervise(self.parts.tasks.supervisor());
        let mut in_force = InForce::new(loaded);
        loop {
            let command = tokio::select! {
                biased;
                failure = self.failed() => return Err(self.end_after(failure).await),
                command = signals.next() => command,
            };
            match command {
                Command::ShutDown => break,
                Command::AcceptClock => {
                    if let Err(error) = self.parts.sweeper.accept_clock().await {
                        tracing::error!(error = %error.message, "the clock was not accepted; try again");
                    }
                    continue;
                }
                Command::Reload => {}
            }
            // Reading the configuration may take long, so a shutdown may interrupt it. Applying it is quick and must
            // not be interrupted half-way.
            let newer = tokio::select! {
                biased;
                () = signals.shutdown() => break,
                failure = self.failed() => return Err(self.end_after(failure).await),
                newer = reload::read(&in_force) => newer,
            };
            self.reload(&mut in_force, newer, telemetry);
        }
        tokio::select! {
            () = self.drain() => {}
            () = signals.shutdown() => tracing::warn!("second signal to shut down; not waiting for sessions"),
        }
        tokio::select! {
            () = self.leave() => {}
            () = signals.shutdown() => tracing::warn!("another signal to shut down; not waiting for the store and the broker"),
        }
        self.parts.sweeper.keep_clock_mark().await;
        self.parts.store.close().await;
        tracing::info!("gone");
        Ok(())
    }

    /// Shuts down the remaining parts after a part has failed.
    async fn end_after(self, failure: PartFailure) -> PartFailure {
        let end = async {
            self.drain_within(DRAIN_AFTER_FAILURE).await;
            self.leave().await;
            self.parts.store.close().await;
        };
        if timeout(END_AFTER_FAILURE, end).await.is_err() {
            tracing::error!("the gateway did not end in time after a part had failed");
        }
        failure
    }

    /// Leaves the cluster: removes the records of this node, publishes the last events, and closes the connections.
    async fn leave(&self) {
        self.resign().await;
        let broker = async {
            if let Some(broker) = &self.parts.broker {
                broker.close().await;
            }
        };
        tokio::join!(broker, self.parts.webhooks.close());
        self.parts.bus.close().await;
    }

    /// Removes the records of this node from the store, so that other nodes do not have to remove them later.
    async fn resign(&self) {
        let resigned = in_time(async {
            self.parts.sessions.retry_record_removals().await?;
            self.parts.store.resign().await
        });
        if let Err(error) = resigned.await {
            tracing::warn!(%error, "this node's records stay in the store until its lease expires");
        }
    }
}

/// The action that a signal requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    /// SIGHUP.
    Reload,
    /// SIGUSR1.
    AcceptClock,
    /// SIGTERM, or SIGINT by Ctrl-C.
    ShutDown,
}

/// The signals that the process receives since this was created.
pub struct Signals {
    hangup: Signal,
    user_defined: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Starts to receive SIGHUP, SIGUSR1, SIGTERM and SIGINT. From then on none of them terminates the process by
    /// itself.
    ///
    /// # Errors
    /// When the operating system does not allow it.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            user_defined: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal. It also returns signals that arrived before the call.
    async fn next(&mut self) -> Command {
        tokio::select! {
            biased;
            () = received(&mut self.terminate) => Command::ShutDown,
            () = received(&mut self.interrupt) => Command::ShutDown,
            () = received(&mut self.hangup) => Command::Reload,
            () = received(&mut self.user_defined) => Command::AcceptClock,
        }
    }

    /// Resolves when the process gets a signal to shut down.
    pub async fn shutdown(&mut self) {
        tokio::select! {
            () = received(&mut self.terminate) => {}
            () = received(&mut self.interrupt) => {}
        }
    }
}

async fn received(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        // The stream of signals has ended, so no signal will arrive.
        std::future::pending().await
    }
}
