//! A gateway that serves: it reloads on SIGHUP (`running/reload.rs`), trusts its clock on SIGUSR1, and shuts down on
//! SIGTERM, on Ctrl-C, or when one of its parts has died.

mod reload;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use crate::{
    accept::{Certificates, Listening},
    config::{Drain, InForce, Loaded},
    node::{Node, in_time},
    supervision::PartFailure,
    telemetry::Telemetry,
};

/// How the connections are closed when a part has died: what is left does not work for long.
const DRAIN_AFTER_FAILURE: Drain =
    Drain { delay: Duration::ZERO, spread: Duration::from_secs(1), grace: Duration::from_secs(3) };
/// How long all of the end may take then. The part that has died may be the one that the end waits for.
const END_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// A gateway that serves.
pub struct Running {
    /// Its parts.
    pub node: Arc<Node>,
    pub(crate) listening: Listening,
    pub(crate) certificates: Option<Certificates>,
}

impl Running {
    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// Resolves when a part of the gateway has died. It serves no longer as it should, so the process should end.
    pub async fn failed(&self) -> PartFailure {
        self.node.tasks.supervisor().failed().await
    }

    /// Serves until it gets a signal to shut down, and drains. A second signal ends the drain, a third one does not wait for
    /// other servers either.
    ///
    /// # Errors
    /// [`PartFailure`] when a part of the gateway has died; it was drained briefly then.
    pub async fn run_until_shutdown(
        self,
        mut signals: Signals,
        loaded: Loaded,
        telemetry: &Telemetry,
    ) -> Result<(), PartFailure> {
        telemetry.supervise(self.node.tasks.supervisor());
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
                    if let Err(error) = self.node.accept_clock().await {
                        tracing::error!(error = %error.message, "the clock was not confirmed; try again");
                    }
                    continue;
                }
                Command::Reload => {}
            }
            // Reading the configuration may take long, and reloading it may not: it happens whole or not at all.
            let newer = tokio::select! {
                biased;
                () = signals.shutdown() => break,
                failure = self.failed() => return Err(self.end_after(failure).await),
                newer = in_force.read_again() => newer,
            };
            self.reload(&mut in_force, newer, telemetry);
        }
        tokio::select! {
            () = self.drain() => {}
            () = signals.shutdown() => tracing::warn!("second signal to shut down; not waiting for sessions"),
        }
        let leave = async {
            self.resign().await;
            self.node.bus.close().await;
        };
        tokio::select! {
            () = leave => {}
            () = signals.shutdown() => tracing::warn!("another signal to shut down; not waiting for the store and the broker"),
        }
        self.node.keep_clock_mark().await;
        self.node.store.close().await;
        tracing::info!("gone");
        Ok(())
    }

    /// Ends what still works after a part has died.
    async fn end_after(self, failure: PartFailure) -> PartFailure {
        let end = async {
            self.drain_within(DRAIN_AFTER_FAILURE).await;
            self.resign().await;
            self.node.bus.close().await;
            self.node.store.close().await;
        };
        if timeout(END_AFTER_FAILURE, end).await.is_err() {
            tracing::error!("the gateway did not end in time after a part has died");
        }
        failure
    }

    /// Leaves nothing behind that other nodes would have to clear up.
    async fn resign(&self) {
        let node = &self.node;
        let left = in_time(async {
            node.close_left_records().await?;
            node.store.resign().await
        });
        if let Err(error) = left.await {
            tracing::warn!(%error, "this node's records stay until its lease ends");
        }
    }
}

/// What a signal tells the process to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    /// SIGHUP.
    Reload,
    /// SIGUSR1.
    AcceptClock,
    /// SIGTERM, or SIGINT by Ctrl-C.
    ShutDown,
}

/// The signals that the process receives, from the moment that this is made.
pub struct Signals {
    hangup: Signal,
    user_defined: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to receive SIGHUP, SIGUSR1, SIGTERM and SIGINT, none of which ends the process from now on.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            user_defined: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next signal, also one that came before this was called.
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
        // It will not come any more.
        std::future::pending().await
    }
}
