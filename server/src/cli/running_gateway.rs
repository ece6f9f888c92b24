//! Selects the running gateway that a command applies to.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use super::process::{Found, GatewayProcess, find};

/// The options that select one of the gateways that run on this machine.
#[derive(Debug, Args)]
pub(super) struct RunningGateway {
    /// Selects the gateway that reads this configuration file.
    #[arg(long, value_name = "FILE", conflicts_with = "pid")]
    pub(super) config: Option<PathBuf>,
    /// Selects the gateway with this process id.
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pid: Option<i32>,
}

/// The result of the selection.
pub(super) enum Chosen {
    /// The selected gateway.
    One(GatewayProcess),
    /// No gateway was found, with the reason as a sentence.
    None(String),
}

impl RunningGateway {
    /// Finds the selected gateway. If processes cannot be listed, the error contains the alternative `otherwise`.
    ///
    /// # Errors
    /// When several gateways match.
    pub(super) fn find(&self, otherwise: &str) -> anyhow::Result<Chosen> {
        if let Some(id) = self.pid {
            return Ok(Chosen::One(GatewayProcess::with_id(id)));
        }
        let found = find()
            .with_context(|| format!("running gateways are found by /proc, which cannot be read here; {otherwise}"))?;
        self.choose(found)
    }

    fn choose(&self, found: Found) -> anyhow::Result<Chosen> {
        let Found { mut gateways, hidden } = found;
        if let Some(file) = &self.config {
            gateways.retain(|gateway| gateway.reads(file));
        }
        let several = gateways.len() > 1;
        match gateways.pop() {
            Some(only) if !several => Ok(Chosen::One(only)),
            None => {
                let which = self.config.as_ref().map(|file| format!(" with {}", file.display())).unwrap_or_default();
                let others = match hidden {
                    0 => String::new(),
                    count => {
                        format!("; {count} of another user cannot be looked into: run this as that user or as root")
                    }
                };
                Ok(Chosen::None(format!("no gateway of this program runs here{which}{others}")))
            }
            Some(last) => {
                gateways.push(last);
                let shown: Vec<_> =
                    gateways.iter().map(|gateway| format!("{} ({})", gateway.id, gateway.config().display())).collect();
                bail!("several gateways run here; select one with --config or --pid: {}", shown.join(", "))
            }
        }
    }
}
