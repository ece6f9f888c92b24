//! `gateway healthcheck`: checks the health of a running gateway, for container images without other HTTP clients.

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

/// The time limit of the request.
const WITHIN: Duration = Duration::from_secs(5);

/// Checks whether a running gateway is healthy: exits with 0 if it is, and with 1 otherwise.
#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    #[command(flatten)]
    source: super::Source,
    /// The URL to check, such as http://127.0.0.1:4000/health. By default /health/ready at the configured address.
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    url: Option<Url>,
}

impl Healthcheck {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let url = match self.url {
            Some(url) => url,
            None => own(&Loaded::read(&self.source.flags())?.config)?,
        };
        // A gateway on this machine need not have a certificate for a loopback address.
        let client = crypto::https_client()
            .timeout(WITHIN)
            .no_proxy()
            .tls_danger_accept_invalid_certs(is_this_machine(&url))
            .build()?;
        super::print(&(ask(&client, &url).await? + "\n"))
    }
}

/// Returns the answer of the gateway, which contains the status.
///
/// # Errors
/// When the gateway does not answer, or answers with a status other than success, which the error contains.
async fn ask(client: &reqwest::Client, url: &Url) -> anyhow::Result<String> {
    let response = client.get(url.clone()).send().await.with_context(|| format!("{url} does not answer"))?;
    let status = response.status();
    let body = response.text().await.unwrap_or_default();
    let answer = format!("{url} answers {status}: {}", body.trim());
    if status.is_success() { Ok(answer) } else { bail!(answer) }
}

/// Returns the readiness URL of the gateway with this configuration.
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
    fn uses_address_on_which_the_gateway_listens() {
        let at = |listen: &str| own(&Config { listen: listen.parse().unwrap(), ..Config::default() }).unwrap();
        assert_eq!(at("0.0.0.0:4000").as_str(), "http://127.0.0.1:4000/health/ready");
        assert_eq!(at("[::]:4000").as_str(), "http://[::1]:4000/health/ready");
        assert_eq!(at("192.0.2.1:80").as_str(), "http://192.0.2.1/health/ready");
    }

    #[tokio::test]
    async fn reports_http_status() {
        for (status, is_healthy) in [
            ("200 OK", true),
            ("302 Found", false),
            ("401 Unauthorized", false),
            ("429 Too Many Requests", false),
            ("503 Service Unavailable", false),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = Url::parse(&format!("http://{}/health/ready", listener.local_addr().unwrap())).unwrap();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody");
            let client = crypto::https_client().build().unwrap();
            let (answer, ()) = tokio::join!(ask(&client, &url), async {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                assert!(tokio::io::AsyncReadExt::read(&mut socket, &mut request).await.unwrap() > 0);
                tokio::io::AsyncWriteExt::write_all(&mut socket, answer.as_bytes()).await.unwrap();
            });
            assert_eq!(answer.is_ok(), is_healthy, "{status}");
            let answer = answer.unwrap_or_else(|error| error.to_string());
            assert!(answer.contains(&format!("answers {status}: body")), "{answer}");
        }
    }

    #[test]
    fn accepts_invalid_certificates_on_this_machine_only() {
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
