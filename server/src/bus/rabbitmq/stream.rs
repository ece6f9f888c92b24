//! The byte stream under a connection to the broker: TCP, or TLS as everywhere else in this process.
//!
//! lapin reads and writes whatever its reactor calls a TCP stream. Ours is opened here, so that the gateway decides on
//! addresses, time limits and TLS, and lapin needs no TLS library of its own.

use std::{
    future::Future,
    io::{self, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    time::{Duration, Instant},
};

use async_rs::{Runtime, Tokio, traits::Reactor, util::RuntimeParts};
use futures_util::{AsyncRead, AsyncWrite, Stream};
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

/// TCP, with or without TLS.
pub(super) trait Bytes: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Bytes for T {}

/// What lapin reads and writes.
pub(super) type BrokerStream = Compat<Box<dyn Bytes>>;

/// The current tokio runtime with our streams.
pub(super) type BrokerRuntime = Runtime<RuntimeParts<Tokio, BrokerReactor>>;

/// lapin's view of the runtime that calls this.
pub(super) fn runtime() -> BrokerRuntime {
    let tokio = Tokio::current();
    Runtime::new(RuntimeParts::new(tokio.clone(), BrokerReactor(tokio)))
}

/// Connects to the first address of a host that answers.
///
/// # Errors
/// If the name leads nowhere, or the last address does not answer.
pub(super) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name of the host leads nowhere");
    for address in lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Makes a stream for lapin of a connection, with TLS where there is a connector.
///
/// # Errors
/// If the TLS handshake fails.
pub(super) async fn secure(stream: TcpStream, host: &str, tls: Option<&TlsConnector>) -> io::Result<BrokerStream> {
    let bytes: Box<dyn Bytes> = match tls {
        None => Box::new(stream),
        Some(tls) => {
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            Box::new(tls.connect(name, stream).await?)
        }
    };
    Ok(bytes.compat())
}

/// tokio's reactor, whose TCP streams are ours.
#[derive(Debug, Clone)]
pub(super) struct BrokerReactor(Tokio);

impl Reactor for BrokerReactor {
    type TcpStream = BrokerStream;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.0.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(time)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = TcpStream::connect(address);
        async move { secure(connecting.await?, "", None).await }
    }
}
