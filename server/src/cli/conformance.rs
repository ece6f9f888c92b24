//! `gateway conformance`: runs any client through the scenarios of the conformance kit.

use std::process::ExitCode;

use clap::Args;
use realtime_gateway_conformance::Arguments;

/// The arguments of `gateway conformance`.
#[derive(Debug, Args)]
pub(super) struct Conformance {
    #[command(flatten)]
    arguments: Arguments,
}

impl Conformance {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        Ok(self.arguments.run().await?)
    }
}
