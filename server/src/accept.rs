//! The front door: accepts sockets, refuses what is too much, and runs each from its first byte to its end.

mod admission;
mod arrival;
mod front;
mod http_exchange;
mod http_rates;
mod listener;
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
    admission::Admission,
    front::Front,
    http_exchange::{Exchange, Granted},
    http_rates::HttpRates,
    refuse::Refuser,
    reserve::{Reserve, SpareDescriptors},
    throttle::{Refused, Throttle},
};
pub use self::{
    listener::can_bind,
    tls::{Certificates, TlsError},
};
use crate::{
    connection::{self, Bounds, Left},
    conversation::Reception,
    http::{Endpoint, Routes},
    outbound::Outbound,
    telemetry::log_limited,
    upgrade::{Forwarding, Origins, Refusal},
};

/// How long no socket is accepted after the system had no descriptor to give.
const EXHAUSTED: Duration = Duration::from_millis(5);

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
    /// The thread that accepts sockets.
    #[error("the thread that accepts sockets cannot be started: {0}")]
    Thread(io::Error),
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
            front: Front::new(),
            reserve: Arc::default(),
            rates: HttpRates::default(),
            sockets: Arc::default(),
            operators: Arc::default(),
            connections: Arc::default(),
            stop: stop.clone(),
        });
        let port =
            |service, endpoint, certificates| Port { shared: Arc::clone(&shared), service, endpoint, certificates };
        let silence = config.heartbeat.timeout;
        let (address, listener) = listener::listen(config.listen, silence)?;
        let mut ports = vec![(port(Service::Clients, routes.public, certificates), listener)];
        let mut internal = None;
        if let (Some(listen), Some(endpoint)) = (config.internal_listen, routes.internal) {
            let (address, listener) = listener::listen(listen, silence)?;
            ports.push((port(Service::Operators, endpoint, None), listener));
            internal = Some(address);
        }
        front::begin(&shared, ports).map_err(ServeError::Thread)?;
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

/// What all ports and connections know.
struct Shared<R> {
    node: Arc<R>,
    throttle: Arc<Throttle>,
    origins: Origins,
    forwarding: Arc<Forwarding>,
    refuser: Refuser,
    front: Front,
    reserve: Arc<Reserve>,
    rates: HttpRates,
    /// Sockets of clients, WebSockets or not.
    sockets: Arc<AtomicUsize>,
    /// Sockets of operators.
    operators: Arc<AtomicUsize>,
    /// WebSockets.
    connections: Arc<AtomicUsize>,
    stop: CancellationToken,
}

/// One port and what is behind it.
struct Port<R> {
    shared: Arc<Shared<R>>,
    service: Service,
    endpoint: Endpoint,
    certificates: Option<Certificates>,
}

/// Whom a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    /// Everybody: `/ws` is here, and the limits of an address apply.
    Clients,
    /// Operators and backend services: `internal.listen`.
    Operators,
}

/// Whether the process had a file descriptor for a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Free,
    /// One that was kept for this was closed.
    Exhausted,
}

/// A place in a count; given back when it is dropped.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl<R: Reception> Port<R> {
    async fn accept(self, listener: TcpListener) {
        let port = Arc::new(self);
        let mut spare = SpareDescriptors::default();
        let mut room = Room::Free;
        loop {
            if room == Room::Free {
                spare.fill();
            }
            let accepted = tokio::select! {
                () = port.shared.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => {
                    port.arrive(socket, peer, room);
                    room = Room::Free;
                    // Each socket is looked at before the next is accepted: otherwise a burst of them would take the
                    // places of the reserve from each other unseen.
                    yield_now().await;
                }
                Err(error) if is_of_one_socket(&error) => {}
                Err(error) => {
                    // Out of file descriptors or memory: those that are open go on, and may soon end.
                    log_limited!(ERROR, { %error }, "no socket can be accepted; trying again");
                    room = Room::Exhausted;
                    if !spare.release_one() {
                        port.shared.reserve.evict_oldest();
                        sleep(EXHAUSTED).await;
                    }
                }
            }
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
    /// What everything but a health probe is answered, on a socket that is beyond a limit.
    only_probes: Option<Refusal>,
}

impl<R: Reception> Guest<R> {
    /// Speaks HTTP, and then WebSocket if that was asked for and granted. What counts it is kept until the end.
    ///
    /// What HTTP takes is boxed, and given back when it is over: the task lives as long as the connection does, and
    /// should be no larger.
    fn serve<S: Transport>(self, socket: S, counted: Counted) -> impl Future<Output = ()> + Send {
        let node = Arc::clone(&self.port.shared.node);
        let exchange = Box::pin(Exchange::new(self).run(socket));
        async move {
            let _counted = counted;
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
            let Granted { opening, places: _places } = granted;
            let conversation = node.converse(Arc::clone(&outbound), *opening);
            drop((config, node));
            if let Left::Unwritten(socket) =
                connection::run(socket, early, outbound, metrics, bounds, conversation).await
            {
                socket.reset();
            }
        }
    }
}

/// A socket that can be reset.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// The TCP socket below.
    fn tcp(&self) -> &TcpStream;

    /// Closes the socket and drops what the kernel holds for a client that does not take it.
    fn reset(self)
    where
        Self: Sized,
    {
        if let Err(error) = self.tcp().set_zero_linger() {
            tracing::debug!(%error, "a socket could not be reset");
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

fn memory_is_short() -> Refusal {
    Refusal::unavailable("the node is short of memory", Duration::from_secs(5)).outcome("memory_full")
}

fn node_is_full() -> Refusal {
    Refusal::unavailable("the node is full", Duration::from_secs(5)).outcome("node_full")
}

#[cfg(test)]
mod tests;
