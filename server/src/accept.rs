//! The front door: accepts sockets, refuses what is too much, and runs each from its first byte to its end.

mod admission;
mod http_exchange;
mod proxy_header;
mod refuse;
mod throttle;
mod tls;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

pub use self::tls::{Certificates, TlsError};
use self::{
    admission::{Admission, PROBATION},
    http_exchange::{Exchange, Granted},
    proxy_header::HeaderError,
    refuse::Refuser,
    throttle::{Refused, Throttle},
};
use crate::{
    connection::{self, Bounds},
    conversation::Reception,
    http::{Endpoint, Routes},
    outbound::Outbound,
    telemetry::log_limited,
    upgrade::{Forwarding, Origins, Refusal, is_trusted},
};

/// Sockets beyond `limits.connections` that are accepted, so that a full node still answers its health checks.
const SPARE: usize = 256;
/// Connections that wait in the kernel to be accepted.
const BACKLOG: u32 = 4096;
/// How long no socket is accepted after the system had none to give.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Why nothing is served. Each says in one line what is wrong and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {cause}; choose another with `listen` or --listen")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        cause: io::Error,
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
    forwarding: Arc<Forwarding>,
}

impl Listening {
    /// Binds the addresses and begins to accept.
    ///
    /// # Errors
    /// [`ServeError`] says which address is wrong.
    pub fn begin<R: Reception>(
        node: &Arc<R>,
        routes: Routes,
        certificates: Option<Certificates>,
    ) -> Result<Self, ServeError> {
        let config = node.config();
        let forwarding = Arc::new(Forwarding::default());
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            node: Arc::clone(node),
            throttle: Arc::default(),
            origins: Origins::default(),
            forwarding: Arc::clone(&forwarding),
            refuser: Refuser::new(node.tasks().clone()),
            sockets: Arc::default(),
            connections: Arc::default(),
            stop: stop.clone(),
        });
        let port =
            |websocket, endpoint, certificates| Port { shared: Arc::clone(&shared), websocket, endpoint, certificates };
        let (address, listener) = bind(config.listen)?;
        let accepting = |part, port: Port<R>, listener| {
            let accepted = port.accept(listener);
            node.tasks().spawn(node.tasks().supervisor().watch_until(part, stop.clone(), accepted));
        };
        accepting("port", port(true, routes.public, certificates), listener);
        let mut internal = None;
        if let (Some(listen), Some(endpoint)) = (config.internal_listen, routes.internal) {
            let (address, listener) = bind(listen)?;
            accepting("internal port", port(false, endpoint, None), listener);
            internal = Some(address);
        }
        Ok(Self { address, internal, stop, forwarding })
    }

    /// Accepts nothing more. WebSockets that are open stay; other connections end with the answer under way.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Whose connections these are behind a proxy, for `/health`, which shows one that somebody forgot to configure.
    pub(crate) fn forwarding(&self) -> Arc<Forwarding> {
        Arc::clone(&self.forwarding)
    }
}

