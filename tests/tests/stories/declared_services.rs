//! Declared services: a contract file declares topics, types and policies, and the gateway enforces them.

mod access;
mod documents;
mod reload;
mod retention;
mod validation;
mod without_history;

use realtime_gateway_tests::{Gateway, ServiceFiles, Settings, Socket, Token, eventually};
use serde_json::{Value, json};

const SCHEMA: &str = r##"{
  "$defs": {
    "OrderEvent": { "oneOf": [{ "$ref": "#/$defs/OrderPlaced" }, { "$ref": "#/$defs/OrderComment" }] },
    "OrderPlaced": {
      "type": "object",
      "required": ["type", "items"],
      "properties": {
        "type": { "const": "placed" },
        "items": { "type": "array", "items": { "$ref": "#/$defs/Item" } }
      }
    },
    "OrderComment": {
      "type": "object",
      "required": ["type", "text"],
      "properties": { "type": { "const": "comment" }, "text": { "type": "string", "minLength": 1 } }
    },
    "Item": {
      "type": "object",
      "required": ["sku", "qty"],
      "properties": { "sku": { "type": "string" }, "qty": { "type": "integer", "minimum": 1 } }
    }
  }
}"##;

const CONTRACT: &str = r#"
name = "orders"
title = "Order tracking"
schema = "orders.schema.json"

[topics.order]
pattern = "order-{orderId}"
event = "OrderEvent"
publish = "OrderComment"

[topics.mine]
pattern = "user-{userId}"
event = "OrderEvent"
publish = "OrderEvent"

[topics.news]
pattern = "news"
event = "OrderEvent"
subscribe = "user"

[topics.last]
pattern = "last-{orderId}"
event = "OrderEvent"
publish = "OrderEvent"
history = { max_entries = 3 }

[topics.courier]
pattern = "courier-{region}"
event = "OrderEvent"
publish = "OrderComment"
history = false
presence = true
"#;

const EVENTS: &str = "/api/v1/services/orders/topics/order-42/events";

/// A folder with contract files.
pub(crate) struct Contracts(ServiceFiles);

impl Contracts {
    /// Creates a folder with the contract of the service `orders`.
    pub(crate) fn new() -> Self {
        Self(ServiceFiles::new("orders", CONTRACT, SCHEMA))
    }

    fn write(&self, name: &str, text: &str) {
        self.0.write(name, text);
    }

    /// Adds the service `orders` to settings.
    pub(crate) fn settings(&self, settings: Settings) -> Settings {
        self.0.without_backend(settings)
    }

    /// Replaces a part of the contract.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        assert!(CONTRACT.contains(from), "{from}");
        self.0.write_contract(&CONTRACT.replace(from, to));
    }

    pub(crate) async fn gateway(&self) -> Gateway {
        Gateway::with(self.settings(Settings::default())).await
    }
}

fn token(user: &str, topics: &[&str]) -> Token {
    Token::for_user(user).claim("topics", json!({ "orders": topics }))
}

pub(crate) fn subscribe(topic: &str) -> Value {
    json!({ "type": "subscribe", "service": "orders", "topic": topic })
}

fn publish(topic: &str, data: Value) -> Value {
    json!({ "type": "publish", "service": "orders", "topic": topic, "data": data })
}

pub(crate) fn comment(text: &str) -> Value {
    json!({ "type": "comment", "text": text })
}

/// Publishes as a subscriber, and returns the event. The event may arrive before the confirmation.
async fn publish_and_receive(subscriber: &mut Socket, topic: &str, data: Value) -> Value {
    subscriber.send(publish(topic, data)).await;
    let messages = [subscriber.next().await.unwrap(), subscriber.next().await.unwrap()];
    assert!(messages.iter().any(|message| message["type"] == "message_sent"), "{messages:?}");
    messages.into_iter().find(|message| message["type"] == "event").unwrap()
}

/// Data with a problem at a position, and the keyword that reports it. No text of it may appear in a refusal.
fn invalid() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (json!({ "type": "comment", "text": "" }), "/text", "minLength"),
        (json!({ "type": "comment", "text": 87_654_321 }), "/text", "type"),
        (json!({ "type": "comment" }), "", "required"),
        (
            json!({ "type": "placed", "items": [{ "sku": "a", "qty": 1 }, { "sku": "a", "qty": -87_654_321 }] }),
            "/items/1/qty",
            "minimum",
        ),
        (json!({ "type": "s3cret" }), "", "oneOf"),
    ]
}

fn details(pointer: &str, keyword: &str) -> Value {
    json!({ "field": "data", "pointer": pointer, "keyword": keyword })
}

/// Returns the number of log lines with this message, and the fields of the latest.
fn logged(gateway: &Gateway, message: &str) -> (usize, Value) {
    let lines = gateway.log();
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let found: Vec<_> =
        lines.filter(|line| line["fields"]["message"].as_str().is_some_and(|text| text.starts_with(message))).collect();
    (found.len(), found.last().map(|line| line["fields"].clone()).unwrap_or_default())
}

pub(crate) const RELOADED: &str = "the configuration was reloaded";
const REFUSED: &str = "the configuration was not reloaded";

/// Sends SIGHUP, waits for a new log line with this message, and returns its fields.
pub(crate) async fn reload(gateway: &Gateway, message: &str) -> Value {
    let before = logged(gateway, message).0;
    gateway.signal("HUP").await;
    eventually(message, || async { logged(gateway, message).0 > before }).await;
    logged(gateway, message).1
}
