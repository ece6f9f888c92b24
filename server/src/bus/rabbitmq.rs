//! The bus over RabbitMQ (`bus.url = amqp://…`): doorbells between nodes, events from and to backend services.
//!
//! Two connections, one to publish and one to consume, each kept for ever by a supervisor. While the broker is away,
//! local delivery goes on, other nodes find what they missed in the store within a pulse, and events for backend
//! services wait in the outbox.

mod address;
mod bindings;
mod body;
mod dead_letters;
mod fault;
mod frames;
mod inbound;
mod letter;
mod link;
mod nodes;
mod outbound;
mod probe;
mod properties;
mod redeclare;
mod returns;
mod routes;
mod screen;
mod state;
mod stream;
mod supervisor;
#[cfg(test)]
mod tests;
mod topology;
mod trouble;
mod work;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lapin::uri::{AMQPScheme, AMQPUri};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

pub use self::probe::Topology;
use self::{
    address::{AddressError, addresses},
    bindings::Bindings,
    fault::Fault,
    nodes::{Outgoing, Target},
    routes::Routes,
    state::{Role, States},
    supervisor::{Outcome, Supervisor},
    topology::Names,
    work::{Consuming, Publishing},
};
use super::{
    Arrivals, Bus, BusStatus, BusWarning, Doorbell, Heard, Hearing, Whisper,
    envelope::{self, Sender},
};
use crate::{
    config,
    crypto::{self, AuthorityError, SystemAuthorities},
    drain::Tasks,
    metrics::Metrics,
    store::{Note, Store},
    supervision,
    topic::Shard,
};

/// How much may wait on its way from or to other nodes, before what comes next is lost.
const WAITING: usize = 4_096;
/// How many dead letters may wait for the connection that publishes.
const DEAD_LETTERS: usize = 64;
/// How long the start waits for the broker. The gateway starts without it all the same.
const FIRST_TRY: Duration = Duration::from_secs(6);
/// How long it waits where there must be no other node, for a broker that is there and has much to do.
const FIRST_ANSWER: Duration = Duration::from_secs(15);
/// How long the start waits for another node of this kind to go, which may just be on its way out.
const SINGLE_PATIENCE: Duration = Duration::from_secs(3);
/// How long what is under way may take to finish, when the gateway goes.
const FINISH: Duration = Duration::from_secs(5);

/// Whether there are other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peers {
    /// The store is this node's own, so there can be no other.
    None,
    /// There may be any number.
    Some,
}

/// Why there is no bus. Each says in one line what is wrong and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum RabbitError {
    /// The URL names no broker.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// No certificate of the broker could be trusted.
    #[error("bus.ca: {0}")]
    Authority(#[from] AuthorityError),
    /// Another node with a store of its own is there.
    #[error(
        "another gateway with a store of its own uses this broker and bus.prefix ({0}): stop it, give this one another \
         bus.prefix, or let both share a Redis store (store.url)"
    )]
    NotAlone(Arc<str>),
    /// The broker cannot be reached, which only `gateway check` minds.
    #[error("the broker cannot be used: {0}")]
    Away(Fault),
}

/// What all parts share.
#[derive(Clone)]
struct Shared {
    node: Arc<str>,
    names: Arc<Names>,
    states: Arc<States>,
    metrics: Arc<Metrics>,
    hearing: mpsc::Sender<Heard>,
}

impl Shared {
    /// Something for other nodes was lost.
    fn dropped(&self) {
        self.metrics.bus_published_total.with_label_values(&["dropped"]).inc();
    }

    /// Names a consumer in the broker's pages.
    fn consumer_tag(&self) -> String {
        format!("{}-{}", self.node, uuid::Uuid::now_v7().simple())
    }
}

/// What the bus is made of.
pub(super) struct Parts<'a> {
    /// `bus.*`
    pub(super) config: &'a config::Bus,
    /// `node_id`
    pub(super) node: Arc<str>,
    /// Whether there are other nodes.
    pub(super) peers: Peers,
    /// Holds the outbox.
    pub(super) store: Arc<dyn Store>,
    /// What is counted.
    pub(super) metrics: Arc<Metrics>,
    /// Watches the connections' tasks.
    pub(super) supervisor: &'a supervision::Supervisor,
}

