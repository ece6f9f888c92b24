//! The servers, and the three ways to send a token.

use serde_json::{Value, json};

/// Returns the usual servers.
pub(super) fn servers() -> Value {
    let security: Vec<Value> = ["bearer", "firstMessage", "query"]
        .iter()
        .map(|name| json!({ "$ref": format!("#/components/securitySchemes/{name}") }))
        .collect();
    json!({
        "local": {
            "host": "127.0.0.1:4000",
            "protocol": "ws",
            "description": "A gateway on this machine.",
            "security": security,
        },
        "public": {
            "host": "{host}",
            "protocol": "wss",
            "description": "A gateway behind TLS.",
            "variables": { "host": { "default": "gateway.example.com", "description": "The host name." } },
            "security": security,
        },
        "broker": super::amqp::server(),
    })
}

/// Returns the ways to send a token, in order of preference.
pub(super) fn schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "`Authorization: Bearer <jwt>` of the upgrade (servers, native apps). An invalid token is answered with HTTP 401.",
        },
        "firstMessage": {
            "type": "apiKey",
            "in": "password",
            "description": "The first message, `{\"type\":\"authenticate\",\"token\":\"<jwt>\"}`, within 10 s of the upgrade (browsers). An invalid token is answered with `error` `unauthorized` and close code 4401.",
        },
        "query": {
            "type": "httpApiKey",
            "name": "token",
            "in": "query",
            "description": "`?token=<jwt>` of the upgrade (old clients; never written to a log). An invalid token is answered with `error` `unauthorized` and close code 4401.",
        },
    })
}

/// Returns the upgrade request (WebSocket channel binding, version 0.1.0).
pub(super) fn upgrade() -> Value {
    json!({
        "method": "GET",
        "query": {
            "type": "object",
            "properties": {
                "token": { "type": "string", "description": "The JSON Web Token, for clients that can send it neither in the header nor in the first message." },
                "deviceId": { "type": "string", "description": "The id of the device." },
                "instance": { "type": "string", "description": "A random id of the running client, which a client that reconnects automatically generates once." },
                "attempt": { "type": "integer", "minimum": 0, "description": "The number of the connection attempt of the instance, which increases with each attempt." },
            },
        },
        "headers": {
            "type": "object",
            "properties": {
                "Authorization": { "type": "string", "description": "`Bearer <jwt>`." },
                "X-Device-Id": { "type": "string", "description": "The id of the device." },
                "Sec-WebSocket-Protocol": { "type": "string", "const": crate::SUBPROTOCOL, "description": "The default when none is offered." },
            },
        },
        "bindingVersion": "0.1.0",
    })
}
