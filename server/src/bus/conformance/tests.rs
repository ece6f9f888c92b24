//! The buses between nodes and the broker in memory pass the suites. RabbitMQ does in `rabbitmq/tests.rs`.

use realtime_gateway_brokers::redis;
use realtime_gateway_protocol::{CloseCode, SessionId, Timestamp, UserId};
use tokio::sync::mpsc;

use super::*;
use crate::{
    bus::{
        BusEvents, ClusterBus, EmbeddedBus,
        broker::{DeadLetter, OutboundEvent},
        memory_broker::MemoryBroker,
    },
    config::{self, Config, Secret},
    runtime::{clock::NodeClock, tasks::Tasks},
    store::{
        ControlMessage, NodeName, NodeRecord, Options, ReconcileRequest, clock::Clock, memory::MemoryStore, open,
        testing::options,
    },
};

/// The embedded bus of nodes in this process.
struct Embedded {
    bus: EmbeddedBus,
    store: Arc<MemoryStore>,
}

impl Embedded {
    fn new() -> Self {
        Self { bus: EmbeddedBus::new().0, store: Arc::new(MemoryStore::new(options(), Clock::system())) }
    }
}

#[async_trait]
impl BusSubject for Embedded {
    async fn join(&self, _node: &str) -> Member {
        let (bus, events) = self.bus.join();
        Member { bus: Arc::new(bus), events, store: self.store.clone() }
    }
}

/// Nodes that share a Redis, under a prefix of their own.
struct OnRedis(config::Store);

impl OnRedis {
    async fn new() -> Self {
        let url = tokio::task::spawn_blocking(|| redis::shared().url()).await.unwrap();
        let prefix = uuid::Uuid::now_v7().simple().to_string();
        Self(config::Store { url: Secret(url), prefix, ..Config::default().store })
    }
}

#[async_trait]
impl BusSubject for OnRedis {
    async fn join(&self, node: &str) -> Member {
        let options = Options { node: NodeName { id: node.into(), incarnation: node.into() }, ..options() };
        let store = open::open(&self.0, options, &NodeClock::default()).await.unwrap();
        let (bus, mut events) = ClusterBus::join(&*store).expect("nodes that share a Redis have a channel");
        let connected = timeout(PATIENCE, events.recv()).await.expect("the channel is connected in time");
        assert!(matches!(connected, Some(BusEvent::Restored)), "{connected:?}");
        Member { bus: Arc::new(bus), events: received_in_background(events), store }
    }
}

/// Receives events in a task, as a node does while it binds shards.
fn received_in_background(mut events: BusEvents) -> BusEvents {
    let (sender, received) = mpsc::channel(4_096);
    Tasks::default().spawn(async move {
        while let Some(event) = events.recv().await {
            if sender.send(event).await.is_err() {
                break;
            }
        }
    });
    BusEvents::of_process(received)
}

struct InMemory(MemoryBroker);

impl InMemory {
    async fn poll<T>(&self, mut poll: impl FnMut(&MemoryBroker) -> Option<T>) -> T {
        loop {
            if let Some(found) = poll(&self.0) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[async_trait]
impl BrokerSubject for InMemory {
    type Broker = MemoryBroker;

    fn broker(&self) -> &MemoryBroker {
        &self.0
    }

    async fn bind(&self, kind: &str, capacity: Option<u32>) {
        self.0.bind(kind, capacity.map(|capacity| capacity as usize));
    }

    async fn receive(&self, kind: &str) -> Received {
        let OutboundEvent { id, key, body, .. } = self.poll(|broker| broker.take_next(kind)).await;
        Received { id: id.as_ref().into(), key: key.as_ref().into(), body }
    }

    async fn publish(&self, key: &str, id: Option<&str>, body: &str) {
        self.0.publish(key, id, body.as_bytes());
    }

    async fn receive_dead_letter(&self) -> ReceivedDeadLetter {
        let DeadLetter { key, body, reason, detail, .. } =
            self.poll(|broker| broker.dead_letters().into_iter().next()).await;
        ReceivedDeadLetter { key, body, reason: reason.into(), detail }
    }

    async fn disconnect(&self) {
        self.0.disconnect();
    }
}

mod embedded {
    use super::*;

    crate::bus_conformance!(async { Embedded::new() });
}

mod cluster {
    use super::*;

    crate::bus_conformance!(OnRedis::new());

    /// Renews the lease of a node, without which it has no mailbox.
    async fn reconcile(member: &Member, name: &str) -> Vec<ControlMessage> {
        let node = NodeRecord {
            id: name.into(),
            incarnation: name.into(),
            address: "127.0.0.1:4000".into(),
            version: "0".into(),
            started: Timestamp::from_millis(0),
            connections: 0,
            draining: false,
            settings: Vec::new(),
        };
        let request = ReconcileRequest { node, shards: Vec::new(), read: 0 };
        member.store.reconcile(request).await.unwrap().control_messages
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn control_messages_reach_the_node_that_they_are_posted_to() {
        let subject = OnRedis::new().await;
        let (mut near, mut far) = (subject.join("near").await, subject.join("far-away.1").await);
        reconcile(&far, "far-away.1").await;
        let (user_id, session_id) = (UserId::new("u").unwrap(), SessionId::new("s").unwrap());
        let close = ControlMessage::Close { user_id, session_id, code: CloseCode::REPLACED.0 };
        near.store.post("a-node-that-does-not-exist", &close).await.unwrap();
        near.store.post("far-away.1", &close).await.unwrap();
        let received = far.next().await;
        assert!(matches!(&received, BusEvent::ControlMessage(message) if *message == close), "{received:?}");
        assert_eq!(reconcile(&far, "far-away.1").await, [], "what was received is not returned as well");
        far.has_nothing();
        near.has_nothing();
    }
}

mod memory {
    use super::*;

    crate::broker_conformance!(async { InMemory(MemoryBroker::new(7)) });
}
