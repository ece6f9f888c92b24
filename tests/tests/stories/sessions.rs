//! Session limits: newer sessions replace older ones or are rejected, per user or per device, also under concurrency.

use futures_util::future::join_all;
use realtime_gateway_tests::{Gateway, Settings, Socket, Token, error_and_close_code};
use serde_json::{Value, json};

async fn authenticate(gateway: &Gateway, user: &str, extra: Value) -> (Socket, Value) {
    let mut socket = Socket::anonymous(gateway).await;
    let mut message = json!({ "type": "authenticate", "token": Token::for_user(user).text() });
    for (name, value) in extra.as_object().unwrap() {
        message[name] = value.clone();
    }
    socket.send(message).await;
    let response = socket.next().await.unwrap_or(Value::Null);
    (socket, response)
}

#[tokio::test]
async fn replaces_older_session_with_4409() {
    let gateway = Gateway::start().await;
    let mut old = Socket::connect(&gateway, "alice").await;
    let mut new = Socket::connect(&gateway, "alice").await;
    assert_eq!(old.close_code().await, 4409);
    new.messages_until_pong().await;
    let sessions = gateway.api().get("/api/v1/users/alice/sessions").await;
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn keeps_exactly_one_of_fifty_concurrent_sessions() {
    let gateway = Gateway::start().await;
    for round in 0..5 {
        let user = format!("user{round}");
        let token = Token::for_user(&user).text();
        let sockets = join_all((0..50).map(|_| Socket::open(&gateway, "/ws", Some(&token)))).await;
        // A session that is replaced before its `connected` is sent receives only the close.
        let connected = join_all(sockets.into_iter().map(|socket| async move {
            let mut socket = socket.unwrap();
            socket.next().await.map(|_| socket)
        }))
        .await;
        // All sessions have been admitted by now, so a session that answers from here on is the remaining one.
        let mut alive = 0;
        for mut socket in connected.into_iter().flatten() {
            let sent = socket.try_send_text(r#"{"type":"ping"}"#).await;
            alive += u32::from(sent && socket.next().await.is_some());
        }
        assert_eq!(alive, 1, "round {round}");
    }
}

#[tokio::test]
async fn rejects_second_device_but_replaces_same_device_when_on_excess_is_reject() {
    let gateway = Gateway::with(Settings::default().set("sessions.on_excess", "\"reject\"")).await;
    let (mut first, response) = authenticate(&gateway, "alice", json!({ "deviceId": "phone" })).await;
    assert_eq!(response["type"], "connected");
    let mut second = Socket::anonymous(&gateway).await;
    second
        .send(json!({ "type": "authenticate", "token": Token::for_user("alice").text(), "deviceId": "tablet" }))
        .await;
    assert_eq!(error_and_close_code(&mut second).await, ("session_limit".into(), 4423));
    first.messages_until_pong().await;
    let (_replacement, response) = authenticate(&gateway, "alice", json!({ "deviceId": "phone" })).await;
    assert_eq!(response["type"], "connected");
    assert_eq!(first.close_code().await, 4409);
}

#[tokio::test]
async fn limits_sessions_per_device_and_closes_oldest_device() {
    let settings = Settings::default().set("sessions.key", "\"device\"").set("sessions.max_devices", "2");
    let gateway = Gateway::with(settings).await;
    let (mut phone, _) = authenticate(&gateway, "alice", json!({ "deviceId": "phone" })).await;
    let (mut tablet, _) = authenticate(&gateway, "alice", json!({ "deviceId": "tablet" })).await;
    phone.messages_until_pong().await;
    let (mut tablet_again, _) = authenticate(&gateway, "alice", json!({ "deviceId": "tablet" })).await;
    assert_eq!(tablet.close_code().await, 4409);
    phone.messages_until_pong().await;
    let (_laptop, _) = authenticate(&gateway, "alice", json!({ "deviceId": "laptop" })).await;
    assert_eq!(phone.close_code().await, 4409);
    tablet_again.messages_until_pong().await;
}

#[tokio::test]
async fn never_replaces_session_by_earlier_attempt_of_same_client() {
    let gateway = Gateway::start().await;
    let client = |attempt| json!({ "client": { "name": "t", "version": "1", "instance": "i", "attempt": attempt } });
    let (mut second, _) = authenticate(&gateway, "alice", client(2)).await;
    let mut first = Socket::anonymous(&gateway).await;
    let mut message = client(1);
    (message["type"], message["token"]) = (json!("authenticate"), json!(Token::for_user("alice").text()));
    first.send(message).await;
    assert_eq!(first.close_code().await, 4409);
    second.messages_until_pong().await;
    let (_third, response) = authenticate(&gateway, "alice", client(3)).await;
    assert_eq!(response["type"], "connected");
    assert_eq!(second.close_code().await, 4409);
}

#[tokio::test]
async fn disconnects_and_unsubscribes_user_over_http() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.request(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    let path = "/api/v1/users/alice/subscriptions?service=clan_chat&topic=c";
    assert!(api.call(reqwest::Method::DELETE, path, None).await.status().is_success());
    assert_eq!(alice.expect("subscription_ended").await["clanId"], "c");
    let path = "/api/v1/users/alice/sessions";
    assert!(api.call(reqwest::Method::DELETE, path, None).await.status().is_success());
    assert_eq!(alice.close_code().await, 4403);
    let mut alice = Socket::connect(&gateway, "alice").await;
    let path = "/api/v1/users/alice/sessions?reconnect=true";
    assert!(api.call(reqwest::Method::DELETE, path, None).await.status().is_success());
    assert_eq!(alice.close_code().await, 4500);
}
