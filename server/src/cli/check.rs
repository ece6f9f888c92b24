//! `gateway check`: checks whether the gateway would start, and reports risks, one finding per line.

use std::{fmt, io, net::SocketAddr, process::ExitCode};

use clap::Args;

use super::store_check::store;
use crate::{
    auth::FetchedKeys,
    bus::open::{Topology, probe},
    commands::declared::Declaration,
    config::{Config, Durability, Flags, Loaded},
    edge::accept::{ServeError, can_bind},
    gateway::Prepared,
    runtime::descriptors,
    store::redb::survey::Depth,
    telemetry::LogFilter,
};

/// Checks whether the gateway would start, and reports risks.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    source: super::Source,
    /// Reads the configuration like `serve --dev`.
    #[arg(long)]
    dev: bool,
    /// Reads every row of the data file, verifies its checksum, and lets redb check its pages. The file is not changed.
    /// This takes as long as reading the file.
    #[arg(long)]
    deep: bool,
}

/// The host names of the loopback interface.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// A finding.
pub(super) enum Finding {
    Fine(String),
    Warning(String),
    Error(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fine(text) => write!(f, "ok       {text}"),
            Self::Warning(text) => write!(f, "warning  {text}"),
            Self::Error(text) => write!(f, "error    {text}"),
        }
    }
}