/// A node's end of the bus.
pub(super) struct RabbitBus {
    shared: Shared,
    sender: Sender,
    peers: Peers,
    outgoing: mpsc::Sender<Outgoing>,
    bindings: Arc<Bindings>,
    tasks: Tasks,
    running: parking_lot::Mutex<Option<Running>>,
    /// Tells to take no more events from backend services.
    stop_taking: CancellationToken,
}

/// What has to end in its turn.
struct Running {
    /// Ends when no inbound event is under way any more.
    taken: watch::Receiver<bool>,
    stop_consuming: CancellationToken,
    consuming: JoinHandle<()>,
    finish_publishing: CancellationToken,
    publishing: JoinHandle<()>,
}

impl RabbitBus {
    /// Connects, or begins to try to for ever.
    ///
    /// # Errors
    /// [`RabbitError`] for what waiting does not mend. A broker that is away is no error.
    pub(super) async fn open(parts: Parts<'_>) -> Result<(Self, Hearing, Arrivals), RabbitError> {
        let Parts { config, node, peers, store, metrics, supervisor: parts } = parts;
        let addresses = addresses(&config.url.0)?;
        let tls = tls(config, &addresses)?;
        let (hearing, heard) = mpsc::channel(WAITING);
        let (outgoing, to_send) = mpsc::channel(WAITING);
        let (dead_letters, letters) = mpsc::channel(DEAD_LETTERS);
        let (arrivals, arrived) = mpsc::channel(1);
        let (names, states) = (Arc::new(Names::new(&config.prefix, &node)), Arc::new(States::default()));
        let shared = Shared { node, names, states, metrics, hearing };
        let (tasks, bindings) = (Tasks::supervised_by(parts), Arc::new(Bindings::default()));
        let (stop_taking, finish_publishing) = (CancellationToken::new(), CancellationToken::new());
        let (stop_consuming, taking) = (CancellationToken::new(), watch::Sender::new(true));
        let sender = Sender::new();
        let taken = taking.subscribe();
        let publishing = Publishing {
            outgoing: to_send,
            letters,
            outbound: outbound::Outbound {
                shared: shared.clone(),
                store: store.clone(),
                finish: finish_publishing.clone(),
                confirmed: Vec::new(),
                routes: Routes::default(),
            },
            peers,
        };
        let consuming = Consuming {
            inbound: inbound::Inbound {
                shared: shared.clone(),
                store,
                prefetch: config.prefetch,
                arrivals,
                dead_letters,
                stop: stop_taking.clone(),
            },
            bindings: bindings.clone(),
            sender,
            peers,
            taking,
            stop: stop_consuming.clone(),
        };
        let supervisor = |role, stop: &CancellationToken| Supervisor {
            role,
            shared: shared.clone(),
            addresses: addresses.clone(),
            tls: tls.clone(),
            outcome: watch::Sender::new(Outcome::None),
            stop: stop.clone(),
        };
        let consumer = supervisor(Role::Consume, &stop_consuming);
        let outcome = consumer.outcome.subscribe();
        // A start that is given up leaves no supervisor behind.
        let given_up = tasks.stop_on_drop();
        let consuming = tasks.spawn_until_stopped(parts.watch_until(
            "rabbitmq consumer",
            stop_consuming.clone(),
            consumer.keep(consuming),
        ));
        let publisher = supervisor(Role::Publish, &finish_publishing);
        if let Err(error) = first_try(outcome, peers).await {
            tasks.stop(FINISH).await;
            return Err(error);
        }
        given_up.disarm();
        let publishing = tasks.spawn_until_stopped(parts.watch_until(
            "rabbitmq publisher",
            finish_publishing.clone(),
            publisher.keep(publishing),
        ));
        let running = Running { taken, stop_consuming, consuming, finish_publishing, publishing };
        let running = parking_lot::Mutex::new(Some(running));
        let bus = Self { shared, sender, peers, outgoing, bindings, tasks, running, stop_taking };
        Ok((bus, heard, arrived))
    }

    fn send(&self, to: Target, bytes: Vec<u8>) {
        if self.outgoing.try_send(Outgoing { to, bytes }).is_err() {
            self.shared.dropped();
        }
    }
}

