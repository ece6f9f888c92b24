//! `gateway healthcheck`: asks a running gateway how it is, for images that hold nothing else that could ask.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;
use reqwest::Url;

use crate::{
    config::{Config, Loaded},
    crypto,
};

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Asks a running gateway whether it is well: exits with 0 if it says so, and with 1 otherwise.
#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    #[command(flatten)]
    source: super::Source,
    /// What to ask instead of /health/ready at the configured address, such as http://127.0.0.1:4000/health.
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    url: Option<Url>,
}

impl Healthcheck {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let url = match self.url {
            Some(url) => url,
            None => own(&Loaded::read(&self.source.flags())?.config)?,
        };
        // What listens on this machine need not have a certificate for its name here.
        let client = crypto::https_client()
            .timeout(WITHIN)
            .no_proxy()
            .tls_danger_accept_invalid_certs(is_this_machine(&url))
            .build()?;
        let response = client.get(url.clone()).send().await.with_context(|| format!("{url} does not answer"))?;
        let status = response.status();
        let body = response.text().await.unwrap_or_default();
        if !status.is_success() {
            bail!("{url} answers {status}: {}", body.trim());
        }
        super::print(&format!("{url} answers {status}: {}\n", body.trim()))
    }
}

/// The readiness of the gateway that this configuration is of.
fn own(config: &Config) -> anyhow::Result<Url> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let ip = match config.listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let address = SocketAddr::new(ip, config.listen.port());
    Ok(Url::parse(&format!("{scheme}://{address}/health/ready"))?)
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_where_the_gateway_listens() {
        let at = |listen: &str| own(&Config { listen: listen.parse().unwrap(), ..Config::default() }).unwrap();
        assert_eq!(at("0.0.0.0:4000").as_str(), "http://127.0.0.1:4000/health/ready");
        assert_eq!(at("[::]:4000").as_str(), "http://[::1]:4000/health/ready");
        assert_eq!(at("192.0.2.1:80").as_str(), "http://192.0.2.1/health/ready");
    }

    #[test]
    fn certificates_are_let_pass_on_this_machine_only() {
        for (url, ours) in [
            ("https://127.0.0.1:4000", true),
            ("https://[::1]:4000", true),
            ("https://localhost", true),
            ("https://gateway.example.com", false),
            ("https://192.0.2.1", false),
            ("https://localhost.evil.test", false),
        ] {
            assert_eq!(is_this_machine(&Url::parse(url).unwrap()), ours, "{url}");
        }
    }
}