impl Check {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let findings = match Loaded::read(&Flags { dev: self.dev, ..self.source.flags() }) {
            Ok(loaded) => findings(&loaded, if self.deep { Depth::Deep } else { Depth::Quick }).await,
            Err(error) => vec![Finding::Error(error.to_string())],
        };
        let text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        super::print(&text)?;
        let failed = findings.iter().any(|finding| matches!(finding, Finding::Error(_)));
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

async fn findings(loaded: &Loaded, depth: Depth) -> Vec<Finding> {
    let config = &loaded.config;
    let mut findings = vec![Finding::Fine("the configuration is valid".into())];
    findings.extend(loaded.notices.iter().cloned().map(Finding::Warning));
    findings.extend(LogFilter::parse(&config.log.level).err().map(|error| Finding::Error(error.to_string())));
    findings.extend(prepared(config).await);
    findings.extend(store(config, depth).await);
    findings.extend(broker(config).await);
    findings.push(open_files(config));
    findings.extend(ports(config));
    findings.extend(network(config));
    if config.store.durability == Durability::Os {
        findings.push(Finding::Warning(
            "store.durability is `os`: a machine that crashes may lose what was confirmed".into(),
        ));
    }
    findings
}

/// Creates the parts that `serve` creates before it opens the store.
async fn prepared(config: &Config) -> Vec<Finding> {
    let prepared = match Prepared::new(config) {
        Ok(prepared) => prepared,
        Err(problems) => return problems.iter().map(|problem| Finding::Error(problem.to_string())).collect(),
    };
    let mut findings = Vec::new();
    findings.extend(prepared.declarations.iter().map(|Declaration { contract, .. }| {
        Finding::Fine(format!("services.{} can be served ({})", contract.name, contract.file.display()))
    }));
    let unused = prepared
        .declarations
        .iter()
        .filter(|declared| declared.backend.is_some() && declared.contract.calls.is_empty());
    findings.extend(unused.map(|Declaration { contract, .. }| {
        Finding::Warning(format!("services.{}.backend is not used: the contract has no calls", contract.name))
    }));
    if prepared.certificates.is_some() {
        findings.push(Finding::Fine("tls.cert and tls.key can be used".into()));
    }
    let fetched = prepared.auth.fetch_keys().await;
    if fetched.iter().all(|keys| keys.problem.is_none()) {
        findings.push(Finding::Fine("the keys that verify tokens are there".into()));
    }
    findings.extend(fetched.into_iter().filter_map(|FetchedKeys { source, problem }| {
        let problem = problem?;
        Some(Finding::Warning(format!(
            "{source} gives no keys now: its tokens are answered with unavailable until it does ({problem})"
        )))
    }));
    findings
}

/// Checks whether the ports can be opened.
fn ports(config: &Config) -> Vec<Finding> {
    let listens = [("listen", Some(config.listen)), ("internal.listen", config.internal_listen)];
    let ports = listens.into_iter().filter_map(|(key, address)| Some((key, address?)));
    let look = |(key, address): (&str, SocketAddr)| match can_bind(address) {
        Ok(()) => Finding::Fine(format!("{key} ({address}) can be listened on")),
        Err(ServeError::Bind { cause, .. }) if cause.kind() == io::ErrorKind::AddrInUse => Finding::Warning(format!(
            "{key} ({address}) is in use: a gateway that runs, or another program, listens there"
        )),
        Err(error) => Finding::Error(format!("{key}: {error}")),
    };
    ports.map(look).collect()
}

async fn broker(config: &Config) -> Vec<Finding> {
    if config.bus.is_embedded() {
        return Vec::new();
    }
    let mut findings = match probe(config).await {
        Ok(found) => topology(found),
        // The gateway starts without the broker, but an operator who checks expects it to be available.
        Err(error) => vec![Finding::Error(error.to_string())],
    };
    let in_clear = |url: &str| url.trim().starts_with("amqp://") && !LOOPBACK.iter().any(|host| url.contains(host));
    if config.bus.url.0.split(',').any(in_clear) {
        findings.push(Finding::Warning(
            "bus.url is amqp://: messages and the password are sent unencrypted; use amqps:// to encrypt them".into(),
        ));
    }
    if !config.store.is_shared() {
        findings.push(Finding::Fine(
            "the store is this node's own, so no second gateway may use this broker and bus.prefix".into(),
        ));
    }
    findings
}

/// Returns the findings about the queues and exchanges that the gateway declares.
fn topology(found: Topology) -> Vec<Finding> {
    let Topology { same, absent, in_use, refused } = found;
    let mut findings = vec![Finding::Fine("the broker lets the gateway in".into())];
    let name = |text: &str, names: &[String]| (!names.is_empty()).then(|| format!("{text}: {}", names.join(", ")));
    findings.extend(name("the broker has, as the gateway declares it", &same).map(Finding::Fine));
    findings.extend(name("the broker has not yet, and the start declares", &absent).map(Finding::Fine));
    let taken = name("a gateway that runs has this to itself, so a second one cannot start", &in_use);
    findings.extend(taken.map(Finding::Warning));
    findings.extend(refused.iter().map(|fault| Finding::Error(format!("the broker: {fault}"))));
    findings
}

fn open_files(config: &Config) -> Finding {
    let Some(limit) = descriptors::limit() else {
        return Finding::Warning("this system does not tell how many files may be open".into());
    };
    let wanted = descriptors::wanted(config.limits.connections, config.permissions.max_in_flight);
    if limit.hard >= wanted {
        Finding::Fine(format!("{} files may be open, {wanted} are wanted", limit.hard))
    } else {
        let fit = limit.hard.saturating_sub(descriptors::reserved(config.permissions.max_in_flight));
        Finding::Warning(format!(
            "only {} files may be open: {fit} of limits.connections = {} fit; raise it (ulimit -Hn, LimitNOFILE=)",
            limit.hard, config.limits.connections
        ))
    }
}

fn network(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !config.listen.ip().is_loopback() {
        if config.proxies_trusted.is_empty() {
            findings.push(Finding::Warning(
                "proxies.trusted is empty: behind a proxy all clients count as one address (limits.connections_per_ip)"
                    .into(),
            ));
        }
        if config.tls.is_none() {
            findings.push(Finding::Warning(
                "tls.cert is not set: tokens are sent unencrypted unless a proxy in front terminates TLS".into(),
            ));
        }
        if config.internal_listen.is_none() {
            findings.push(Finding::Warning(
                "internal.listen is not set: /docs, /health/websocket and /api are served on the public port too"
                    .into(),
            ));
        }
    }
    if config.origins_allowed.is_empty() {
        findings
            .push(Finding::Fine("origins.allowed is empty: only pages from the gateway's own host may connect".into()));
    }
    findings
}
