//! TLS in front of the proxy, with certificates of authorities that no system knows.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    failure::{Failure, Step, red},
    mutants::{ConnectionFault, Tampering},
};

/// The authority that has signed the certificate of the gateway.
const AUTHORITY: &str = include_str!("tls/authority.pem");
/// An authority that has not.
const OTHER_AUTHORITY: &str = include_str!("tls/other-authority.pem");
const GATEWAY: &str = include_str!("tls/gateway.pem");
const OTHER_HOST: &str = include_str!("tls/other-host.pem");

/// Which certificate the gateway shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// One of the first authority, for the host in the URL.
    Gateway,
    /// One of the first authority, for another host.
    OtherHost,
}

/// An authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Authority {
    /// The one that has signed the certificate.
    Own,
    /// One that has not.
    Other,
}

/// A gateway with TLS. What it decrypts goes to the proxy.
pub(crate) struct TlsGateway {
    address: SocketAddr,
    refusals: watch::Receiver<u64>,
    /// The files of the authorities.
    files: [AuthorityFile; 2],
    /// The task that accepts. It owns the tasks of the connections, and ends with the gateway.
    _task: JoinSet<()>,
}

impl TlsGateway {
    /// Starts a gateway with TLS in front of the proxy at this address.
    pub(crate) async fn start(proxy: SocketAddr, shown: Certificate, tampering: &Tampering) -> Step<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let certificate = match shown {
            Certificate::OtherHost if !tampering.does(ConnectionFault::AcceptsAnyHost) => OTHER_HOST,
            _ => GATEWAY,
        };
        let acceptor = TlsAcceptor::from(Arc::new(configuration(certificate)?));
        let (refused, refusals) = watch::channel(0);
        let mut task = JoinSet::new();
        task.spawn(accept(listener, proxy, acceptor, refused));
        let files = [AuthorityFile::write(AUTHORITY)?, AuthorityFile::write(OTHER_AUTHORITY)?];
        Ok(Self { address, refusals, files, _task: task })
    }

    /// Returns the URL that the client gets.
    pub(crate) fn url(&self) -> String {
        format!("wss://{}/ws", self.address)
    }

    /// Returns the file of an authority.
    pub(crate) fn file(&self, authority: Authority) -> &Path {
        let [own, other] = &self.files;
        match authority {
            Authority::Own => &own.0,
            Authority::Other => &other.0,
        }
    }

    /// Waits until clients have refused the certificate this many times.
    pub(crate) async fn refused(&self, count: u64, limit: Duration) -> Step {
        let mut refusals = self.refusals.clone();
        let enough = refusals.wait_for(|refused| *refused >= count);
        match timeout(limit, enough).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(red("the client does not refuse a certificate that it must not accept")),
        }
    }
}

/// A file with the certificate of an authority, which is removed with this value.
struct AuthorityFile(PathBuf);

impl AuthorityFile {
    fn write(certificate: &str) -> Step<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("gateway-conformance-{}-{number}.pem", std::process::id()));
        fs::write(&path, certificate).map_err(failed)?;
        Ok(Self(path))
    }
}

impl Drop for AuthorityFile {
    fn drop(&mut self) {
        // A file that stays is only untidy.
        let _ = fs::remove_file(&self.0);
    }
}

fn configuration(certificate: &str) -> Step<ServerConfig> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(certificate.as_bytes()).map_err(failed)?;
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(chain.map_err(failed)?, key)
        .map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    red(format_args!("no gateway with TLS: {error}"))
}

async fn accept(listener: TcpListener, proxy: SocketAddr, acceptor: TlsAcceptor, refused: watch::Sender<u64>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (acceptor, refused) = (acceptor.clone(), refused.clone());
        connections.spawn(async move {
            // Some clients look at the name after the handshake, and then send nothing.
            let mut first = Vec::new();
            let accepted = async {
                let mut decrypted = acceptor.accept(client).await.ok()?;
                let count = decrypted.read_buf(&mut first).await.ok()?;
                (count > 0).then_some(decrypted)
            };
            let Some(mut decrypted) = accepted.await else {
                refused.send_modify(|count| *count += 1);
                return;
            };
            let Ok(mut plain) = TcpStream::connect(proxy).await else { return };
            // Either side may end the connection at any time.
            if plain.write_all(&first).await.is_ok() {
                let _ = copy_bidirectional(&mut decrypted, &mut plain).await;
            }
        });
        // What has ended is of no further use.
        while connections.try_join_next().is_some() {}
    }
}