/// Opens a port. Sockets that are accepted from it are probed when nothing comes from them for long.
fn bind(address: SocketAddr) -> Result<(SocketAddr, TcpListener), ServeError> {
    let listen = || {
        let listener = bound(address)?.listen(BACKLOG)?;
        Ok((listener.local_addr()?, listener))
    };
    listen().map_err(|cause| ServeError::Bind { address, cause })
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit this.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Whether an address could be listened on now, without listening on it.
///
/// # Errors
/// [`ServeError::Bind`] with what the operating system says.
pub fn can_bind(address: SocketAddr) -> Result<(), ServeError> {
    bound(address).map(drop).map_err(|cause| ServeError::Bind { address, cause })
}

/// What all ports and connections know.
struct Shared<R> {
    node: Arc<R>,
    throttle: Arc<Throttle>,
    origins: Origins,
    forwarding: Arc<Forwarding>,
    refuser: Refuser,
    sockets: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    stop: CancellationToken,
}

/// One port and what is behind it.
struct Port<R> {
    shared: Arc<Shared<R>>,
    /// Whether `/ws` is here.
    websocket: bool,
    endpoint: Endpoint,
    certificates: Option<Certificates>,
}

/// A place in a count; given back when it is dropped.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl<R: Reception> Port<R> {
    async fn accept(self, listener: TcpListener) {
        let port = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                () = port.shared.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => port.admit(socket, peer),
                Err(error) if is_of_one_socket(&error) => {}
                Err(error) => {
                    // Out of file descriptors or memory: those that are open go on, and may soon end.
                    log_limited!(ERROR, { %error }, "no socket can be accepted; trying again");
                    sleep(EXHAUSTED).await;
                }
            }
        }
    }

    /// Gives a socket a task of its own, unless there are too many.
    fn admit(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr) {
        let shared = &self.shared;
        let config = shared.node.config();
        let until = Instant::now() + config.limits.handshake_timeout;
        let Some(counted) = Counted::new(&shared.sockets, config.limits.connections.saturating_add(SPARE)) else {
            return self.refuse(socket, node_is_full());
        };
        // Without it a small frame could wait for the acknowledgement of the one before (RFC 896).
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a socket was gone before it was served");
            return;
        }
        if is_trusted(peer.ip().to_canonical(), &config.proxies_trusted) {
            // A task that ends with the header, so that a long connection does not carry what that took.
            shared.node.tasks().spawn(Arc::clone(self).introduce(socket, peer, until, counted));
        } else {
            self.welcome(socket, peer, until, counted);
        }
    }

    /// Lets a trusted proxy say whose connection it hands on.
    async fn introduce(self: Arc<Self>, mut socket: TcpStream, proxy: SocketAddr, until: Instant, counted: Counted) {
        match timeout_at(until, proxy_header::take(&mut socket)).await {
            Ok(Ok(source)) => self.welcome(socket, source.unwrap_or(proxy), until, counted),
            Ok(Err(HeaderError::Invalid(why))) => {
                tracing::debug!(%proxy, why, "a socket was refused: a bad PROXY protocol header");
                self.refuse(socket, Refusal::bad_request("the PROXY protocol header is not valid"));
            }
            Ok(Err(HeaderError::Io(error))) => tracing::debug!(%error, "a socket was closed"),
            Err(_) => tracing::debug!("a socket was closed: no request in time"),
        }
    }

    /// Serves a socket, unless its peer has far too many.
    fn welcome(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr, until: Instant, counted: Counted) {
        let shared = &self.shared;
        let config = shared.node.config();
        let address = peer.ip().to_canonical();
        // Behind a trusted proxy the client counts, whose address the request tells. Operators have a port of their own.
        let admission = if !self.websocket || is_trusted(address, &config.proxies_trusted) {
            None
        } else {
            match Admission::begin(&shared.throttle, address, &config.limits, Instant::now()) {
                Ok(admission) => Some(admission),
                Err(refused) => return self.refuse(socket, refused.into()),
            }
        };
        let is_beyond = admission.as_ref().is_some_and(|admission| admission.over().is_some());
        let until = if is_beyond { until.min(Instant::now() + PROBATION) } else { until };
        let guest = Guest { port: Arc::clone(self), peer, until, admission };
        match self.certificates.clone() {
            None => shared.node.tasks().spawn(guest.serve(socket, counted)),
            Some(certificates) => shared.node.tasks().spawn(async move {
                match Box::pin(timeout_at(until, certificates.accept(socket))).await {
                    Ok(Ok(socket)) => guest.serve(socket, counted).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                }
            }),
        };
    }

    fn refuse(&self, socket: TcpStream, refusal: Refusal) {
        self.shared.node.metrics().connections_total.with_label_values(&[refusal.outcome]).inc();
        // A socket that would have to speak TLS first is closed without a word.
        if self.certificates.is_none() {
            self.shared.refuser.refuse(socket, refusal);
        }
    }
}

/// Whether an error is about one socket that was to be accepted, not about accepting.
fn is_of_one_socket(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A socket that was let in, and what is known of it.
struct Guest<R> {
    port: Arc<Port<R>>,
    /// Who connected, or whom a trusted proxy named in its header.
    peer: SocketAddr,
    /// By when it must have asked for something, and have become a WebSocket if that is what it asked for.
    until: Instant,
    /// How it stands to the limits of its address, where they apply to sockets of this port and peer.
    admission: Option<Admission>,
}

impl<R: Reception> Guest<R> {
    /// Speaks HTTP, and then WebSocket if that was asked for and granted. What counts it is kept until the end.
    ///
    /// What HTTP takes is boxed, and given back when it is over: the task lives as long as the connection does, and
    /// should be no larger.
    fn serve<S>(self, socket: S, counted: Counted) -> impl Future<Output = ()> + Send
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let node = Arc::clone(&self.port.shared.node);
        let exchange = Box::pin(Exchange::new(self).run(socket));
        async move {
            let _counted = counted;
            let Some((socket, early, granted)) = exchange.await else { return };
            let config = node.config();
            let outbound = Arc::new(Outbound::new(config.limits.outbound_queue));
            let bounds = Bounds { message_bytes: config.limits.message_bytes, heartbeat: config.heartbeat };
            let metrics = Arc::clone(node.metrics());
            metrics.connections_total.with_label_values(&["upgraded"]).inc();
            let Granted { opening, places: _places } = granted;
            let conversation = node.converse(Arc::clone(&outbound), *opening);
            drop((config, node));
            connection::run(socket, early, outbound, metrics, bounds, conversation).await;
        }
    }
}

impl Counted {
    /// Counts one more, unless that is over the limit.
    fn new(count: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        let counted = Self(Arc::clone(count));
        (count.fetch_add(1, Ordering::Relaxed) < limit).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Connections => Self::too_many("too many connections from this address", Duration::from_secs(60))
                .outcome("address_full"),
            Refused::Rate(after) => Self::too_many("this address connects too often", after).outcome("throttled"),
        }
    }
}

fn node_is_full() -> Refusal {
    Refusal::unavailable("the node is full", Duration::from_secs(5)).outcome("node_full")
}

#[cfg(test)]
mod tests;
