//! Generates the AsyncAPI 3.0 document of the WebSocket and of the broker from the types.

mod amqp;
mod security;

use serde_json::{Map, Value, json};

use crate::{
    ClientMessage, CloseCode, ErrorCode, PROTOCOL_VERSION, SUBPROTOCOL, ServiceName, client_schema, close_code,
    example::{Side, examples},
    schema, server_schema,
};

/// Replies that are also pushed: after a token in the upgrade request, as a snapshot, and for other errors.
const ALSO_PUSHED: [&str; 3] = ["connected", "presence", "error"];

/// Returns the AsyncAPI 3.0 document from the perspective of the gateway: it receives commands and sends messages.
///
/// `services` are the services of this gateway. Built-in services are left out.
pub fn asyncapi_document(services: &[ServiceName]) -> Value {
    let declared: Vec<&str> =
        services.iter().map(ServiceName::as_str).filter(|name| !ServiceName::RESERVED.contains(name)).collect();
    let (client, server) = (client_schema(), server_schema());
    let (mut messages, mut operations) = (Map::new(), Map::new());
    for (side, schema) in [(Side::Client, &client), (Side::Server, &server)] {
        for (word, variant) in schema::variants(schema) {
            messages.insert(title(variant).to_owned(), message(side, word, variant, &declared));
        }
    }
    for (word, variant) in schema::variants(&client) {
        operations.insert(format!("receive{}", title(variant)), command(word, variant, &server));
    }
    for (word, variant) in schema::variants(&server) {
        if !schema::is_reply(word) || ALSO_PUSHED.contains(&word) {
            operations.insert(format!("send{}", title(variant)), push(variant));
        }
    }
    operations.extend(amqp::operations());
    let in_channel: Map<String, Value> =
        messages.keys().map(|key| (key.clone(), json!({ "$ref": format!("#/components/messages/{key}") }))).collect();
    messages.extend(amqp::messages());
    let mut channels = Map::new();
    channels.insert(
        "gateway".to_owned(),
        json!({
            "address": "/ws",
            "title": "The WebSocket",
            "description": "One JSON object per text frame, UTF-8. A binary frame is refused with close code 1003.",
            "servers": [{ "$ref": "#/servers/local" }, { "$ref": "#/servers/public" }],
            "messages": in_channel,
            "bindings": { "ws": security::upgrade() },
        }),
    );
    channels.extend(amqp::channels());
    json!({
        "asyncapi": "3.0.0",
        "x-generated": crate::export::NOTICE,
        "info": {
            "title": "Realtime gateway",
            "version": format!("{PROTOCOL_VERSION}.0.0"),
            "description": description(&declared),
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": security::servers(),
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "securitySchemes": security::schemes() },
        "x-websocket-subprotocol": SUBPROTOCOL,
        "x-declared-services": declared,
        "x-error-codes": ErrorCode::KNOWN.iter().map(|code| (code.as_str().to_owned(), json!({
            "retryable": code.is_retryable(),
        }))).collect::<Map<_, _>>(),
        "x-close-codes": close_code::properties(),
    })
}

fn title(variant: &Value) -> &str {
    variant.get("title").and_then(Value::as_str).unwrap_or_default()
}

fn summary(variant: &Value) -> &str {
    variant.get("description").and_then(Value::as_str).unwrap_or_default()
}

fn message(side: Side, word: &str, variant: &Value, declared: &[&str]) -> Value {
    let examples: Vec<Value> = examples(side, word)
        .into_iter()
        .map(|example| json!({ "name": example.name, "payload": example.message }))
        .collect();
    let mut payload = variant.clone();
    let names_declared = matches!(word, "subscribe" | "unsubscribe" | "publish" | "event");
    if let Some(service) = payload.pointer_mut("/properties/service").and_then(Value::as_object_mut)
        && names_declared
        && !declared.is_empty()
    {
        service.insert("examples".to_owned(), json!(declared));
    }
    let mut message = json!({
        "name": word,
        "title": title(variant),
        "summary": summary(variant),
        "contentType": "application/json",
        "payload": payload,
        "examples": examples,
    });
    if payload.pointer("/properties/requestId").is_some()
        && let Some(message) = message.as_object_mut()
    {
        let id = json!({
            "description": "Chosen by the client and repeated in the reply.",
            "location": "$message.payload#/requestId",
        });
        message.insert("correlationId".to_owned(), id);
    }
    message
}

fn in_channel(key: &str) -> Value {
    json!({ "$ref": format!("#/channels/gateway/messages/{key}") })
}

/// Returns the operation of a command, with its reply on success and the `error` on failure.
fn command(word: &str, variant: &Value, server: &Value) -> Value {
    let replies =
        ClientMessage::REPLIES.iter().find(|(known, _)| *known == word).map_or(&[][..], |(_, replies)| replies);
    let of_reply = |(word, _): &(&str, &Value)| replies.contains(word) || *word == "error";
    let messages: Vec<Value> =
        schema::variants(server).filter(of_reply).map(|(_, variant)| in_channel(title(variant))).collect();
    let mut operation = operation("receive", variant);
    if let Some(operation) = operation.as_object_mut() {
        let reply = json!({ "channel": { "$ref": "#/channels/gateway" }, "messages": messages });
        operation.insert("reply".to_owned(), reply);
    }
    operation
}

fn push(variant: &Value) -> Value {
    operation("send", variant)
}

fn operation(action: &str, variant: &Value) -> Value {
    json!({
        "action": action,
        "channel": { "$ref": "#/channels/gateway" },
        "title": title(variant),
        "summary": summary(variant),
        "messages": [in_channel(title(variant))],
    })
}

fn description(declared: &[&str]) -> String {
    let mut text = String::from(
        "The WebSocket protocol of the gateway, from the gateway's side: it *receives* the commands of clients and \
         *sends* messages to them. Every command may have a `requestId`, which its reply repeats. A client ignores \
         a `type` and a field that it does not know. The documentation for people is at `/docs/protocol`.\n\n\
         Backend services publish to the exchange `gateway.inbound` of a RabbitMQ broker and consume from \
         `gateway.outbound`; `bus.prefix` replaces `gateway` in these names.\n\n\
         The token is sent in the `Authorization` header, in the first message (`authenticate`), or as `?token=`.\n\n\
         ## Close codes\n\n\
         | code | meaning | may the client reconnect automatically? |\n| --- | --- | --- |\n",
    );
    for (code, _, meaning) in CloseCode::KNOWN {
        text.push_str(&format!("| {code} | {} | {} |\n", meaning.trim(), code.reconnect()));
    }
    text.push_str(&format!("\n{}\n", CloseCode::RANGES_IN_WORDS));
    if !declared.is_empty() {
        text.push_str(&format!("\n## Declared services\n\n`{}`\n", declared.join("`, `")));
    }
    text
}
