//! `gateway reload`: tells a running gateway to read its configuration again, for images that hold no shell that could
//! send a signal.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use rustix::process::Signal;

use super::running_gateway::{Chosen, RunningGateway};

/// Tells a running gateway of this machine to read its configuration again, as SIGHUP does.
///
/// The gateway is found among the processes of this machine or container: it is the one that runs `serve` of this
/// program. Where several run, --config or --pid says which one is meant.
#[derive(Debug, Args)]
pub(super) struct Reload {
    #[command(flatten)]
    gateway: RunningGateway,
}

impl Reload {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let gateway = match self.gateway.find("send the process a SIGHUP")? {
            Chosen::One(gateway) => gateway,
            Chosen::None(why) => bail!("{why}"),
        };
        let id = gateway.id;
        if gateway.handles(Signal::HUP) == Some(false) {
            bail!("process {id} does not handle SIGHUP and would end: it is no gateway, or has only just been started");
        }
        if let Some(problem) = gateway.configuration_problem() {
            bail!("process {id} would refuse its configuration, so it was not told: {problem}");
        }
        gateway.send(Signal::HUP).with_context(|| {
            format!("process {id} cannot be told to reload; is it there, and is this its user, or root?")
        })?;
        super::print(&format!(
            "process {id} reads its configuration again; its log says what changed and what needs a restart\n"
        ))
    }
}
