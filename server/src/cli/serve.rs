//! `gateway serve`: reads the configuration, starts the log, and runs the gateway.

use std::process::ExitCode;

use crate::{
    config::{Flags, Loaded},
    gateway::{Gateway, running::Signals},
    telemetry,
};
use anyhow::Context;
use clap::Args;

/// Runs the gateway.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    source: super::Source,
    /// Address and port, such as 127.0.0.1:4000.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// For development: generates a secret, issues tokens at /dev/token, and listens on loopback only.
    #[arg(long)]
    dev: bool,
}

impl Serve {
    pub(super) async fn run(self, customise: impl FnOnce(Gateway) -> Gateway) -> anyhow::Result<ExitCode> {
        // Listen before anything else: from here on SIGHUP does not end the process, and SIGTERM also ends the start.
        let mut signals = Signals::listen().context("the process cannot receive signals")?;
        let flags = Flags { listen: self.listen, dev: self.dev, ..self.source.flags() };
        let loaded = tokio::select! {
            biased;
            () = signals.shutdown() => return Ok(ExitCode::SUCCESS),
            loaded = Loaded::read_in_background(flags) => loaded?,
        };
        let telemetry = telemetry::init(&loaded.config.log)?;
        for notice in &loaded.notices {
            tracing::warn!("{notice}");
        }
        let ended = crate::gateway::run(loaded, signals, &telemetry, customise).await;
        telemetry.flush();
        ended?;
        Ok(ExitCode::SUCCESS)
    }
}
