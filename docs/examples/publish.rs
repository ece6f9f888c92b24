//! A backend service that publishes to clients through RabbitMQ, with confirms; in the HTTP API a POST does the same.
//!
//! `cargo run -p realtime-gateway-tests --example publish -- amqp://localhost/%2f alice clan123`
//!
//! Prints one JSON line for each event once it is confirmed.
#![expect(clippy::print_stdout, reason = "those lines are what it is for")]

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions},
    types::FieldTable,
};
use serde_json::{Value, json};
use uuid::Uuid;

const EXCHANGE: &str = "gateway.inbound";
/// How often an event is published before it is given up.
const ATTEMPTS: u32 = 10;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("give the broker, such as amqp://localhost/%2f")?;
    let user = arguments.next().unwrap_or_else(|| "alice".into());
    let clan = arguments.next().unwrap_or_else(|| "clan123".into());

    let mut publisher = Publisher { url, channel: None };
    let notification =
        json!({ "title": "Quest", "message": "The gate is open.", "data": { "quest": 7 }, "ttlSeconds": 3600 });
    let id = publisher.publish(&format!("notification.{}", word(&user)), notification).await?;
    println!("{}", json!({ "published": "notification", "by": "amqp", "id": id }));
    let message = json!({ "content": "Hello from the backend, by RabbitMQ" });
    let id = publisher.publish(&format!("clan_chat.{}", word(&clan)), message).await?;
    println!("{}", json!({ "published": "clan_chat", "by": "amqp", "id": id }));
    Ok(())
}

/// Publishes events and returns when the broker has taken responsibility for them.
struct Publisher {
    url: String,
    channel: Option<(Connection, Channel)>,
}

impl Publisher {
    /// Publishes one event, again and again with the same id: what comes twice is delivered once.
    async fn publish(&mut self, routing_key: &str, mut body: Value) -> Result<String> {
        let id = Uuid::now_v7().to_string();
        if let Some(body) = body.as_object_mut() {
            body.insert("id".into(), json!(id));
        }
        let mut problem = None;
        for attempt in 0..ATTEMPTS {
            match self.attempt(routing_key, &id, body.to_string().as_bytes()).await {
                Ok(()) => return Ok(id),
                // Whatever it was, the next attempt begins with a new connection.
                Err(error) => (self.channel, problem) = (None, Some(error)),
            }
            tokio::time::sleep(Duration::from_millis(250 << attempt.min(4))).await;
        }
        Err(problem.unwrap_or_else(|| "no attempt was made".into()))
    }

    async fn attempt(&mut self, routing_key: &str, id: &str, body: &[u8]) -> Result<()> {
        let (connection, channel) = match self.channel.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        // Mandatory: without it the broker confirms also what it has no queue for.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(2)
            .with_message_id(id.into());
        let confirm = channel.basic_publish(EXCHANGE.into(), routing_key.into(), options, body, properties).await?;
        match confirm.await? {
            Confirmation::Ack(None) => {
                self.channel = Some((connection, channel));
                Ok(())
            }
            Confirmation::Ack(Some(_)) => Err("no queue takes it".into()),
            Confirmation::Nack(_) | Confirmation::NotRequested => Err("the broker did not take it".into()),
        }
    }

    async fn open(&self) -> Result<(Connection, Channel)> {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        // The gateway declares the exchange. Asking whether it is there says early that no gateway ever was.
        let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(EXCHANGE.into(), lapin::ExchangeKind::Topic, passive, FieldTable::default()).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok((connection, channel))
    }
}

/// An identifier as part of a routing key: percent-encoded outside [A-Za-z0-9_-], so that a dot separates nothing.
fn word(identifier: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    identifier.bytes().map(encode).collect()
}
