//! A gateway that serves: it reloads on SIGHUP, and goes on SIGTERM or Ctrl-C.

use std::{net::SocketAddr, sync::Arc};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    accept::{Certificates, Listening},
    config::{Config, Loaded},
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

    /// Serves until a signal, and drains.
    pub async fn until_told(self, mut signals: Signals, mut loaded: Loaded, telemetry: &Telemetry) {
        while signals.next().await == Told::Reload {
            loaded = self.reload(loaded, telemetry);
        }
        tokio::select! {
            () = self.drain() => {}
            () = signals.leave() => tracing::warn!("told to go twice; not waiting for sessions"),
        }
        self.resign().await;
        self.node.bus.close().await;
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

    /// Reads the configuration again. What can change takes effect, and what cannot is named.
    fn reload(&self, loaded: Loaded, telemetry: &Telemetry) -> Loaded {
        let newer = match loaded.again() {
            Ok(newer) => newer,
            Err(error) => {
                tracing::error!(%error, "the configuration was not reloaded");
                return loaded;
            }
        };
        let (live, fixed): (Vec<_>, Vec<_>) = loaded.changes(&newer).into_iter().partition(|change| change.live);
        if let Err(error) = self.apply(&newer.config, telemetry) {
            tracing::error!(error, "the configuration was not reloaded");
            return loaded;
        }
        let names =
            |changes: &[crate::config::Change]| changes.iter().map(|change| change.key).collect::<Vec<_>>().join(", ");
        tracing::info!(changed = names(&live), "the configuration was reloaded");
        if !fixed.is_empty() {
            tracing::warn!(keys = names(&fixed), "these keys have changed and need a restart");
        }
        newer
    }

    fn apply(&self, newer: &Config, telemetry: &Telemetry) -> Result<(), String> {
        let node = &self.node;
        node.auth.reload(&newer.auth).map_err(|error| error.to_string())?;
        if let (Some(certificates), Some(tls)) = (&self.certificates, &newer.tls) {
            certificates.reload(tls).map_err(|error| error.to_string())?;
        }
        telemetry.set_level(&newer.log.level).map_err(|error| error.to_string())?;
        node.api_keys.reload(&newer.auth.api_keys);
        let current = node.config();
        node.set_config(Config {
            log: newer.log.clone(),
            limits: newer.limits,
            origins_allowed: newer.origins_allowed.clone(),
            tls: newer.tls.clone(),
            auth: crate::config::Auth {
                timeout: current.auth.timeout,
                expiry_grace: current.auth.expiry_grace,
                ..newer.auth.clone()
            },
            ..Config::clone(&current)
        });
        Ok(())
    }
}

/// What a signal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// SIGHUP.
    Reload,
    /// SIGTERM, or Ctrl-C.
    Leave,
}

/// The signals that the process listens to, from the moment that this is made.
pub struct Signals {
    hangup: Option<Signal>,
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
}

impl Signals {
    /// Begins to listen.
    pub fn listen() -> Self {
        Self {
            hangup: listen(SignalKind::hangup()),
            terminate: listen(SignalKind::terminate()),
            interrupt: listen(SignalKind::interrupt()),
        }
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            () = received(&mut self.hangup) => Told::Reload,
            () = received(&mut self.terminate) => Told::Leave,
            () = received(&mut self.interrupt) => Told::Leave,
        }
    }

    /// Resolves when the process is told to leave.
    async fn leave(&mut self) {
        while self.next().await != Told::Leave {}
    }
}

/// Begins to listen for a signal; none when the system has no such thing.
fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind).inspect_err(|error| tracing::error!(%error, "a signal cannot be waited for")).ok()
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
