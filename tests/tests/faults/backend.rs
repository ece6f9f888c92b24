//! A backend service: it publishes notifications over RabbitMQ with confirms, and records every reported chat message.
//! Without RabbitMQ it publishes over HTTP (`http_publisher.rs`).

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

use crate::{http_publisher, ledger::Ledger};

/// The backend's queue.
const QUEUE: &str = "faults.backend";
/// The time between two notifications.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);
/// How long the backend waits before it reconnects.
const RECONNECT_DELAY: Duration = Duration::from_millis(300);
/// How long the backend waits for a reply of the broker. lapin waits indefinitely, also if the broker dies during the
/// handshake.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// Where notifications are published.
#[derive(Clone)]
enum PublishesTo {
    /// The URL of a broker.
    Broker(String),
    /// The address of the load balancer in front of the gateways.
    Http(String),
}

/// A running backend service. Dropping it ends its tasks.
pub(crate) struct Backend {
    publishes_to: PublishesTo,
    ledger: Arc<Mutex<Ledger>>,
    publishing: watch::Sender<bool>,
    /// Whether the publisher is paused and the broker has confirmed everything it published.
    idle: Arc<watch::Sender<bool>>,
    tasks: JoinSet<()>,
}

impl Backend {
    /// Starts the service. Its queue exists when this returns, so that it misses no event.
    pub(crate) async fn start(amqp: &str, ledger: &Arc<Mutex<Ledger>>) -> Self {
        let (connection, channel) = channel(amqp).await.unwrap();
        declare_queue(&channel).await.unwrap();
        connection.close(200, "declared".into()).await.unwrap();
        let mut tasks = JoinSet::new();
        let (url, book) = (amqp.to_owned(), ledger.clone());
        tasks.spawn(async move {
            loop {
                let _ = listen(&url, &book).await;
                sleep(RECONNECT_DELAY).await;
            }
        });
        Self {
            publishes_to: PublishesTo::Broker(amqp.to_owned()),
            ledger: ledger.clone(),
            publishing: watch::Sender::new(true),
            idle: Arc::default(),
            tasks,
        }
    }

    /// Starts a service without a broker, which uses the HTTP API of any gateway behind this address. It receives no events.
    pub(crate) fn over_http(address: &str, ledger: &Arc<Mutex<Ledger>>) -> Self {
        Self {
            publishes_to: PublishesTo::Http(address.to_owned()),
            ledger: ledger.clone(),
            publishing: watch::Sender::new(true),
            idle: Arc::default(),
            tasks: JoinSet::new(),
        }
    }

    /// Starts publishing notifications to these users.
    pub(crate) fn publish_to(&mut self, users: Vec<String>) {
        let (book, idle) = (self.ledger.clone(), self.idle.clone());
        let mut going = self.publishing.subscribe();
        let url = match self.publishes_to.clone() {
            PublishesTo::Broker(url) => url,
            PublishesTo::Http(address) => {
                self.tasks.spawn(http_publisher::publish(address, users, book, going));
                return;
            }
        };
        self.tasks.spawn(async move {
            let mut unconfirmed = None;
            loop {
                // Errors are expected here: the publisher reconnects and repeats the unconfirmed event.
                let _ = publish(&url, &users, &book, (&mut going, &idle), &mut unconfirmed).await;
                sleep(RECONNECT_DELAY).await;
            }
        });
    }

    /// Stops publishing.
    pub(crate) fn stop_publishing(&self) {
        self.publishing.send_replace(false);
    }

    /// Stops publishing until [`Self::resume`]. Returns when every user has received all notifications, so that the
    /// inbound queue is empty.
    pub(crate) async fn pause(&self) {
        self.stop_publishing();
        let mut idle = self.idle.subscribe();
        assert!(idle.wait_for(|idle| *idle).await.is_ok(), "the publisher task has ended");
        eventually("every user has received all notifications", async || self.ledger.lock().unnotified().is_empty())
            .await;
    }

    /// Resumes publishing.
    pub(crate) fn resume(&self) {
        self.idle.send_replace(false);
        self.publishing.send_replace(true);
    }
}

/// Waits for a reply of the broker for a limited time.
async fn in_time<T>(reply: impl Future<Output = lapin::Result<T>>) -> lapin::Result<T> {
    let no_reply = |_| lapin::Error::from(lapin::ErrorKind::IOError(Arc::new(std::io::ErrorKind::TimedOut.into())));
    tokio::time::timeout(REPLY_TIMEOUT, reply).await.map_err(no_reply)?
}

async fn channel(url: &str) -> lapin::Result<(Connection, Channel)> {
    in_time(async {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    })
    .await
}

/// Publishes until an error occurs. An unconfirmed event is published again with the same id.
async fn publish(
    url: &str,
    users: &[String],
    ledger: &Mutex<Ledger>,
    (going, idle): (&mut watch::Receiver<bool>, &watch::Sender<bool>),
    unconfirmed: &mut Option<(String, String)>,
) -> lapin::Result<()> {
    let (_connection, channel) = channel(url).await?;
    in_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    let mut turn = 0;
    loop {
        if unconfirmed.is_none() {
            if !*going.borrow() {
                idle.send_replace(true);
                if going.wait_for(|going| *going).await.is_err() {
                    // The backend is being dropped, which aborts this task.
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
        match tokio::time::timeout(REPLY_TIMEOUT, confirm).await {
            Ok(Ok(Confirmation::Ack(None))) => {
                ledger.lock().published.push((user, id, Instant::now()));
                *unconfirmed = None;
            }
            Ok(Err(error)) => return Err(error),
            // Returned, refused or timed out: publish the same event again.
            _ => {}
        }
        sleep(PUBLISH_INTERVAL).await;
    }
}

/// Declares the outbound exchange as the gateway does, and the backend's queue.
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

/// Records reported chat messages and closed sessions until an error occurs.
async fn listen(url: &str, ledger: &Mutex<Ledger>) -> lapin::Result<()> {
    let (_connection, channel) = channel(url).await?;
    in_time(declare_queue(&channel)).await?;
    let options = BasicConsumeOptions::default();
    let consuming = channel.basic_consume(QUEUE.into(), "faults".into(), options, FieldTable::default());
    let mut deliveries = in_time(consuming).await?;
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

/// Deletes an exchange and declares it again with another kind.
pub(crate) async fn replace_exchange(url: &str, exchange: &str, kind: lapin::ExchangeKind) -> lapin::Result<()> {
    let (connection, channel) = channel(url).await?;
    channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(exchange.into(), kind.clone(), durable, FieldTable::default()).await?;
    if kind == lapin::ExchangeKind::Topic {
        declare_queue(&channel).await?;
    }
    connection.close(200, "done".into()).await
}

/// Returns the number of messages in a queue.
pub(crate) async fn queue_length(url: &str, queue: &str) -> lapin::Result<u64> {
    let (connection, channel) = channel(url).await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(queue.into(), passive, FieldTable::default()).await?;
    connection.close(200, "done".into()).await?;
    Ok(u64::from(queue.message_count()))
}
