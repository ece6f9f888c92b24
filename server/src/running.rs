//! A gateway that serves: it reloads on SIGHUP (`running/reload.rs`), and shuts down on SIGTERM or Ctrl-C.

mod reload;

use std::{io, net::SocketAddr, sync::Arc};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    accept::{Certificates, Listening},
    config::{InForce, Loaded},
    node::{Node, in_time},
    telemetry::Telemetry,
};

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

    /// Serves until it gets a signal to shut down, and drains. A second signal ends the drain, a third one does not wait for
    /// other servers either.
    pub async fn run_until_shutdown(self, mut signals: Signals, loaded: Loaded, telemetry: &Telemetry) {
        let mut in_force = InForce::new(loaded);
        while signals.next().await == Command::Reload {
            // Reading the configuration may take long, and reloading it may not: it happens whole or not at all.
            let newer = tokio::select! {
                biased;
                () = signals.shutdown() => break,
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
        self.node.store.close().await;
        tracing::info!("gone");
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
    /// SIGTERM, or SIGINT by Ctrl-C.
    ShutDown,
}

/// The signals that the process receives, from the moment that this is made.
pub struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to receive SIGHUP, SIGTERM and SIGINT, none of which ends the process from now on.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
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
