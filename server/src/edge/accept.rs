//! Accepts sockets, rejects those beyond the limits, and serves each one from its first byte until it is closed.

mod accept_thread;
mod admission;
mod arrival;
mod http_exchange;
mod http_rates;
mod listener;
mod loops;
mod proxy_header;
mod refuse;
mod reserve;
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
    net::{TcpListener, TcpStream},
    task::yield_now,
    time::{Instant, sleep},
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use self::{
    accept_thread::AcceptThread,
    admission::Admission,
    http_exchange::{Exchange, GrantedUpgrade},
    http_rates::HttpRates,
    loops::EventLoops,
    refuse::Refuser,
    reserve::{Reserve, SpareDescriptors},
    throttle::{LimitExceeded, Throttle},
};
pub use self::{
    listener::can_bind,
    tls::{Certificates, TlsError},
};
use crate::{
    delivery::outbound::Outbound,
    edge::{
        connection::{self, Bounds, FinishedSocket},
        context::EdgeContext,
        upgrade::{Forwarding, Origins, Refusal},
    },
    http::{Endpoint, Routes},
    telemetry::log_limited,
};

/// How long the accept loop pauses after the operating system had no file descriptor left.
const EXHAUSTED_DELAY: Duration = Duration::from_millis(5);

/// An error that prevents the gateway from serving. Each message states the problem and the fix in one line.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The gateway cannot listen on an address.
    #[error("cannot listen on {address}: {cause}; choose another with `listen` or --listen")]
    Bind {
        /// The address that cannot be used.
        address: SocketAddr,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The threads that accept and serve sockets cannot be started.
    #[error("the threads that accept and serve sockets cannot be started: {0}")]
    Thread(io::Error),
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A gateway that is accepting connections.
pub struct Listening {
    /// The address that clients connect to.
    pub address: SocketAddr,
    /// The address that operators connect to, if `internal.listen` is set.
    pub internal: Option<SocketAddr>,
    stop: CancellationToken,
    forwarding: Arc<Forwarding>,
    _loops: Arc<EventLoops>,
}

impl Listening {
    /// Binds the addresses and starts to accept connections.
    ///
    /// # Errors
    /// Returns a [`ServeError`] that names the address that cannot be used.
    pub fn begin<R: EdgeContext>(
        node: &Arc<R>,
        routes: Routes,
        certificates: Option<Certificates>,
    ) -> Result<Self, ServeError> {
        let config = node.config();
        let forwarding = Arc::new(Forwarding::default());
        let stop = CancellationToken::new();
        let loops = Arc::new(EventLoops::start(node.tasks(), config.loops).map_err(ServeError::Thread)?);
        let shared = Arc::new(Shared {
            node: Arc::clone(node),
            throttle: Arc::default(),
            origins: Origins::default(),
            forwarding: Arc::clone(&forwarding),
            refuser: Refuser::new(node.tasks().clone()),
            accept_thread: AcceptThread::default(),
            loops: Arc::clone(&loops),
            reserve: Arc::default(),
            rates: HttpRates::default(),
            sockets: Arc::default(),
            operators: Arc::default(),
            connections: Arc::default(),
            stop: stop.clone(),
        });
        let port =
            |service, endpoint, certificates| Port { shared: Arc::clone(&shared), service, endpoint, certificates };
        let heartbeat_timeout = config.heartbeat.timeout;
        let (address, listener) = listener::listen(config.listen, heartbeat_timeout)?;
        let mut ports = vec![(port(Service::Clients, routes.public, certificates), listener)];
        let mut internal = None;
        if let (Some(listen), Some(endpoint)) = (config.internal_listen, routes.internal) {
            let (address, listener) = listener::listen(listen, heartbeat_timeout)?;
            ports.push((port(Service::Operators, endpoint, None), listener));
            internal = Some(address);
        }
        accept_thread::start(&shared, ports).map_err(ServeError::Thread)?;
        Ok(Self { address, internal, stop, forwarding, _loops: loops })
    }

    /// Stops accepting connections. Open WebSockets stay open; other connections close after the response in progress.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Returns what is known about proxies in front of the gateway. `/health` uses it to report a proxy that is not
    /// configured.
    pub(crate) fn forwarding(&self) -> Arc<Forwarding> {
        Arc::clone(&self.forwarding)
    }
}

/// State shared by all ports and connections.
struct Shared<R> {
    node: Arc<R>,
    throttle: Arc<Throttle>,
    origins: Origins,
    forwarding: Arc<Forwarding>,
    refuser: Refuser,
    accept_thread: AcceptThread,
    loops: Arc<EventLoops>,
    reserve: Arc<Reserve>,
    rates: HttpRates,
    /// The number of open client sockets, including those that are not WebSockets.
    sockets: Arc<AtomicUsize>,
    /// The number of open operator sockets.
    operators: Arc<AtomicUsize>,
    /// The number of open WebSockets.
    connections: Arc<AtomicUsize>,
    stop: CancellationToken,
}

/// A listening port with the endpoint that serves it.
struct Port<R> {
    shared: Arc<Shared<R>>,
    service: Service,
    endpoint: Endpoint,
    certificates: Option<Certificates>,
}

/// The clients that a port serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    /// The public. `/ws` is served here, and the limits per address apply.
    Clients,
    /// Operators and backend services, on `internal.listen`.
    Operators,
}

