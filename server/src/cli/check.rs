//! `gateway check`: whether the gateway would start, and what would hurt it, one finding a line.

use std::{fmt, fs, process::ExitCode};

use clap::Args;

use super::store_check::store;
use crate::{
    auth::Authenticator,
    bus::open::probe,
    config::{Config, Durability, Loaded},
    descriptors,
};

/// Tells whether the gateway would start, and what would hurt it.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    source: super::Source,
}

/// Hosts that are this machine.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What was found.
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
        let findings = match Loaded::read(&self.source.flags()) {
            Ok(loaded) => findings(&loaded).await,
            Err(error) => vec![Finding::Error(error.to_string())],
        };
        let text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        super::print(&text)?;
        let failed = findings.iter().any(|finding| matches!(finding, Finding::Error(_)));
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

async fn findings(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let mut findings = vec![Finding::Fine("the configuration is valid".into())];
    findings.extend(loaded.notices.iter().cloned().map(Finding::Warning));
    findings.push(keys(config).await);
    findings.extend(store(config).await);
    findings.extend(broker(config).await);
    findings.extend(files(config));
    findings.push(open_files(config));
    findings.extend(network(config));
    if config.store.durability == Durability::Os {
        findings.push(Finding::Warning(
            "store.durability is `os`: a machine that crashes may lose what was confirmed".into(),
        ));
    }
    findings
}

async fn keys(config: &Config) -> Finding {
    let authenticator = match Authenticator::new(&config.auth) {
        Ok(authenticator) => authenticator,
        Err(error) => return Finding::Error(error.to_string()),
    };
    if authenticator.fetch_keys().await {
        Finding::Fine("the keys that verify tokens are there".into())
    } else {
        Finding::Warning("auth.jwks_url gives no keys now: its tokens are refused until it does".into())
    }
}

async fn broker(config: &Config) -> Vec<Finding> {
    if config.bus.is_embedded() {
        return Vec::new();
    }
    let mut findings = vec![match probe(config).await {
        Ok(()) => Finding::Fine("the broker lets the gateway in".into()),
        // The gateway starts without it, but whoever checks wants it to be there.
        Err(error) => Finding::Error(error.to_string()),
    }];
    let in_clear = |url: &str| url.trim().starts_with("amqp://") && !LOOPBACK.iter().any(|host| url.contains(host));
    if config.bus.url.0.split(',').any(in_clear) {
        findings.push(Finding::Warning(
            "bus.url is amqp://: what is said, and the password, travel in clear; amqps:// does not".into(),
        ));
    }
    if !config.store.is_shared() {
        findings.push(Finding::Fine(
            "the store is this node's own, so no second gateway may use this broker and bus.prefix".into(),
        ));
    }
    findings
}

fn files(config: &Config) -> Vec<Finding> {
    let Some(tls) = &config.tls else { return Vec::new() };
    let read = |(key, path): (&str, &std::path::Path)| match fs::read(path) {
        Ok(_) => Finding::Fine(format!("{key} can be read")),
        Err(error) => Finding::Error(format!("{key} ({}) cannot be read: {error}", path.display())),
    };
    [("tls.cert", tls.cert.as_path()), ("tls.key", tls.key.as_path())].into_iter().map(read).collect()
}

fn open_files(config: &Config) -> Finding {
    let Some(limit) = descriptors::limit() else {
        return Finding::Warning("this system does not tell how many files may be open".into());
    };
    let wanted = descriptors::wanted(config.limits.connections);
    if limit.hard >= wanted {
        Finding::Fine(format!("{} files may be open, {wanted} are wanted", limit.hard))
    } else {
        let fit = limit.hard.saturating_sub(descriptors::RESERVE);
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
                "tls.cert is not set: tokens travel in clear unless a proxy in front has TLS".into(),
            ));
        }
        if config.internal_listen.is_none() {
            findings.push(Finding::Warning(
                "internal.listen is not set: /metrics, /docs and /api are served on the public port too".into(),
            ));
        }
    }
    if config.origins_allowed.is_empty() {
        findings
            .push(Finding::Fine("origins.allowed is empty: only pages from the gateway's own host may connect".into()));
    }
    findings
}
