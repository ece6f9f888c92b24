//! RabbitMQ passes the suite of a broker, at a real broker. Backend services speak AMQP on a connection of
//! their own.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    message::BasicGetMessage,
    options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use realtime_gateway_brokers::rabbitmq::shared;
use tokio::time::timeout;

use super::{
    Connections, Parts, RabbitBroker, RabbitError, StoreUse,
    connection_state::Role,
    topology::{table, text},
};
use crate::{
    bus::{
        BrokerStatus,
        conformance::{BrokerSubject, PATIENCE, Received, ReceivedDeadLetter},
    },
    config::{self, Secret},
    metrics::Metrics,
    runtime::{supervision::Supervisor, tasks::Tasks},
};

/// A prefix that no other test uses.
fn prefix() -> String {
    format!("unit.{}", uuid::Uuid::now_v7().simple()).chars().take(32).collect()
}

fn config(prefix: &str) -> config::Bus {
    config::Bus { url: Secret(shared()), prefix: prefix.into(), prefetch: 64, ca: None }
}

/// Waits until this holds. A busy broker may take longer than a start waits.
async fn until(mut holds: impl FnMut() -> bool) {
    let holding = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, holding).await.unwrap();
}

/// The connections of one node.
struct Node {
    connections: Connections,
    tasks: Tasks,
}

async fn connect(prefix: &str, node: &str, store_use: StoreUse) -> Result<Node, RabbitError> {
    let (supervisor, tasks) = (Supervisor::default(), Tasks::default());
    let parts = Parts {
        config: &config(prefix),
        node: node.into(),
        store_use,
        metrics: Arc::new(Metrics::new().unwrap()),
        tasks: &tasks,
        supervisor: &supervisor,
    };
    let connections = Connections::open(parts).await?;
    until(|| connections.status() == BrokerStatus::Connected).await;
    Ok(Node { connections, tasks })
}

impl Node {
    async fn close(self) {
        self.connections.close().await;
        assert!(self.tasks.stop(PATIENCE).await);
    }
}

/// A driver, and backend services at the same broker.
struct Service {
    node: Node,
    broker: RabbitBroker,
    prefix: String,
    channel: Channel,
    _connection: Connection,
}

impl Service {
    async fn connect() -> Self {
        let prefix = prefix();
        let node = connect(&prefix, "n", StoreUse::Shared).await.unwrap();
        let connection = Connection::connect(&shared(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let broker = RabbitBroker::new(&node.connections);
        Self { node, broker, prefix, channel, _connection: connection }
    }

    async fn get(&self, queue: &str) -> BasicGetMessage {
        loop {
            let options = BasicGetOptions { no_ack: true };
            if let Some(message) = self.channel.basic_get(queue.into(), options).await.unwrap() {
                return message;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[async_trait]
impl BrokerSubject for Service {
    type Broker = RabbitBroker;

    fn broker(&self) -> &RabbitBroker {
        &self.broker
    }

    async fn bind(&self, kind: &str, capacity: Option<u32>) {
        let (queue, exchange) = (format!("{}.{kind}", self.prefix), format!("{}.outbound", self.prefix));
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let arguments = match capacity {
            Some(capacity) => table([
                ("x-max-length", AMQPValue::LongLongInt(capacity.into())),
                ("x-overflow", text("reject-publish")),
            ]),
            None => FieldTable::default(),
        };
        self.channel.queue_declare(queue.as_str().into(), durable, arguments).await.unwrap();
        let (key, options) = (format!("{kind}.#"), QueueBindOptions::default());
        let binding =
            self.channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default());
        binding.await.unwrap();
    }

    async fn receive(&self, kind: &str) -> Received {
        let message = self.get(&format!("{}.{kind}", self.prefix)).await;
        Received {
            id: message.properties.message_id().as_ref().unwrap().to_string(),
            key: message.routing_key.to_string(),
            body: Bytes::copy_from_slice(&message.data),
        }
    }

    async fn publish(&self, key: &str, id: Option<&str>, body: &str) {
        let properties = match id {
            Some(id) => BasicProperties::default().with_message_id(id.into()),
            None => BasicProperties::default(),
        };
        let (exchange, options) = (format!("{}.inbound", self.prefix), BasicPublishOptions::default());
        let publishing = self.channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties);
        assert!(publishing.await.unwrap().await.unwrap().is_ack());
    }

    async fn receive_dead_letter(&self) -> ReceivedDeadLetter {
        let message = self.get(&format!("{}.dead_letter", self.prefix)).await;
        let header = |name: &str| match message.properties.headers().as_ref().unwrap().inner().get(name) {
            Some(AMQPValue::LongString(text)) => text.to_string(),
            other => panic!("{name}: {other:?}"),
        };
        ReceivedDeadLetter {
            key: message.routing_key.to_string(),
            reason: header("x-gateway-reason"),
            detail: header("x-gateway-detail"),
            body: Bytes::copy_from_slice(&message.data),
        }
    }

    async fn disconnect(&self) {
        for role in [Role::Publish, Role::Consume] {
            let link = self.node.connections.shared.link(role).await;
            link.shut();
            timeout(PATIENCE, link.down()).await.unwrap();
        }
    }
}

mod broker {
    use super::*;

    crate::broker_conformance!(Service::connect());
}

#[tokio::test]
async fn a_store_of_its_own_allows_one_node() {
    let prefix = prefix();
    let first = connect(&prefix, "first", StoreUse::Own).await.unwrap();
    let second = connect(&prefix, "second", StoreUse::Own).await.map(drop);
    assert!(matches!(second, Err(RabbitError::NotAlone(_))));
    first.close().await;
    connect(&prefix, "third", StoreUse::Own).await.unwrap().close().await;
}
