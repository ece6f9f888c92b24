//! `gateway store accept-clock`: an operator confirms a clock that has jumped, so that expired data is deleted again.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::Args;
use rustix::process::Signal;

use super::running_gateway::{Chosen, RunningGateway};
use crate::{
    config::{Config, Flags, Loaded},
    runtime::clock::NodeClock,
    store::{NodeName, open::open},
};

/// Confirms that the clock is right, after it has jumped.
///
/// A running gateway is notified with SIGUSR1. With Redis, whose clock all nodes follow, it confirms the clock of
/// Redis. If no gateway runs, the clock is confirmed in the store of the configuration. With a data file, the next
/// start uses the clock of the machine.
#[derive(Debug, Args)]
pub(super) struct AcceptClock {
    #[command(flatten)]
    gateway: RunningGateway,
}

impl AcceptClock {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.gateway.find("send the process a SIGUSR1")? {
            Chosen::One(gateway) => {
                let id = gateway.id;
                if gateway.handles(Signal::USR1) == Some(false) {
                    bail!(
                        "process {id} does not handle SIGUSR1 and would end: it is no gateway, or of an older version"
                    );
                }
                gateway.send(Signal::USR1).with_context(|| {
                    format!("process {id} cannot be signaled; does it run, and is this its user or root?")
                })?;
                super::print(&format!(
                    "process {id} was asked to accept the clock; its log and /health show the result\n"
                ))
            }
            Chosen::None(why) => {
                accept_without_gateway(self.gateway.config).await.context(why)?;
                super::print("the clock is confirmed in the store\n")
            }
        }
    }
}

async fn accept_without_gateway(file: Option<PathBuf>) -> anyhow::Result<()> {
    let config = Loaded::read(&Flags { config: file, ..Flags::default() })?.config;
    let path = config.store.url.0.strip_prefix("redb:").map(PathBuf::from);
    if let Some(path) = path.filter(|path| !path.exists()) {
        bail!("there is no data file at {}", path.display());
    }
    accept_in_store(&config).await
}

async fn accept_in_store(config: &Config) -> anyhow::Result<()> {
    let options = config.store_options(&NodeName::new("accept-clock"));
    let store = open(&config.store, options, &NodeClock::default()).await?;
    let accepted = store.accept_clock().await;
    store.close().await;
    Ok(accepted?)
}
