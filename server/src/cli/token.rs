//! `gateway token`: prints a signed token to standard output.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use crate::{
    auth::{ClaimedSubscription, Mint, mint},
    config::Loaded,
};
use anyhow::bail;
use clap::Args;
use gateway_contracts::MemberName;
use realtime_gateway_protocol::{ClanId, ServiceName, TopicName, UserId};

/// Prints a token that is signed with the configured secret.
#[derive(Debug, Args)]
pub(super) struct Token {
    /// The user of the token (`sub`).
    #[arg(long, value_name = "ID")]
    user: UserId,
    /// The clans that the token allows, separated by commas, or `*` for all.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    clans: Vec<ClanId>,
    /// The topics that the token allows, as SERVICE:TOPIC, separated by commas. SERVICE:PREFIX* allows all topics with
    /// the prefix, and SERVICE:* all topics of a service.
    #[arg(long, value_name = "S:T", value_delimiter = ',', value_parser = topic)]
    topics: Vec<(ServiceName, TopicName)>,
    /// The calls that the token allows, as SERVICE:CALL, separated by commas.
    #[arg(long, value_name = "S:C", value_delimiter = ',', value_parser = call)]
    calls: Vec<(ServiceName, MemberName)>,
    /// The topics to which the sessions of the token are subscribed without a command, as SERVICE:TOPIC, separated by
    /// commas.
    #[arg(long, value_name = "S:T", value_delimiter = ',', value_parser = topic)]
    subscribe: Vec<(ServiceName, TopicName)>,
    /// The lifetime of the token.
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
        let (topics, calls) = (by_service(&self.topics), by_service(&self.calls));
        let claimed = |(service, topic)| ClaimedSubscription { service, topic };
        let subscribe = self.subscribe.into_iter().map(claimed).collect();
        let wish = Mint { user: self.user, clans, topics, calls, subscribe, device: None, ttl: self.ttl };
        let minted = mint(&loaded.config.auth, &wish)?;
        super::print(&format!("{}\n", minted.token))
    }
}

/// Returns the names of each service, in the order of the command line.
fn by_service(grants: &[(ServiceName, impl ToString)]) -> BTreeMap<String, Vec<String>> {
    let mut names = BTreeMap::<String, Vec<String>>::new();
    for (service, name) in grants {
        names.entry(service.to_string()).or_default().push(name.to_string());
    }
    names
}

/// Parses `SERVICE:TOPIC`. The topic may contain colons.
fn topic(text: &str) -> Result<(ServiceName, TopicName), String> {
    let (service, topic) = text.split_once(':').ok_or("write SERVICE:TOPIC, or SERVICE:* for all of its topics")?;
    let service = service_name(service)?;
    let topic = TopicName::new(topic).map_err(|error| format!("the topic {topic:?}: {error}"))?;
    Ok((service, topic))
}

/// Parses `SERVICE:CALL`.
fn call(text: &str) -> Result<(ServiceName, MemberName), String> {
    let (service, call) = text.split_once(':').ok_or("write SERVICE:CALL, such as orders:cancel")?;
    let service = service_name(service)?;
    let call = MemberName::new(call)
        .ok_or_else(|| format!("the call {call:?}: name one call, which matches [a-z][A-Za-z0-9]{{0,63}}"))?;
    Ok((service, call))
}

fn service_name(text: &str) -> Result<ServiceName, String> {
    ServiceName::new(text).map_err(|error| format!("the service {text:?}: {error}"))
}
