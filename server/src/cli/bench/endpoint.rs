//! The gateway under load: its address, and connections to it.

use std::{fmt, path::Path};

use anyhow::{Context as _, anyhow, bail};
use http::Uri;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::socket::{ByteStream, Socket};
use crate::crypto::{self, SystemAuthorities};

/// The gateway under load.
pub(super) struct Endpoint {
    host: String,
    port: u16,
    /// For TLS.
    connector: Option<TlsConnector>,
}

impl Endpoint {
    /// Reads the URL of a gateway.
    ///
    /// # Errors
    /// A sentence about the URL or the file with the certificate authority.
    pub(super) fn new(url: &str, ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let usable = || anyhow!("{url:?} is no URL of a gateway: write http://HOST:4000 or https://HOST");
        let uri: Uri = url.parse().map_err(|_| usable())?;
        let is_tls = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(usable()),
        };
        if !matches!(uri.path(), "" | "/" | "/ws") || uri.query().is_some() {
            bail!("{url:?} has a path or a query: the bench needs the address of the gateway only");
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(usable)?.to_owned();
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let connector = is_tls.then(|| crypto::tls_connector(ca_file, SystemAuthorities::Trusted)).transpose()?;
        Ok(Self { host, port, connector })
    }

    /// Returns the URL of a path for HTTP requests.
    pub(super) fn url(&self, path: &str) -> String {
        let scheme = if self.connector.is_some() { "https" } else { "http" };
        format!("{scheme}://{}:{}{path}", self.host, self.port)
    }

    /// Opens a WebSocket connection with a token.
    ///
    /// # Errors
    /// A sentence with the reason of the gateway, if it has refused.
    pub(super) async fn connect(&self, token: &str) -> anyhow::Result<Socket> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, self.port)).await.with_context(|| format!("{self} does not answer"))?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn ByteStream> = match &self.connector {
            None => Box::new(stream),
            Some(connector) => {
                let name = ServerName::try_from(host.to_owned())?;
                Box::new(connector.connect(name, stream).await.with_context(|| format!("TLS with {self} failed"))?)
            }
        };
        let scheme = if self.connector.is_some() { "wss" } else { "ws" };
        let url = format!("{scheme}://{}:{}/ws", self.host, self.port);
        Socket::open(stream, &url, token).await.with_context(|| self.to_string())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url(""))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses() {
        for (url, read) in [
            ("http://127.0.0.1:4000", "http://127.0.0.1:4000"),
            ("ws://gateway/ws", "http://gateway:80"),
            ("http://[::1]:4000/", "http://[::1]:4000"),
        ] {
            assert_eq!(Endpoint::new(url, None).unwrap().url(""), read);
        }
    }

    #[test]
    fn refuses_other_urls() {
        for url in
            ["gateway:4000", "localhost", "ftp://gateway", "http://", "http://gateway/chat", "http://gateway?a=b", ""]
        {
            let refused = Endpoint::new(url, None).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{url:?}")), "{refused}");
        }
    }
}
