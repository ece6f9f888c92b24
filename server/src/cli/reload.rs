//! `gateway reload`: tells a running gateway to read its configuration again, for images that hold no shell that could
//! send a signal.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::Args;

use super::process::{Found, GatewayProcess, find};

/// Tells a running gateway of this machine to read its configuration again, as SIGHUP does.
///
/// The gateway is found among the processes of this machine or container: it is the one that runs `serve` of this
/// program. Where several run, --config or --pid says which one is meant.
#[derive(Debug, Args)]
pub(super) struct Reload {
    /// The gateway that reads this configuration file.
    #[arg(long, value_name = "FILE", conflicts_with = "pid")]
    config: Option<PathBuf>,
    /// The gateway that is this process.
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pid: Option<i32>,
}

impl Reload {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let gateway = match self.pid {
            Some(id) => GatewayProcess::with_id(id),
            None => {
                let found = find().context(
                    "running gateways are found by /proc, which cannot be read here; send the process a SIGHUP",
                )?;
                self.choose(found)?
            }
        };
        let id = gateway.id;
        if gateway.handles_hangup() == Some(false) {
            bail!("process {id} does not handle SIGHUP and would end: it is no gateway, or has only just been started");
        }
        if let Some(problem) = gateway.configuration_problem() {
            bail!("process {id} would refuse its configuration, so it was not told: {problem}");
        }
        gateway.hang_up().with_context(|| {
            format!("process {id} cannot be told to reload; is it there, and is this its user, or root?")
        })?;
        super::print(&format!(
            "process {id} reads its configuration again; its log says what changed and what needs a restart\n"
        ))
    }

    /// The one gateway that is meant.
    fn choose(&self, found: Found) -> anyhow::Result<GatewayProcess> {
        let Found { mut gateways, hidden } = found;
        if let Some(file) = &self.config {
            gateways.retain(|gateway| gateway.reads(file));
        }
        let several = gateways.len() > 1;
        match gateways.pop() {
            Some(only) if !several => Ok(only),
            None => {
                let which = self.config.as_ref().map(|file| format!(" with {}", file.display())).unwrap_or_default();
                let others = match hidden {
                    0 => String::new(),
                    count => {
                        format!("; {count} of another user cannot be looked into: run this as that user or as root")
                    }
                };
                bail!("no gateway of this program runs here{which}{others}")
            }
            Some(last) => {
                gateways.push(last);
                let shown: Vec<_> =
                    gateways.iter().map(|gateway| format!("{} ({})", gateway.id, gateway.config().display())).collect();
                bail!("several gateways run here, say by --config or --pid which one is meant: {}", shown.join(", "))
            }
        }
    }
}
