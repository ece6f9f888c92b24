//! `gateway serve`: reads the configuration, starts the logs, and hands over to the gateway.

use std::process::ExitCode;

use crate::{
    config::{Flags, Loaded},
    gateway::Gateway,
    telemetry,
};
use clap::Args;

/// Runs the gateway.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    source: super::Source,
    /// Address and port, such as 127.0.0.1:4000.
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// For trying things out: makes a secret, hands out tokens at /dev/token, and listens on loopback only.
    #[arg(long)]
    dev: bool,
}

impl Serve {
    pub(super) async fn run(self, customise: impl FnOnce(Gateway) -> Gateway) -> anyhow::Result<ExitCode> {
        let flags = Flags { listen: self.listen, dev: self.dev, ..self.source.flags() };
        let loaded = Loaded::read(&flags)?;
        let telemetry = telemetry::init(&loaded.config.log)?;
        for notice in &loaded.notices {
            tracing::warn!("{notice}");
        }
        crate::gateway::run(loaded, telemetry, customise).await?;
        Ok(ExitCode::SUCCESS)
    }
}
