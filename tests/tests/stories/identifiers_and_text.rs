//! Identifiers and text: every interface (WebSocket, HTTP, AMQP, tokens) accepts and rejects the same strings.

use std::fmt::Write as _;

use realtime_gateway_brokers::rabbitmq::shared;
use realtime_gateway_tests::{Api, Backend, Gateway, Settings, Socket, Token, http_client, must};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A lone surrogate as a JSON escape.
const LONE_SURROGATE: &str = "\\ud83d";

/// Posts a raw body, because a JSON library would not write invalid strings.
async fn post(gateway: &Gateway, path: &str, body: &str, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    let request = http_client().post(format!("http://{}{path}", gateway.address())).bearer_auth(Api::KEY);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = request.header("content-type", "application/json").body(body.to_owned()).send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap())
}

#[tokio::test]
async fn rejects_lone_surrogate_in_every_field() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.join("c").await;
    for (fields, field) in [
        (format!(r#""type":"chat","clanId":"c","content":"{LONE_SURROGATE}""#), "content"),
        (format!(r#""type":"chat","clanId":"c","content":"x","data":{{"a":[{{"b":"{LONE_SURROGATE}"}}]}}"#), "data"),
        (format!(r#""type":"chat","clanId":"c","content":"x","data":{{"{LONE_SURROGATE}":1}}"#), "data"),
        (format!(r#""type":"typing","clanId":"{LONE_SURROGATE}","isTyping":true"#), "clanId"),
        (format!(r#""type":"authenticate","token":"{LONE_SURROGATE}""#), "token"),
        (format!(r#""type":"ping","later":"{LONE_SURROGATE}""#), "later"),
    ] {
        alice.send_text(&format!(r#"{{"requestId":"r1",{fields}}}"#)).await;
        let error = alice.expect("error").await;
        assert_eq!((&error["code"], &error["requestId"]), (&json!("invalid_message"), &json!("r1")), "{error}");
        assert_eq!(error["details"]["field"], field, "{error}");
    }
    // Complete surrogate pairs are valid.
    alice
        .send_text(r#"{"type":"chat","clanId":"c","content":"\ud83d\ude00","data":{"\ud83d\ude00":"\ud83d\ude00"}}"#)
        .await;
    assert_eq!(alice.wait_for("chat").await["content"], "\u{1f600}");
    for (path, body, field) in [
        ("/api/v1/notifications", format!(r#"{{"userId":"alice","title":"{LONE_SURROGATE}","message":"m"}}"#), "title"),
        (
            "/api/v1/notifications",
            format!(r#"{{"userIds":["a","{LONE_SURROGATE}"],"title":"t","message":"m"}}"#),
            "userIds[1]",
        ),
        (
            "/api/v1/notifications",
            format!(r#"{{"userId":"a","title":"t","message":"m","data":["{LONE_SURROGATE}"]}}"#),
            "data",
        ),
        ("/api/v1/clans/c/messages", format!(r#"{{"content":"x","data":{{"{LONE_SURROGATE}":1}}}}"#), "data"),
    ] {
        let (status, problem) = post(&gateway, path, &body, &[]).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("invalid_message")), "{problem}");
        assert_eq!(problem["details"]["field"], field, "{problem}");
    }
    // No rejected message arrives. The confirmation of the valid message may arrive after the message itself.
    let arrived = alice.messages_until_pong().await;
    assert!(arrived.iter().all(|message| message["type"] == "message_sent"), "{arrived:?}");
}

#[tokio::test]
async fn dead_letters_event_with_lone_surrogate() {
    let backend = Backend::connect(&shared()).await;
    let gateway = Gateway::with(backend.settings()).await;
    // The gateway declares the dead letter queue when it connects.
    gateway.wait_for_broker().await;
    let mut dead_letters = backend.dead_letters().await;
    let body = format!(r#"{{"title":"t","message":"m","data":{{"a":"{LONE_SURROGATE}"}}}}"#);
    backend.publish_as("notification.alice", body.as_bytes(), None).await;
    let dead_letter = dead_letters.next().await;
    assert_eq!(dead_letter.reason.as_deref(), Some("invalid_message"));
    assert!(dead_letter.detail.as_deref().is_some_and(|detail| detail.starts_with("data: ")), "{dead_letter:?}");
}

/// Percent-encodes every byte except ASCII letters and digits.
fn encoded(id: &str) -> String {
    id.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[tokio::test]
async fn accepts_valid_identifiers_in_every_interface() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    for id in [
        "a.b",
        "...",
        "a/b",
        "/",
        "100%",
        "%2E",
        "%2F",
        "a+b",
        "a:b@c",
        "a;b=c",
        "a?b#c",
        "a\\b",
        "'\"<&>",
        "gr\u{fc}n",
        "\u{65e5}\u{672c}",
        "\u{1f600}",
        "{a}",
        "*",
        "~",
    ] {
        let token = Token::for_user(id).text();
        let path = format!("/ws?deviceId={}&token={token}", encoded(id));
        let mut socket = Socket::open(&gateway, &path, None).await.unwrap();
        assert_eq!(socket.expect("connected").await["userId"], id);
        socket.join(id).await;
        socket.request(json!({ "type": "subscribe_notifications" })).await;
        let sent = socket
            .request(json!({ "type": "chat", "requestId": id, "clanId": id, "content": "x", "clientMessageId": id }))
            .await;
        assert_eq!((&sent["type"], &sent["clientMessageId"]), (&json!("message_sent"), &json!(id)), "{id}");

        let sessions = api.get(&format!("/api/v1/users/{}/sessions", encoded(id))).await;
        assert_eq!(sessions["sessions"][0]["device"], id, "{id}");
        let messages = api.get(&format!("/api/v1/clans/{}/messages", encoded(id))).await;
        assert_eq!(messages["messages"][0]["clanId"], id);
        let notified = json!({ "userId": id, "title": "t", "message": "m", "id": id });
        assert_eq!(api.post("/api/v1/notifications", notified).await["ids"][0], id);
        assert_eq!(socket.wait_for("notification").await["id"], id);
        let posted = json!({ "content": "y", "userId": id });
        api.post(&format!("/api/v1/clans/{}/messages", encoded(id)), posted).await;
        socket.wait_for("chat").await;
        let path = format!("/api/v1/users/{}/subscriptions?service=clan_chat&topic={}", encoded(id), encoded(id));
        let (status, ended) = api.json(Method::DELETE, &path, None).await;
        assert_eq!((status.as_u16(), &ended["subscriptions"]), (200, &json!(1)), "{id}: {ended}");
        let (status, ended) = api.json(Method::DELETE, &format!("/api/v1/users/{}/sessions", encoded(id)), None).await;
        assert_eq!((status.as_u16(), &ended["sessions"]), (200, &json!(1)), "{id}: {ended}");
        assert_eq!(socket.close_code().await, 4403);
    }
}

/// Returns the status of a request with this exact path; HTTP libraries would resolve `..`.
async fn status_of(gateway: &Gateway, path: &str) -> u16 {
    let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n", Api::KEY);
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    must("the response", socket.read_to_string(&mut response)).await.unwrap();
    response[9..12].parse().unwrap()
}

#[tokio::test]
async fn rejects_invalid_identifiers_in_every_interface() {
    let gateway = Gateway::start().await;
    let too_long = ["a".repeat(129), "\u{fc}".repeat(34)];
    // Invisible characters and bidirectional controls let one name look like another.
    let unseen =
        ["a\u{200b}", "\u{202e}a", "a\u{2066}b", "a\u{feff}", "\u{ad}", "a\u{200d}b", "a\u{61c}b", "\u{e0041}"];
    for id in [".", "..", "a b", "a\u{a0}b", "a\nb", "a\0b", &too_long[0], &too_long[1]].into_iter().chain(unseen) {
        assert_eq!(
            Socket::open(&gateway, "/ws", Some(&Token::for_user(id).text())).await.unwrap_err(),
            StatusCode::UNAUTHORIZED
        );
        let device = format!("/ws?deviceId={}", encoded(id));
        assert_eq!(Socket::open(&gateway, &device, None).await.unwrap_err(), StatusCode::BAD_REQUEST, "{id:?}");
        // Each identifier uses a new session, because 20 invalid messages within 10 s close a session.
        let mut alice = Socket::connect(&gateway, "alice").await;
        for (command, field) in [
            (json!({ "type": "chat", "clanId": id, "content": "x" }), "clanId"),
            (json!({ "type": "chat", "clanId": "c", "content": "x", "clientMessageId": id }), "clientMessageId"),
            (json!({ "type": "notification_ack", "notificationId": id }), "notificationId"),
        ] {
            assert_eq!(alice.request(command).await["details"]["field"], field, "{id:?}");
        }
        assert_eq!(status_of(&gateway, &format!("/api/v1/users/{}/sessions", encoded(id))).await, 400, "{id:?}");
        assert_eq!(status_of(&gateway, &format!("/api/v1/clans/{}/messages", encoded(id))).await, 400, "{id:?}");
        let body = json!({ "userId": id, "title": "t", "message": "m" }).to_string();
        assert_eq!(post(&gateway, "/api/v1/notifications", &body, &[]).await.1["details"]["field"], "userId");
    }
}

#[tokio::test]
async fn marks_page_as_trimmed_when_entries_are_missing() {
    let gateway = Gateway::with(Settings::default().set("history.max_entries", "10")).await;
    let api = gateway.api();
    let mut alice = Socket::connect(&gateway, "alice").await;
    for n in 0..30 {
        alice.chat("c", &n.to_string()).await;
    }
    // The log keeps entries 21 to 30.
    for (after, trimmed, first) in [(0, true, 21), (19, true, 21), (20, false, 21), (25, false, 26)] {
        let page = alice.request(json!({ "type": "chat_history", "clanId": "c", "after": after })).await;
        assert_eq!(
            (page.get("trimmed"), &page["messages"][0]["offset"]),
            (trimmed.then_some(&json!(true)), &json!(first))
        );
        let page = api.get(&format!("/api/v1/clans/c/messages?after={after}")).await;
        assert_eq!(
            (page.get("trimmed"), &page["messages"][0]["offset"]),
            (trimmed.then_some(&json!(true)), &json!(first))
        );
    }
    for query in ["", "?before=25", "?before=21", "?after=30"] {
        assert_eq!(api.get(&format!("/api/v1/clans/c/messages{query}")).await.get("trimmed"), None, "{query}");
    }
    let both = json!({ "type": "chat_history", "clanId": "c", "before": 25, "after": 22 });
    let error = alice.request(both).await;
    let (status, problem) = api.json(Method::GET, "/api/v1/clans/c/messages?before=25&after=22", None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    for error in [error, problem] {
        assert_eq!(
            (&error["code"], &error["details"]["field"]),
            (&json!("invalid_message"), &json!("before")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn rejects_compressed_request_bodies() {
    let gateway = Gateway::start().await;
    let body = r#"{"userId":"alice","title":"t","message":"m"}"#;
    for coding in ["gzip", "x-gzip", "GZIP", "br", "deflate", "identity, gzip", "whatever"] {
        let (status, problem) = post(&gateway, "/api/v1/notifications", body, &[("content-encoding", coding)]).await;
        assert_eq!((status.as_u16(), &problem["code"]), (415, &json!("unsupported_media_type")), "{coding}");
    }
    for coding in ["identity", "Identity", ""] {
        let (status, _) = post(&gateway, "/api/v1/notifications", body, &[("content-encoding", coding)]).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{coding}");
    }
}

#[tokio::test]
async fn rejects_blank_content_and_nul_characters() {
    let backend = Backend::connect(&shared()).await;
    let gateway = Gateway::with(backend.settings()).await;
    gateway.wait_for_broker().await;
    let mut dead_letters = backend.dead_letters().await;
    for blank in [" ", "\n\t", "\u{a0}\u{3000}", "\u{200b}", " \u{200d}\u{feff} ", "\u{2060}", "a\0b"] {
        let mut alice = Socket::connect(&gateway, "alice").await;
        let refused = alice.request(json!({ "type": "chat", "clanId": "c", "content": blank })).await;
        assert_eq!((&refused["code"], &refused["details"]["field"]), (&json!("invalid_message"), &json!("content")));
        let body = json!({ "content": blank }).to_string();
        let (status, problem) = post(&gateway, "/api/v1/clans/c/messages", &body, &[]).await;
        assert_eq!((status.as_u16(), &problem["details"]["field"]), (400, &json!("content")), "{blank:?}");
        backend.publish("clan_chat.c", json!({ "content": blank })).await;
        let dead_letter = dead_letters.next().await;
        assert_eq!(dead_letter.reason.as_deref(), Some("invalid_message"), "{blank:?}");
    }
    let mut alice = Socket::connect(&gateway, "alice").await;
    for command in [
        json!({ "type": "chat", "clanId": "c", "content": "x", "data": { "a": ["b\0"] } }),
        json!({ "type": "chat", "clanId": "c", "content": "x", "data": { "\0": 1 } }),
    ] {
        assert_eq!(alice.request(command).await["details"]["field"], "data");
    }
    alice.join("c").await;
    // Right-to-left text and emoji sequences need these characters.
    for content in ["\u{202b}\u{5e9}\u{5dc}\u{5d5}\u{5dd}\u{202c}", "a\u{200d}b", "\u{1f468}\u{200d}\u{1f469}"] {
        alice.send(json!({ "type": "chat", "clanId": "c", "content": content })).await;
        assert_eq!(alice.wait_for("chat").await["content"], content);
    }
}
