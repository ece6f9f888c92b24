//! A server that runs the gateway's edge without a node: its conversations echo messages and report events to the test.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use gateway::{
    auth::{AuthError, Grants, Identity},
    config::Config,
    delivery::{frame::Frame, outbound::Outbound},
    edge::{
        accept::{Certificates, Listening},
        context::EdgeContext,
    },
    http::Routes,
    metrics::Metrics,
    runtime::{memory::MemoryBudget, tasks::Tasks},
    session::{
        UpgradeInfo,
        connection_handler::{ConnectionHandler, ConnectionSummary},
    },
    store::TokenClaims,
};
use poem::{EndpointExt, Route, get, handler};
use realtime_gateway_protocol::{Timestamp, UserId};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    time::Instant,
};

use crate::raw_socket::RawSocket;

/// An event of a handler.
#[derive(Debug)]
pub(crate) enum HandlerEvent {
    Opened(Box<UpgradeInfo>, Arc<Outbound>),
    Text(String),
    Ended(ConnectionSummary),
}

/// The message that makes the handler wait until [`EchoServer::release`].
pub(crate) const WAIT: &str = "wait";
/// The message at which the handler panics.
pub(crate) const FAULT: &str = "fault";

/// A running server and the events of its conversations.
pub(crate) struct EchoServer {
    pub(crate) address: SocketAddr,
    pub(crate) internal: Option<SocketAddr>,
    pub(crate) listening: Listening,
    pub(crate) tasks: Tasks,
    released: Arc<Semaphore>,
    events: Mutex<mpsc::Receiver<HandlerEvent>>,
}

/// Accepts connections and creates their conversations.
struct EchoContext {
    config: Arc<Config>,
    tasks: Tasks,
    metrics: Arc<Metrics>,
    memory: Arc<MemoryBudget>,
    released: Arc<Semaphore>,
    events: mpsc::Sender<HandlerEvent>,
}

/// Echoes every text message.
pub(crate) struct EchoHandler {
    outbound: Arc<Outbound>,
    released: Arc<Semaphore>,
    events: mpsc::Sender<HandlerEvent>,
    upgrade: Option<UpgradeInfo>,
}

#[handler]
fn hello(body: String) -> String {
    format!("hello {body}")
}

impl EchoServer {
    /// Starts a server on a free port.
    pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_with(change, None)
    }

    /// Starts a server on a free port, optionally with TLS.
    pub(crate) fn start_with(change: impl FnOnce(&mut Config), certificates: Option<Certificates>) -> Self {
        let mut config = Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
        change(&mut config);
        let (tasks, released) = (Tasks::default(), Arc::new(Semaphore::new(0)));
        let (events, receiver) = mpsc::channel(10_000);
        let echoes = Arc::new(EchoContext {
            config: Arc::new(config),
            tasks: tasks.clone(),
            metrics: Arc::new(Metrics::new().unwrap()),
            memory: MemoryBudget::new(usize::MAX),
            released: released.clone(),
            events,
        });
        let routes = || Route::new().at("/hello", get(hello).post(hello)).boxed().into();
        let routes = Routes { public: routes(), internal: Some(routes()) };
        let listening = Listening::begin(&echoes, routes, certificates).unwrap();
        let (address, internal) = (listening.address, listening.internal);
        Self { address, internal, listening, tasks, released, events: Mutex::new(receiver) }
    }

    /// Opens a TCP connection.
    pub(crate) async fn connect(&self) -> RawSocket {
        RawSocket::connect(self.address).await
    }

    /// Opens a WebSocket and returns it with its outbound queue.
    pub(crate) async fn connect_websocket(&self) -> (RawSocket, Arc<Outbound>) {
        let mut raw = self.connect().await;
        raw.upgrade().await;
        (raw, self.next_upgrade().await.1)
    }

    /// Returns the next event of any handler.
    pub(crate) async fn next_event(&self) -> HandlerEvent {
        let mut events = self.events.lock().await;
        tokio::time::timeout(Duration::from_secs(20), events.recv()).await.expect("no event within 20 s").unwrap()
    }

    /// Returns the next opened connection and skips ended ones.
    pub(crate) async fn next_upgrade(&self) -> (UpgradeInfo, Arc<Outbound>) {
        loop {
            match self.next_event().await {
                HandlerEvent::Opened(upgrade, outbound) => return (*upgrade, outbound),
                HandlerEvent::Ended(_) => {}
                HandlerEvent::Text(text) => panic!("a message instead of a new connection: {text}"),
            }
        }
    }

    /// Returns the next message.
    pub(crate) async fn next_text(&self) -> String {
        match self.next_event().await {
            HandlerEvent::Text(text) => text,
            other => panic!("no message: {other:?}"),
        }
    }

    /// Returns how the next connection ended and skips other events.
    pub(crate) async fn next_summary(&self) -> ConnectionSummary {
        loop {
            if let HandlerEvent::Ended(summary) = self.next_event().await {
                return summary;
            }
        }
    }

    /// Returns whether no event is pending.
    pub(crate) async fn has_no_event(&self) -> bool {
        self.events.lock().await.is_empty()
    }

    /// Resumes one waiting handler.
    pub(crate) fn release(&self) {
        self.released.add_permits(1);
    }
}

impl ConnectionHandler for EchoHandler {
    const BINARY: bool = false;

    async fn begin(&mut self) {
        let opened = HandlerEvent::Opened(self.upgrade.take().unwrap().into(), self.outbound.clone());
        self.events.send(opened).await.unwrap();
    }

    async fn receive(&mut self, text: &str) {
        let _ = self.events.send(HandlerEvent::Text(text.into())).await;
        if text == WAIT {
            self.released.acquire().await.unwrap().forget();
        }
        assert!(text != FAULT, "a fault in a service");
        self.outbound.push(Frame::text("other", text));
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    async fn on_deadline(&mut self) {}

    async fn end(self, summary: ConnectionSummary) {
        let _ = self.events.send(HandlerEvent::Ended(summary)).await;
    }
}

impl EdgeContext for EchoContext {
    type Handler = EchoHandler;

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }

    fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    fn memory(&self) -> &Arc<MemoryBudget> {
        &self.memory
    }

    async fn verify(&self, token: &str, _: IpAddr) -> Result<Identity, AuthError> {
        match token {
            "alice" => Ok(Identity {
                user: UserId::new("alice").unwrap(),
                device: None,
                expires_at: Timestamp::from(std::time::SystemTime::now()),
                grants: Arc::new(Grants::default()),
                claims: None,
                token: TokenClaims::default(),
            }),
            "old" => Err(AuthError::Expired),
            "later" => Err(AuthError::Unavailable),
            _ => Err(AuthError::Invalid("it is not alice")),
        }
    }

    fn new_handler(self: &Arc<Self>, outbound: Arc<Outbound>, upgrade: UpgradeInfo) -> EchoHandler {
        EchoHandler { outbound, released: self.released.clone(), events: self.events.clone(), upgrade: Some(upgrade) }
    }
}
