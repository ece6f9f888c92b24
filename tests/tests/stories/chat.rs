//! Clan chat: one order for all subscribers, idempotent sends, history and deletion.

use realtime_gateway_brokers::rabbitmq::shared;
use realtime_gateway_tests::{Backend, Gateway, Settings, Socket, Token};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

fn offsets(messages: &[Value]) -> Vec<u64> {
    messages
        .iter()
        .filter(|message| message["type"] == "chat")
        .map(|message| message["offset"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn delivers_messages_to_all_subscribers_in_one_order() {
    let gateway = Gateway::start().await;
    let mut readers = Vec::new();
    for n in 0..4 {
        let mut reader = Socket::connect(&gateway, &format!("reader{n}")).await;
        reader.join("c").await;
        readers.push(reader);
    }
    let writers: Vec<_> = (0..4).map(|n| write_from(&gateway, n)).collect();
    futures_util::future::join_all(writers).await;
    let mut seen = Vec::new();
    for reader in &mut readers {
        seen.push(offsets(&reader.messages_until_pong().await));
    }
    assert_eq!(seen[0], (1..=100).collect::<Vec<_>>());
    assert!(seen.iter().all(|offsets| *offsets == seen[0]));
}

async fn write_from(gateway: &Gateway, n: u32) {
    let mut writer = Socket::connect(gateway, &format!("writer{n}")).await;
    for message in 0..25 {
        writer.chat("c", &format!("{n}/{message}")).await;
    }
}

#[tokio::test]
async fn confirms_repeated_send_without_publishing_it_again() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.join("c").await;
    let command = json!({ "type": "chat", "clanId": "c", "content": "once", "clientMessageId": "m1" });
    let first = alice.request(command.clone()).await;
    assert_eq!(first["clientMessageId"], "m1");
    assert!(first.get("duplicate").is_none());
    let second = alice.request(command.clone()).await;
    assert_eq!(second["duplicate"], true);
    assert_eq!((&second["messageId"], &second["offset"]), (&first["messageId"], &first["offset"]));
    // The same id of another user identifies another message.
    let mut bob = Socket::connect(&gateway, "bob").await;
    assert_eq!(bob.request(command).await["offset"], 2);
    let history = bob.request(json!({ "type": "chat_history", "clanId": "c" })).await;
    assert_eq!(history["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn pages_through_history_in_both_directions() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    for n in 1..=10 {
        alice.chat("c", &n.to_string()).await;
    }
    let page = |response: &Value| {
        let messages = response["messages"].as_array().unwrap();
        let offsets: Vec<_> = messages.iter().map(|chat| chat["offset"].as_u64().unwrap()).collect();
        (offsets, response["hasMore"].as_bool().unwrap())
    };
    let last = alice.request(json!({ "type": "chat_history", "clanId": "c", "limit": 3 })).await;
    assert_eq!(page(&last), (vec![8, 9, 10], true));
    let before = alice.request(json!({ "type": "chat_history", "clanId": "c", "limit": 3, "before": 3 })).await;
    assert_eq!(page(&before), (vec![1, 2], false));
    let after = alice.request(json!({ "type": "chat_history", "clanId": "c", "limit": 3, "after": 0 })).await;
    assert_eq!(page(&after), (vec![1, 2, 3], true));
    let end = alice.request(json!({ "type": "chat_history", "clanId": "c", "after": 10 })).await;
    assert_eq!(page(&end), (vec![], false));
}

#[tokio::test]
async fn deletes_message_and_announces_deletion() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.send(json!({ "type": "subscribe_clan_chat", "clanId": "c", "history": 0 })).await;
    alice.expect("subscription_confirmed").await;
    let first = alice.chat("c", "a secret word").await;
    alice.chat("c", "something else").await;
    let path = format!("/api/v1/clans/c/messages/{}", first["messageId"].as_str().unwrap());
    let deleted = gateway.api().call(Method::DELETE, &path, None).await;
    assert!(deleted.status().is_success());
    let announced = alice.wait_for("chat_deleted").await;
    assert_eq!((&announced["messageId"], &announced["offset"]), (&first["messageId"], &json!(3)));

    let history = alice.request(json!({ "type": "chat_history", "clanId": "c" })).await;
    assert_eq!(history["messages"].as_array().unwrap().len(), 1);
    assert!(!history.to_string().contains("secret word"));
    let page = gateway.api().get("/api/v1/clans/c/messages").await;
    assert!(!page.to_string().contains("secret word"));

    let mut late = Socket::connect(&gateway, "late").await;
    late.send(json!({ "type": "subscribe_clan_chat", "clanId": "c", "history": 10 })).await;
    late.expect("subscription_confirmed").await;
    for type_name in ["chat_deleted", "chat", "chat_deleted"] {
        late.expect(type_name).await;
    }
    let again = gateway.api().call(Method::DELETE, &path, None).await;
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn posts_backend_message_as_system() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.join("c").await;
    let body = json!({ "content": "The war begins.", "id": "war-1" });
    let first = gateway.api().post("/api/v1/clans/c/messages", body.clone()).await;
    let chat = alice.expect("chat").await;
    assert_eq!((&chat["userId"], &chat["messageType"]), (&json!("system"), &json!("SYSTEM")));
    assert_eq!(chat["messageId"], first["messageId"]);
    let again = gateway.api().post("/api/v1/clans/c/messages", body).await;
    assert_eq!(again["messageId"], first["messageId"]);
    assert!(alice.messages_until_pong().await.is_empty());
}

#[tokio::test]
async fn executes_commands_of_session_in_order() {
    let gateway = Gateway::with(Settings::default()).await;
    let mut alice = Socket::connect_with(&gateway, &Token::for_user("alice")).await;
    for n in 0..50 {
        alice
            .send(json!({ "type": "chat", "clanId": "c", "content": n.to_string(), "requestId": n.to_string() }))
            .await;
    }
    alice.send(json!({ "type": "chat_history", "clanId": "c", "limit": 100, "requestId": "h" })).await;
    for n in 0..50 {
        let sent = alice.expect("message_sent").await;
        assert_eq!((&sent["requestId"], &sent["offset"]), (&json!(n.to_string()), &json!(n + 1)));
    }
    let history = alice.expect("chat_history").await;
    let contents: Vec<_> = history["messages"].as_array().unwrap().iter().map(|chat| chat["content"].clone()).collect();
    assert_eq!(contents, (0..50).map(|n| json!(n.to_string())).collect::<Vec<_>>());
}

#[tokio::test]
async fn keeps_message_type_over_http_and_amqp() {
    let backend = Backend::connect(&tokio::task::spawn_blocking(shared).await.unwrap()).await;
    let gateway = Gateway::with(backend.settings()).await;
    let mut events = backend.listen("chat.#").await;
    let api = gateway.api();
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.join("c").await;
    let mut expected = Vec::new();
    for named in [json!("TEXT"), json!("IMAGE"), json!("FILE"), json!("SYSTEM"), json!(null)] {
        let body = json!({ "content": "a map", "userId": "herald", "messageType": named });
        let shown = if named.is_null() { json!("SYSTEM") } else { named };
        api.post("/api/v1/clans/c/messages", body.clone()).await;
        assert_eq!(alice.expect("chat").await["messageType"], shown);
        backend.publish("clan_chat.c", body).await;
        assert_eq!(alice.expect("chat").await["messageType"], shown);
        for _ in 0..2 {
            assert_eq!(events.expect("chat.message.c").await["messageType"], shown);
            expected.push(shown.clone());
        }
    }
    let page = api.get("/api/v1/clans/c/messages").await;
    let stored: Vec<_> = page["messages"].as_array().unwrap().iter().map(|chat| chat["messageType"].clone()).collect();
    assert_eq!(stored, expected);

    let unknown = json!({ "content": "a map", "messageType": "POLL" });
    let (status, problem) = api.json(Method::POST, "/api/v1/clans/c/messages", Some(unknown.clone())).await;
    assert_eq!((status, &problem["details"]["field"]), (StatusCode::BAD_REQUEST, &json!("messageType")), "{problem}");
    let mut dead_letters = backend.dead_letters().await;
    backend.publish("clan_chat.c", unknown).await;
    let dead_letter = dead_letters.next().await;
    assert_eq!(dead_letter.reason.as_deref(), Some("invalid_message"));
    assert!(dead_letter.detail.is_some_and(|detail| detail.starts_with("messageType: ") && !detail.contains("POLL")));
}
