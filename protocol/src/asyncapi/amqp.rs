//! The broker part: a channel and an operation for each kind of event, with the AMQP bindings (version 0.3.0).

use serde_json::{Map, Value, json};

use crate::{
    backend::{Flow, KINDS, Kind},
    example::backend_examples,
};

/// The version of the AMQP bindings.
const BINDING: &str = "0.3.0";

/// Returns the broker as a server.
pub(super) fn server() -> Value {
    json!({
        "host": "{broker}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ, when `bus.url` names one. Backend services publish and consume there.",
        "variables": { "broker": { "default": "localhost:5672", "description": "The host name and port." } },
    })
}

/// Returns a channel for each kind. Parameters of the address are percent-encoded outside `[A-Za-z0-9_-]`.
pub(super) fn channels() -> Map<String, Value> {
    KINDS.iter().map(|kind| (channel_name(kind), channel(kind))).collect()
}

fn channel_name(kind: &Kind) -> String {
    let mut letters = kind.name.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_lowercase(), letters.as_str()))
}

fn channel(kind: &Kind) -> Value {
    let exchange = format!("gateway.{}", kind.flow.exchange());
    let parameter = |name: &str| {
        let text = format!("The {name}, percent-encoded outside `[A-Za-z0-9_-]`.");
        (name.to_owned(), json!({ "description": text }))
    };
    json!({
        "address": kind.key,
        "title": kind.name,
        "summary": kind.summary,
        "servers": [{ "$ref": "#/servers/broker" }],
        "parameters": kind.parameters().map(parameter).collect::<Map<_, _>>(),
        "messages": { kind.name: { "$ref": format!("#/components/messages/{}", kind.name) } },
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": { "name": exchange, "type": "topic", "durable": true, "autoDelete": false },
                "bindingVersion": BINDING,
            },
        },
    })
}

/// Returns an operation for each kind: the gateway receives inbound events and sends outbound events.
pub(super) fn operations() -> Map<String, Value> {
    let operation = |kind: &Kind| {
        let (action, word) = match kind.flow {
            Flow::Inbound => ("receive", "consume"),
            Flow::Outbound => ("send", "report"),
        };
        let name = channel_name(kind);
        let binding = match kind.flow {
            Flow::Inbound => json!({ "ack": true, "deliveryMode": 2, "bindingVersion": BINDING }),
            Flow::Outbound => json!({ "mandatory": true, "deliveryMode": 2, "bindingVersion": BINDING }),
        };
        let value = json!({
            "action": action,
            "channel": { "$ref": format!("#/channels/{name}") },
            "title": kind.name,
            "summary": kind.summary,
            "bindings": { "amqp": binding },
            "messages": [{ "$ref": format!("#/channels/{name}/messages/{}", kind.name) }],
        });
        (format!("{word}{}", kind.name), value)
    };
    KINDS.iter().map(operation).collect()
}

/// Returns the message of each kind.
pub(super) fn messages() -> Map<String, Value> {
    let message = |kind: &Kind| {
        let examples: Vec<Value> = backend_examples(kind.name)
            .into_iter()
            .map(|example| json!({ "name": example.name, "payload": example.message }))
            .collect();
        let value = json!({
            "name": kind.key,
            "title": kind.name,
            "summary": kind.summary,
            "contentType": "application/json",
            "payload": kind.schema(),
            "examples": examples,
            "bindings": { "amqp": { "messageType": kind.name, "bindingVersion": BINDING } },
        });
        (kind.name.to_owned(), value)
    };
    KINDS.iter().map(message).collect()
}
