//! A backend service on RabbitMQ: it publishes notifications with confirms, and hears of every chat message.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
        ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use parking_lot::Mutex;
use realtime_gateway_tests::eventually;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet, time::sleep};
use uuid::Uuid;

use crate::ledger::Ledger;

/// The backend's queue.
const QUEUE: &str = "faults.backend";
/// How often a notification is published.
const EVERY: Duration = Duration::from_millis(100);
/// How long the backend waits before it connects again.
const AGAIN: Duration = Duration::from_millis(300);
/// How long a confirm may take before the event counts as not published.
const PATIENCE: Duration = Duration::from_secs(10);

/// Dropping it ends it.
pub(crate) struct Backend {
    amqp: String,
    ledger: Arc<Mutex<Ledger>>,
    publishing: watch::Sender<bool>,
    /// Whether the publisher waits, and the broker has confirmed all that it published.
    idle: Arc<watch::Sender<bool>>,
    tasks: JoinSet<()>,
}

impl Backend {
    /// Begins to listen. Its queue is there when this resolves, so that it misses nothing of what comes.
    pub(crate) async fn start(amqp: &str, ledger: &Arc<Mutex<Ledger>>) -> Self {
        let (connection, channel) = channel(amqp).await.unwrap();
        declare_queue(&channel).await.unwrap();
        connection.close(200, "declared".into()).await.unwrap();
        let mut tasks = JoinSet::new();
        let (url, book) = (amqp.to_owned(), ledger.clone());
        tasks.spawn(async move {
            loop {
                let _ = listen(&url, &book).await;
                sleep(AGAIN).await;
            }
        });
        Self {
            amqp: amqp.to_owned(),
            ledger: ledger.clone(),
            publishing: watch::Sender::new(true),
            idle: Arc::default(),
            tasks,
        }
    }

    /// Begins to publish to these users.
    pub(crate) fn publish_to(&mut self, users: Vec<String>) {
        let (url, book, idle) = (self.amqp.clone(), self.ledger.clone(), self.idle.clone());
        let mut going = self.publishing.subscribe();
        self.tasks.spawn(async move {
            let mut unconfirmed = None;
            loop {
                // The broker is hurt on purpose: whoever publishes comes again, and repeats what was not confirmed.
                let _ = publish(&url, &users, &book, (&mut going, &idle), &mut unconfirmed).await;
                sleep(AGAIN).await;
            }
        });
    }

    /// Publishes nothing more.
    pub(crate) fn hush(&self) {
        self.publishing.send_replace(false);
    }

    /// Publishes nothing more until [`Self::resume`]. Resolves when every user has what was published so far, so that no
    /// queue of inbound events holds anything.
    pub(crate) async fn pause(&self) {
        self.hush();
        let mut idle = self.idle.subscribe();
        assert!(idle.wait_for(|idle| *idle).await.is_ok(), "the publisher has ended");
        eventually("every user has what was published", async || self.ledger.lock().unnotified().is_empty()).await;
    }

    /// Publishes again.
    pub(crate) fn resume(&self) {
        self.idle.send_replace(false);
        self.publishing.send_replace(true);
    }
}

async fn channel(url: &str) -> lapin::Result<(Connection, Channel)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

/// Publishes until something fails. An event that was not confirmed is published again, under the same id.
async fn publish(
    url: &str,
    users: &[String],
    ledger: &Mutex<Ledger>,
    (going, idle): (&mut watch::Receiver<bool>, &watch::Sender<bool>),
    unconfirmed: &mut Option<(String, String)>,
) -> lapin::Result<()> {
    let (_connection, channel) = channel(url).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut turn = 0;
    loop {
        if unconfirmed.is_none() {
            if !*going.borrow() {
                idle.send_replace(true);
                if going.wait_for(|going| *going).await.is_err() {
                    // The backend is dropped, and ends this task.
                    return std::future::pending().await;
                }
            }
            turn += 1;
            *unconfirmed = Some((users[turn % users.len()].clone(), Uuid::now_v7().to_string()));
        }
        let Some((user, id)) = unconfirmed.clone() else { continue };
        let body = json!({ "id": id, "title": "a title", "message": "a message" }).to_string();
        let properties = BasicProperties::default().with_delivery_mode(2).with_content_type("application/json".into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let key = format!("notification.{user}");
        let confirm = channel
            .basic_publish("gateway.inbound".into(), key.as_str().into(), options, body.as_bytes(), properties)
            .await?;
        match tokio::time::timeout(PATIENCE, confirm).await {
            Ok(Ok(Confirmation::Ack(None))) => {
                ledger.lock().published.push((user, id, Instant::now()));
                *unconfirmed = None;
            }
            Ok(Err(error)) => return Err(error),
            // Returned, refused or late: the same again.
            _ => {}
        }
        sleep(EVERY).await;
    }
}

/// Declares the exchange as the gateway does, and the backend's queue.
async fn declare_queue(channel: &Channel) -> lapin::Result<()> {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let none = FieldTable::default;
    channel.exchange_declare("gateway.outbound".into(), lapin::ExchangeKind::Topic, durable, none()).await?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), options, none()).await?;
    let bind = QueueBindOptions::default();
    for key in ["chat.message.#", "session.closed.#"] {
        channel.queue_bind(QUEUE.into(), "gateway.outbound".into(), key.into(), bind, none()).await?;
    }
    Ok(())
}

/// Notes every chat message that the gateway tells of, until something fails.
async fn listen(url: &str, ledger: &Mutex<Ledger>) -> lapin::Result<()> {
    let (_connection, channel) = channel(url).await?;
    declare_queue(&channel).await?;
    let consume = BasicConsumeOptions::default();
    let mut deliveries = channel.basic_consume(QUEUE.into(), "faults".into(), consume, FieldTable::default()).await?;
    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery?;
        let body: Value = serde_json::from_slice(&delivery.data).unwrap_or_default();
        if let Some(id) = body["messageId"].as_str() {
            ledger.lock().reported.insert(id.to_owned());
        }
        if let (Some(user), Some(code)) =
            (delivery.routing_key.as_str().strip_prefix("session.closed."), body["code"].as_u64())
        {
            ledger.lock().ended.insert((user.to_owned(), code));
        }
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// Publishes one event.
pub(crate) async fn publish_once(url: &str, exchange: &str, key: &str, body: &str) -> lapin::Result<()> {
    let (connection, channel) = channel(url).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties).await?.await?;
    connection.close(200, "done".into()).await
}

/// Puts an exchange of another kind in the place of one.
pub(crate) async fn declare_anew(url: &str, exchange: &str, kind: lapin::ExchangeKind) -> lapin::Result<()> {
    let (connection, channel) = channel(url).await?;
    channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(exchange.into(), kind.clone(), durable, FieldTable::default()).await?;
    if kind == lapin::ExchangeKind::Topic {
        declare_queue(&channel).await?;
    }
    connection.close(200, "done".into()).await
}

/// How many messages wait in a queue.
pub(crate) async fn waiting(url: &str, queue: &str) -> lapin::Result<u64> {
    let (connection, channel) = channel(url).await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(queue.into(), passive, FieldTable::default()).await?;
    connection.close(200, "done".into()).await?;
    Ok(u64::from(queue.message_count()))
}
