//! `gateway reload`: reloads the configuration of a running gateway, for container images without a shell that could
//! send a signal.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use rustix::process::Signal;

use super::running_gateway::{Chosen, RunningGateway};

/// Reloads the configuration of a gateway that runs on this machine, like SIGHUP.
///
/// The command finds the process on this machine or in this container that runs `serve` of this program. If several
/// run, select one with --config or --pid.
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
            bail!("process {id} would reject its configuration, so it was not signaled: {problem}");
        }
        gateway
            .send(Signal::HUP)
            .with_context(|| format!("process {id} cannot be signaled; does it run, and is this its user or root?"))?;
        super::print(&format!(
            "process {id} reloads its configuration; its log shows what changed and what needs a restart\n"
        ))
    }
}
