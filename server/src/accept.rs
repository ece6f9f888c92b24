//! The accept loop: bounds before any HTTP work, HTTP/1.1 with deadlines, `/ws` to the upgrade and the rest to poem.

mod gate;
mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

pub use self::{
    gate::{Gate, Pass},
    tls::{Certificates, TlsError},
};
use crate::{
    http::{Body, Endpoint, Routes},
    node::Node,
    upgrade::{self, Door},
};

/// Headers of one request, in bytes and number.
const HEADER_BYTES: usize = 16 * 1024;
const HEADERS: usize = 64;
/// How long accepting pauses when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What an address gets that connects too often, without any HTTP work.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 60\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Why nothing is served. Each says in one line what is wrong and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {cause}; choose another with `listen` or --listen")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// The certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A gateway that accepts connections.
pub struct Listening {
    /// Where clients connect.
    pub address: SocketAddr,
    /// Where operators connect, with `internal.listen`.
    pub internal: Option<SocketAddr>,
    stop: CancellationToken,
}

impl Listening {
    /// Binds the addresses and begins to accept.
    ///
    /// # Errors
    /// [`ServeError`] says which address or file is wrong.
    pub async fn begin(
        node: &Arc<Node>,
        routes: Routes,
        certificates: Option<Certificates>,
    ) -> Result<Self, ServeError> {
        let config = node.config();
        let stop = CancellationToken::new();
        let door = Arc::new(Door::new(node.clone(), Gate::default()));
        let (address, listener) = bind(config.listen).await?;
        let public = Server { door: Some(door), endpoint: routes.public, certificates, node: node.clone() };
        node.tasks.spawn(accept(Arc::new(public), listener, stop.clone()));
        let mut internal = None;
        if let (Some(listen), Some(endpoint)) = (config.internal_listen, routes.internal) {
            let (address, listener) = bind(listen).await?;
            let server = Server { door: None, endpoint, certificates: None, node: node.clone() };
            node.tasks.spawn(accept(Arc::new(server), listener, stop.clone()));
            internal = Some(address);
        }
        Ok(Self { address, internal, stop })
    }

    /// Accepts nothing more. Connections that are open stay.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

async fn bind(address: SocketAddr) -> Result<(SocketAddr, TcpListener), ServeError> {
    let fail = |cause| ServeError::Bind { address, cause };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    Ok((listener.local_addr().map_err(fail)?, listener))
}

/// One listening socket and what is behind it.
struct Server {
    /// The way to `/ws`, on the socket that has it.
    door: Option<Arc<Door>>,
    endpoint: Endpoint,
    certificates: Option<Certificates>,
    node: Arc<Node>,
}

async fn accept(server: Arc<Server>, listener: TcpListener, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let serving = server.clone();
                server.node.tasks.spawn_until_stopped(async move { serving.serve(stream, peer).await });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting pauses");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Server {
    async fn serve(self: Arc<Self>, mut stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a socket was gone before it was served");
            return;
        }
        if let Some(door) = &self.door
            && !door.admits(peer.ip())
        {
            self.node.metrics.rate_limited("connects_per_ip");
            // A client that does not read its refusal has lost nothing.
            let _ = stream.write_all(TOO_MANY).await;
            return;
        }
        let within = self.node.config().limits.handshake_timeout;
        match self.certificates.clone() {
            None => self.http(stream, peer).await,
            Some(certificates) => match tokio::time::timeout(within, certificates.accept(stream)).await {
                Ok(Ok(stream)) => self.http(stream, peer).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            },
        }
    }

    async fn http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self: Arc<Self>, stream: S, peer: SocketAddr) {
        let within = self.node.config().limits.handshake_timeout;
        let service = service_fn(|request: Request<Incoming>| self.clone().answer::<S>(request, peer));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(within)
            .max_headers(HEADERS)
            .max_buf_size(HEADER_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "an HTTP connection ended");
        }
    }

    async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<Body>, std::convert::Infallible> {
        if let Some(door) = self.door.as_ref().filter(|_| request.uri().path() == "/ws") {
            return Ok(upgrade::answer::<S>(door, request, peer).await.map(whole));
        }
        let scheme = if self.certificates.is_some() { http::uri::Scheme::HTTPS } else { http::uri::Scheme::HTTP };
        Ok(self.endpoint.answer(request, peer, scheme).await)
    }
}

/// A body that is here already.
fn whole(bytes: Bytes) -> Body {
    http_body_util::Full::new(bytes).map_err(|never| match never {}).boxed()
}
