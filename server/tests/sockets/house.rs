//! A gateway without a node: its conversations say everything back, and tell the test what they see.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use gateway::{
    accept::{Certificates, Listening},
    auth::{AuthError, Grants, Identity},
    config::Config,
    conversation::{Conversation, Ending, Reception},
    drain::Tasks,
    frame::Frame,
    http::Routes,
    memory::MemoryBudget,
    metrics::Metrics,
    outbound::Outbound,
    router::Opening,
};
use poem::{EndpointExt, Route, get, handler};
use realtime_gateway_protocol::{Timestamp, UserId};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    time::Instant,
};

use crate::raw::Raw;

/// What a conversation tells.
#[derive(Debug)]
pub(crate) enum Seen {
    Opened(Box<Opening>, Arc<Outbound>),
    Text(String),
    Ended(Ending),
}

/// What a test may say to make the conversation wait until [`House::release`].
pub(crate) const WAIT: &str = "wait";
/// The text at which the conversation panics.
pub(crate) const FAULT: &str = "fault";

pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) internal: Option<SocketAddr>,
    pub(crate) listening: Listening,
    pub(crate) tasks: Tasks,
    released: Arc<Semaphore>,
    seen: Mutex<mpsc::Receiver<Seen>>,
}

struct Echoes {
    config: Arc<Config>,
    tasks: Tasks,
    metrics: Arc<Metrics>,
    memory: Arc<MemoryBudget>,
    released: Arc<Semaphore>,
    seen: mpsc::Sender<Seen>,
}

pub(crate) struct Echo {
    outbound: Arc<Outbound>,
    released: Arc<Semaphore>,
    seen: mpsc::Sender<Seen>,
    opening: Option<Opening>,
}

#[handler]
fn hello(body: String) -> String {
    format!("hello {body}")
}

impl House {
    /// Opens on a port of its own.
    pub(crate) fn open(change: impl FnOnce(&mut Config)) -> Self {
        Self::open_with(change, None)
    }

    /// Opens on a port of its own, with TLS.
    pub(crate) fn open_with(change: impl FnOnce(&mut Config), certificates: Option<Certificates>) -> Self {
        let mut config = Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
        change(&mut config);
        let (tasks, released) = (Tasks::default(), Arc::new(Semaphore::new(0)));
        let (seen, receiver) = mpsc::channel(10_000);
        let echoes = Arc::new(Echoes {
            config: Arc::new(config),
            tasks: tasks.clone(),
            metrics: Arc::new(Metrics::new().unwrap()),
            memory: MemoryBudget::new(usize::MAX),
            released: released.clone(),
            seen,
        });
        let routes = || Route::new().at("/hello", get(hello).post(hello)).boxed().into();
        let routes = Routes { public: routes(), internal: Some(routes()) };
        let listening = Listening::begin(&echoes, routes, certificates).unwrap();
        let (address, internal) = (listening.address, listening.internal);
        Self { address, internal, listening, tasks, released, seen: Mutex::new(receiver) }
    }

    /// A socket that has said nothing yet.
    pub(crate) async fn connect(&self) -> Raw {
        Raw::connect(self.address).await
    }

    /// A WebSocket, and its outbound queue.
    pub(crate) async fn join(&self) -> (Raw, Arc<Outbound>) {
        let mut raw = self.connect().await;
        raw.upgrade().await;
        (raw, self.opened().await.1)
    }

    /// What a conversation saw next.
    pub(crate) async fn seen(&self) -> Seen {
        let mut seen = self.seen.lock().await;
        tokio::time::timeout(Duration::from_secs(20), seen.recv()).await.expect("nothing was seen").unwrap()
    }

    /// The next connection; how others ended is passed over.
    pub(crate) async fn opened(&self) -> (Opening, Arc<Outbound>) {
        loop {
            match self.seen().await {
                Seen::Opened(opening, outbound) => return (*opening, outbound),
                Seen::Ended(_) => {}
                Seen::Text(text) => panic!("not opened, but said: {text}"),
            }
        }
    }

    /// The next message.
    pub(crate) async fn text(&self) -> String {
        match self.seen().await {
            Seen::Text(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    /// How the next connection to end ended; what was said before is passed over.
    pub(crate) async fn ended(&self) -> Ending {
        loop {
            if let Seen::Ended(ending) = self.seen().await {
                return ending;
            }
        }
    }

    /// Whether nothing was seen.
    pub(crate) async fn is_quiet(&self) -> bool {
        self.seen.lock().await.is_empty()
    }

    /// Lets one conversation that waits go on.
    pub(crate) fn release(&self) {
        self.released.add_permits(1);
    }
}

impl Conversation for Echo {
    const BINARY: bool = false;

    async fn begin(&mut self) {
        let opened = Seen::Opened(self.opening.take().unwrap().into(), self.outbound.clone());
        self.seen.send(opened).await.unwrap();
    }

    async fn receive(&mut self, text: &str) {
        let _ = self.seen.send(Seen::Text(text.into())).await;
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

    async fn end(self, ending: Ending) {
        let _ = self.seen.send(Seen::Ended(ending)).await;
    }
}

impl Reception for Echoes {
    type Conversation = Echo;

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
            }),
            "old" => Err(AuthError::Expired),
            "later" => Err(AuthError::Unavailable),
            _ => Err(AuthError::Invalid("it is not alice")),
        }
    }

    fn converse(self: &Arc<Self>, outbound: Arc<Outbound>, opening: Opening) -> Echo {
        Echo { outbound, released: self.released.clone(), seen: self.seen.clone(), opening: Some(opening) }
    }
}