/// Tells whether the broker can be used, without changing anything on it, and what it has of what a node declares.
///
/// # Errors
/// [`RabbitError`] says why not.
pub(super) async fn probe(config: &config::Bus, node: &str, peers: Peers) -> Result<Topology, RabbitError> {
    let addresses = addresses(&config.url.0)?;
    let tls = tls(config, &addresses)?;
    let names = Names::new(&config.prefix, node);
    let mut last = Fault::of("bus.url names no host");
    for uri in addresses {
        match look(&uri, tls.as_ref(), &names, peers).await {
            Ok(found) => return Ok(found),
            Err(fault) => last = Fault::of(&format!("{}: {fault}", address::shown(&uri))),
        }
    }
    Err(RabbitError::Away(last))
}

async fn look(uri: &AMQPUri, tls: Option<&TlsConnector>, names: &Names, peers: Peers) -> Result<Topology, Fault> {
    let link = link::Link::open(uri, tls, "gateway check".into()).await?;
    let found = probe::topology(&link, names, peers).await;
    link.close().await;
    found
}

/// Waits for what comes of the first tries.
async fn first_try(mut outcome: watch::Receiver<Outcome>, peers: Peers) -> Result<(), RabbitError> {
    let begun = Instant::now();
    let patience = if peers == Peers::None { FIRST_ANSWER } else { FIRST_TRY };
    while let Ok(Ok(())) = timeout_at(begun + patience, outcome.changed()).await {
        let latest = outcome.borrow_and_update().clone();
        match latest {
            Outcome::Failed(Fault::Locked(_)) if begun.elapsed() < SINGLE_PATIENCE => {}
            Outcome::Failed(Fault::Locked(reason)) => return Err(RabbitError::NotAlone(reason)),
            // A broker that is there in a moment may say that this node is not alone.
            Outcome::Failed(_) if peers == Peers::None && begun.elapsed() < FIRST_TRY => {}
            Outcome::Ready | Outcome::Failed(_) | Outcome::None => return Ok(()),
        }
    }
    Ok(())
}

/// What `amqps://` needs; `None` where no address asks for it.
fn tls(config: &config::Bus, addresses: &[AMQPUri]) -> Result<Option<TlsConnector>, RabbitError> {
    if addresses.iter().all(|uri| uri.scheme == AMQPScheme::AMQP) {
        return Ok(None);
    }
    Ok(Some(crypto::tls_connector(config.ca.as_deref(), SystemAuthorities::Trusted)?))
}

#[async_trait]
impl Bus for RabbitBus {
    fn ring(&self, doorbell: &Doorbell) {
        if self.peers == Peers::Some {
            self.send(Target::Shard(doorbell.topic.shard()), envelope::doorbell(self.sender, doorbell));
        }
    }

    fn whisper(&self, whisper: &Whisper) {
        if self.peers == Peers::Some {
            self.send(Target::Shard(whisper.topic.shard()), envelope::whisper(self.sender, whisper));
        }
    }

    fn tell(&self, node: &str, note: &Note) {
        if self.peers == Peers::Some {
            self.send(Target::Node(node.into()), envelope::note(self.sender, note));
        }
    }

    async fn bind(&self, shard: Shard) {
        if self.peers == Peers::Some {
            self.bindings.bind(shard).await;
        }
    }

    fn release(&self, shard: Shard) {
        self.bindings.release(shard);
    }

    fn status(&self) -> BusStatus {
        self.shared.states.status()
    }

    fn warnings(&self) -> Vec<BusWarning> {
        self.shared.states.trouble.warnings()
    }

    fn stop_taking(&self) {
        self.stop_taking.cancel();
    }

    async fn close(&self) {
        self.stop_taking.cancel();
        let Some(mut running) = self.running.lock().take() else { return };
        let finish = async {
            // First what comes in, then what that leads to, then what goes out.
            if self.shared.states.is_up(Role::Consume) {
                // An error means that the connection is gone, and with it what was under way.
                let _ = running.taken.wait_for(|taking| !*taking).await;
            }
            running.stop_consuming.cancel();
            let _ = running.consuming.await;
            running.finish_publishing.cancel();
            let _ = running.publishing.await;
        };
        if timeout(FINISH, finish).await.is_err() {
            tracing::warn!("the broker did not take everything in time; the rest waits in the outbox");
        }
        self.tasks.stop(Duration::from_secs(1)).await;
    }
}
