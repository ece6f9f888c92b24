//! Core messages: the original protocol without extensions, as clients that know nothing else use it.

use realtime_gateway_tests::{Gateway, Socket, Token};
use serde_json::json;

async fn core_client(gateway: &Gateway, user: &str) -> Socket {
    let path = format!("/ws?token={}", Token::for_user(user).text());
    Socket::open(gateway, &path, None).await.unwrap()
}

#[tokio::test]
async fn core_client_uses_every_core_message() {
    let gateway = Gateway::start().await;
    let mut alice = core_client(&gateway, "alice").await;
    let connected = alice.expect("connected").await;
    assert_eq!(connected["userId"], "alice");
    assert_eq!(connected["message"], "Connected to WebSocket Gateway");

    alice.send_text(r#"{"type":"subscribe_notifications"}"#).await;
    let confirmed = alice.expect("subscription_confirmed").await;
    assert_eq!(confirmed["service"], "notifications");
    assert_eq!(confirmed["status"], "subscribed");

    alice.send_text(r#"{"type":"subscribe_clan_chat","clanId":"clan123"}"#).await;
    let confirmed = alice.expect("subscription_confirmed").await;
    assert_eq!(confirmed["service"], "clan_chat");
    assert_eq!(confirmed["clanId"], "clan123");

    let mut bob = core_client(&gateway, "bob").await;
    bob.expect("connected").await;
    bob.send_text(r#"{"type":"chat","content":"Hello!","clanId":"clan123","messageType":"TEXT"}"#).await;
    let sent = bob.expect("message_sent").await;
    let chat = alice.expect("chat").await;
    assert_eq!(chat["userId"], "bob");
    assert_eq!(chat["content"], "Hello!");
    assert_eq!(chat["clanId"], "clan123");
    assert_eq!(chat["messageType"], "TEXT");
    assert_eq!(chat["messageId"], sent["messageId"]);

    bob.send_text(r#"{"type":"typing","isTyping":true,"clanId":"clan123"}"#).await;
    let typing = alice.expect("typing").await;
    assert_eq!((&typing["userId"], &typing["isTyping"]), (&json!("bob"), &json!(true)));

    let id = gateway.api().notify("alice", "Quest").await;
    let notification = alice.wait_for("notification").await;
    assert_eq!(notification["id"], *id);
    assert_eq!(notification["title"], "Quest");
    assert_eq!(notification["message"], "a message");
    alice.send(json!({ "type": "notification_ack", "notificationId": id })).await;
    assert_eq!(alice.expect("ack_confirmed").await["notificationIds"], json!([id]));

    alice.send_text(r#"{"type":"ping"}"#).await;
    assert!(alice.expect("pong").await["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn sends_no_extension_to_core_client() {
    let gateway = Gateway::start().await;
    let mut alice = core_client(&gateway, "alice").await;
    alice.expect("connected").await;
    alice.send_text(r#"{"type":"subscribe_clan_chat","clanId":"c"}"#).await;
    alice.expect("subscription_confirmed").await;
    let mut modern = Socket::connect(&gateway, "modern").await;
    modern.send(json!({ "type": "subscribe_clan_chat", "clanId": "c", "presence": true })).await;
    modern.wait_for("presence").await;

    let mut bob = Socket::connect(&gateway, "bob").await;
    bob.join("c").await;
    let sent = bob.chat("c", "to be deleted").await;
    let path = format!("/api/v1/clans/c/messages/{}", sent["messageId"].as_str().unwrap());
    let deleted = gateway.api().call(reqwest::Method::DELETE, &path, None).await;
    assert!(deleted.status().is_success(), "{}", deleted.status());
    modern.wait_for("chat_deleted").await;

    let types: Vec<_> = alice.messages_until_pong().await.into_iter().map(|message| message["type"].clone()).collect();
    assert_eq!(types, [json!("chat")]);
}

/// Returns the messages in the table after a heading of the migration guide.
fn messages_of_guide(heading: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../MIGRATION_GUIDE.md");
    let guide = std::fs::read_to_string(path).unwrap();
    let table = guide.split_once(heading).unwrap().1.trim_start();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let message = |row: &str| Some(row.split_once("`{")?.1.split_once("}` |")?.0.to_owned());
    rows.filter_map(message).map(|inside| format!("{{{inside}}}")).collect()
}

#[test]
fn decodes_client_messages_of_migration_guide() {
    let old = messages_of_guide("\nFrom clients:\n");
    assert_eq!(old.len(), 6, "{old:?}");
    for text in old {
        let decoded = realtime_gateway_protocol::decode_client(&text);
        assert!(decoded.is_ok(), "{text}: {decoded:?}");
    }
}

#[tokio::test]
async fn sends_server_messages_of_migration_guide() {
    let gateway = Gateway::start().await;
    let mut alice = core_client(&gateway, "user123").await;
    let mut bob = core_client(&gateway, "bob").await;
    bob.expect("connected").await;
    let mut received = vec![alice.expect("connected").await];
    alice.send_text(r#"{"type":"subscribe_notifications"}"#).await;
    alice.expect("subscription_confirmed").await;
    alice.send_text(r#"{"type":"subscribe_clan_chat","clanId":"clan123"}"#).await;
    received.push(alice.expect("subscription_confirmed").await);
    let id = gateway.api().notify("user123", "Quest").await;
    received.push(alice.expect("notification").await);
    bob.send_text(r#"{"type":"typing","isTyping":true,"clanId":"clan123"}"#).await;
    received.push(alice.expect("typing").await);
    bob.chat("clan123", "Hello!").await;
    received.push(alice.wait_for("chat").await);
    alice.send_text(r#"{"type":"chat","content":"Hello!","clanId":"clan123"}"#).await;
    received.push(alice.wait_for("message_sent").await);
    alice.send(json!({ "type": "notification_ack", "notificationId": id })).await;
    received.push(alice.wait_for("ack_confirmed").await);
    alice.send_text("{").await;
    received.push(alice.wait_for("error").await);
    alice.send_text(r#"{"type":"ping"}"#).await;
    received.push(alice.wait_for("pong").await);

    let shown = messages_of_guide("\nFrom the gateway:\n");
    assert_eq!(shown.len(), received.len());
    for text in shown {
        let shown: serde_json::Value = serde_json::from_str(&text).unwrap();
        let message_received = received.iter().find(|message| message["type"] == shown["type"]).unwrap();
        for name in shown.as_object().unwrap().keys().filter(|name| *name != "data") {
            assert!(message_received.get(name).is_some(), "{name} of {text} is not in {message_received}");
        }
    }
}