impl Service {
    /// Returns the name under which the supervisor reports the accept loop of this port.
    fn part(self) -> &'static str {
        match self {
            Self::Clients => "port",
            Self::Operators => "internal port",
        }
    }
}

/// Whether the process had a file descriptor left for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DescriptorState {
    Available,
    /// None was left. The accept loop closed a spare descriptor to accept this socket.
    Exhausted,
}

/// Counts one socket in a shared counter until it is dropped.
#[derive(Debug)]
struct CountGuard(Arc<AtomicUsize>);

impl<R: EdgeContext> Port<R> {
    async fn accept(self, listener: TcpListener) {
        let port = Arc::new(self);
        let mut spare = SpareDescriptors::default();
        let mut descriptor_state = DescriptorState::Available;
        loop {
            if descriptor_state == DescriptorState::Available {
                spare.fill();
            }
            let accepted = tokio::select! {
                () = port.shared.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => {
                    port.handle_accepted(socket, peer, descriptor_state);
                    descriptor_state = DescriptorState::Available;
                    // Let the task of this socket run before the next socket is accepted. Otherwise sockets of one
                    // burst would evict each other from the reserve before any of their requests is examined.
                    yield_now().await;
                }
                Err(error) if is_per_socket_error(&error) => {}
                Err(error) => {
                    // Out of file descriptors or memory. Open sockets are still served, and descriptors become free
                    // when some close.
                    log_limited!(ERROR, { %error }, "cannot accept sockets; retrying");
                    descriptor_state = DescriptorState::Exhausted;
                    // A spare descriptor lets the next `accept` succeed, so that a health probe is answered. Without
                    // one, free the descriptor of the oldest reserved socket.
                    if !spare.release_one() {
                        port.shared.reserve.evict_oldest();
                        sleep(EXHAUSTED_DELAY).await;
                    }
                }
            }
        }
    }
}

/// Returns whether an error of `accept` concerns a single socket rather than the listener.
fn is_per_socket_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A socket that was accepted, with what is known about it.
struct AcceptedSocket<R> {
    port: Arc<Port<R>>,
    /// The address of the peer, or the client address from the PROXY header of a trusted proxy.
    peer: SocketAddr,
    /// When the first request must have arrived and, if it requests a WebSocket, the upgrade must be complete.
    deadline: Instant,
    /// The state of the socket regarding the limits of its address. `None` where those limits do not apply.
    admission: Option<Admission>,
    /// Set on a socket beyond a limit: the response to every request except a health probe.
    only_probes: Option<Refusal>,
}

impl<R: EdgeContext> AcceptedSocket<R> {
    /// Serves HTTP, and then the WebSocket if one was requested and granted. `count_guard` is held until the socket
    /// closes.
    ///
    /// The HTTP part is boxed so that its memory is released after the upgrade: the task lives as long as the
    /// connection, so it should be small.
    fn serve<S: Transport>(self, socket: S, guards: [CountGuard; 2]) -> impl Future<Output = ()> + Send {
        let node = Arc::clone(&self.port.shared.node);
        let exchange = Box::pin(Exchange::new(self).run(socket));
        async move {
            let _guards = guards;
            let Some((socket, early, granted)) = exchange.await else { return };
            let config = node.config();
            let outbound = Arc::new(Outbound::within(config.limits.outbound_queue, node.memory()));
            let bounds = Bounds {
                message_bytes: config.limits.message_bytes,
                first_message_bytes: config.limits.unauthenticated_message_bytes,
                heartbeat: config.heartbeat,
            };
            let metrics = Arc::clone(node.metrics());
            metrics.connections_total.with_label_values(&["upgraded"]).inc();
            let GrantedUpgrade { upgrade, guards: _upgrade_guards } = granted;
            let handler = node.new_handler(Arc::clone(&outbound), *upgrade);
            drop((config, node));
            if let FinishedSocket::Unwritten(socket) =
                connection::run(socket, early, outbound, metrics, bounds, handler).await
            {
                socket.reset();
            }
        }
    }
}

/// A socket that can be reset.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Returns the underlying TCP socket.
    fn tcp(&self) -> &TcpStream;

    /// Resets the socket, which discards data in the kernel's send buffer that the client has not read.
    fn reset(self)
    where
        Self: Sized,
    {
        if let Err(error) = self.tcp().set_zero_linger() {
            tracing::debug!(%error, "failed to reset a socket");
        }
    }
}

impl Transport for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Transport for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

impl CountGuard {
    /// Increments the counter, unless it has reached the limit.
    fn new(count: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        // Create the guard before comparing: when the limit is reached, dropping it takes the increment back.
        let count_guard = Self(Arc::clone(count));
        (count.fetch_add(1, Ordering::Relaxed) < limit).then_some(count_guard)
    }
}

impl Drop for CountGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl From<LimitExceeded> for Refusal {
    fn from(exceeded: LimitExceeded) -> Self {
        match exceeded {
            LimitExceeded::Connections => {
                Self::too_many("too many connections from this address", Duration::from_secs(60))
                    .outcome("address_full")
            }
            LimitExceeded::Rate(after) => Self::too_many("this address connects too often", after).outcome("throttled"),
        }
    }
}

fn memory_is_short() -> Refusal {
    Refusal::unavailable("the node is short of memory", Duration::from_secs(5)).outcome("memory_full")
}

fn node_is_full() -> Refusal {
    Refusal::unavailable("the node is full", Duration::from_secs(5)).outcome("node_full")
}

#[cfg(test)]
mod tests;
