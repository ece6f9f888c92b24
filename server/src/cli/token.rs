//! `gateway token`: a signed token on standard output.

use std::{process::ExitCode, time::Duration};

use crate::{
    auth::{Mint, mint},
    config::Loaded,
};
use anyhow::bail;
use clap::Args;
use realtime_gateway_protocol::{ClanId, UserId};

/// Prints a token that is signed with the configured secret.
#[derive(Debug, Args)]
pub(super) struct Token {
    /// Who shall be known by it (`sub`).
    #[arg(long, value_name = "ID")]
    user: UserId,
    /// Clans that it allows, separated by commas; `*` for all.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    clans: Vec<ClanId>,
    /// How long it lives.
    #[arg(long, default_value = "1h", value_parser = humantime::parse_duration)]
    ttl: Duration,
    #[command(flatten)]
    source: super::Source,
}

impl Token {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if self.ttl < Duration::from_secs(1) {
            bail!("--ttl is under 1s: the token would have expired");
        }
        let loaded = Loaded::read(&self.source.flags())?;
        let clans = self.clans.iter().map(ToString::to_string).collect();
        let wish = Mint { user: self.user, clans, device: None, ttl: self.ttl };
        let minted = mint(&loaded.config.auth, &wish)?;
        super::print(&format!("{}\n", minted.token))
    }
}
