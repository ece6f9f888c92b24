//! Where the gateway is, and the three ways of giving it a token.

use serde_json::{Value, json};

/// The places where a gateway usually is.
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
            "variables": { "host": { "default": "gateway.example.com", "description": "Its name." } },
            "security": security,
        },
        "broker": super::amqp::server(),
    })
}

/// The ways of giving a token, in order of preference.
pub(super) fn schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "`Authorization: Bearer <jwt>` of the upgrade (servers, native apps). A bad token gets HTTP 401.",
        },
        "firstMessage": {
            "type": "apiKey",
            "in": "password",
            "description": "The first message, `{\"type\":\"authenticate\",\"token\":\"<jwt>\"}`, within 10 s of the upgrade (browsers). A bad token gets `error` `unauthorized` and close code 4401.",
        },
        "query": {
            "type": "httpApiKey",
            "name": "token",
            "in": "query",
            "description": "`?token=<jwt>` of the upgrade (old clients; never written to a log). A bad token gets `error` `unauthorized` and close code 4401.",
        },
    })
}

/// The upgrade request (the WebSocket channel binding, version 0.1.0).
pub(super) fn upgrade() -> Value {
    json!({
        "method": "GET",
        "query": {
            "type": "object",
            "properties": {
                "token": { "type": "string", "description": "The JSON Web Token, where neither the header nor the first message can carry it." },
                "deviceId": { "type": "string", "description": "Names the device." },
                "instance": { "type": "string", "description": "Made once by a client that reconnects by itself." },
                "attempt": { "type": "integer", "minimum": 0, "description": "Rises with each attempt of the instance." },
            },
        },
        "headers": {
            "type": "object",
            "properties": {
                "Authorization": { "type": "string", "description": "`Bearer <jwt>`." },
                "X-Device-Id": { "type": "string", "description": "Names the device." },
                "Sec-WebSocket-Protocol": { "type": "string", "const": crate::SUBPROTOCOL, "description": "The default when none is offered." },
            },
        },
        "bindingVersion": "0.1.0",
    })
}
