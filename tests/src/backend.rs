//! A backend service that speaks AMQP.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
        QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use serde_json::Value;

use crate::{Settings, must};

/// A backend service.
#[derive(Debug)]
pub struct Backend {
    connection: Connection,
    channel: Channel,
    prefix: String,
    url: String,
}

/// What came to a backend service.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The routing key.
    pub key: String,
    /// The body.
    pub body: Value,
    /// The message's own name.
    pub message_id: Option<String>,
    /// The header `x-gateway-reason` of a dead letter.
    pub reason: Option<String>,
    /// The header `x-gateway-detail` of a dead letter.
    pub detail: Option<String>,
    /// Everything that came with the body.
    pub properties: BasicProperties,
}

impl Backend {
    /// A backend service at a broker, with a prefix that nobody else has.
    pub async fn at(url: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self::with_prefix(url, &format!("t{}.{number}", std::process::id())).await
    }

    /// A backend service that connects anew, after the broker was away.
    pub async fn again(&self) -> Self {
        Self::with_prefix(&self.url, &self.prefix).await
    }

    /// The same backend as another user of the broker.
    pub async fn as_user(&self, user: &str, password: &str) -> Self {
        let url = self.url.replace("guest:guest@", &format!("{user}:{password}@"));
        Self::with_prefix(&url, &self.prefix).await
    }

    async fn with_prefix(url: &str, prefix: &str) -> Self {
        let connection =
            must("the backend's connection", Connection::connect(url, ConnectionProperties::default())).await;
        let connection = connection.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self { connection, channel, prefix: prefix.into(), url: url.into() }
    }

    /// What a gateway has to be told to use the same broker and prefix.
    pub fn settings(&self) -> Settings {
        Settings::default().set("bus.url", &format!("{:?}", self.url)).set("bus.prefix", &format!("{:?}", self.prefix))
    }

    /// A name with the prefix in front.
    pub fn name(&self, what: &str) -> String {
        format!("{}.{what}", self.prefix)
    }

    /// The channel, for what a story does to the broker by itself.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Publishes for clients, and waits until the broker has it.
    pub async fn publish(&self, key: &str, body: Value) {
        self.publish_as(key, body.to_string().as_bytes(), None).await;
    }

    /// Publishes any bytes, perhaps with a `message_id`.
    pub async fn publish_as(&self, key: &str, body: &[u8], message_id: Option<&str>) {
        let mut properties =
            BasicProperties::default().with_delivery_mode(2).with_content_type("application/json".into());
        if let Some(id) = message_id {
            properties = properties.with_message_id(id.into());
        }
        let (exchange, options) = (self.name("inbound"), BasicPublishOptions { mandatory: true, immediate: false });
        let sent = self.channel.basic_publish(exchange.into(), key.into(), options, body, properties).await.unwrap();
        let confirmed = must("the broker's confirmation", sent).await.unwrap();
        assert!(confirmed.is_ack() && confirmed.take_message().is_none(), "{key} reached no queue");
    }

    /// Listens to what the gateway reports, in a queue of its own that outlives connections.
    pub async fn listen(&self, pattern: &str) -> Events {
        let exchange = self.name("outbound");
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declaring = self.channel.exchange_declare(
            exchange.as_str().into(),
            ExchangeKind::Topic,
            durable,
            FieldTable::default(),
        );
        declaring.await.unwrap();
        let queue = self.name(&format!("backend.{pattern}"));
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await.unwrap();
        let (name, options) = (queue.as_str().into(), QueueBindOptions::default());
        self.channel.queue_bind(name, exchange.into(), pattern.into(), options, FieldTable::default()).await.unwrap();
        self.consume(&queue).await
    }

    /// Goes on listening in a queue that is there.
    pub async fn consume(&self, queue: &str) -> Events {
        let options = BasicConsumeOptions::default();
        let consumer = self.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await;
        Events { consumer: consumer.unwrap() }
    }

    /// Reads what the gateway could not accept.
    pub async fn dead_letters(&self) -> Events {
        self.consume(&self.name("dead_letter")).await
    }

    /// Publishes for clients with any properties, and tells whether it reached a queue.
    pub async fn publish_with(&self, key: &str, body: Value, properties: BasicProperties) -> bool {
        let (exchange, options) = (self.name("inbound"), BasicPublishOptions { mandatory: true, immediate: false });
        let body = body.to_string();
        let sent = self.channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties).await;
        let Ok(confirm) = sent else { return false };
        let confirmed = must("the broker's confirmation", confirm).await;
        confirmed.is_ok_and(|confirmed| confirmed.is_ack() && confirmed.take_message().is_none())
    }

    /// Whether the connection is there.
    pub fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }
}

/// What comes to a backend service.
#[derive(Debug)]
pub struct Events {
    consumer: Consumer,
}

impl Events {
    /// The next event.
    pub async fn next(&mut self) -> Event {
        let Some(delivery) = must("an event", self.consumer.next()).await else { panic!("the queue is gone") };
        let delivery = delivery.unwrap();
        delivery.ack(BasicAckOptions::default()).await.unwrap();
        let header = |name: &str| match delivery.properties.headers().as_ref()?.inner().get(name)? {
            AMQPValue::LongString(text) => Some(text.to_string()),
            other => panic!("{name}: {other:?}"),
        };
        Event {
            key: delivery.routing_key.to_string(),
            body: serde_json::from_slice(&delivery.data).unwrap_or(Value::Null),
            message_id: delivery.properties.message_id().as_ref().map(ToString::to_string),
            reason: header("x-gateway-reason"),
            detail: header("x-gateway-detail"),
            properties: delivery.properties.clone(),
        }
    }

    /// The next event, which must have this routing key.
    pub async fn expect(&mut self, key: &str) -> Value {
        let event = self.next().await;
        assert_eq!(event.key, key, "{}", event.body);
        assert_eq!(event.body["id"].as_str(), event.message_id.as_deref(), "the body's id is the message's");
        event.body
    }
}
