//! One session per user: replaced or refused, counted by user or by device, exact for any number at once.

use futures_util::future::join_all;
use realtime_gateway_tests::{Gateway, Settings, Socket, Token, end_of};
use serde_json::{Value, json};

async fn authenticate(gateway: &Gateway, user: &str, extra: Value) -> (Socket, Value) {
    let mut socket = Socket::anonymous(gateway).await;
    let mut message = json!({ "type": "authenticate", "token": Token::of(user).text() });
    for (name, value) in extra.as_object().unwrap() {
        message[name] = value.clone();
    }
    socket.send(message).await;
    let answer = socket.next().await.unwrap_or(Value::Null);
    (socket, answer)
}

#[tokio::test]
async fn a_newer_session_replaces_the_older() {
    let gateway = Gateway::start().await;
    let mut old = Socket::of(&gateway, "alice").await;
    let mut new = Socket::of(&gateway, "alice").await;
    assert_eq!(old.closed().await, 4409);
    new.drain().await;
    let sessions = gateway.api().get("/api/v1/users/alice/sessions").await;
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn of_fifty_at_once_exactly_one_lives() {
    let gateway = Gateway::start().await;
    for round in 0..5 {
        let user = format!("user{round}");
        let token = Token::of(&user).text();
        let sockets = join_all((0..50).map(|_| Socket::open(&gateway, "/ws", Some(&token)))).await;
        // Whoever is replaced before it is greeted gets the close alone.
        let greeted = join_all(sockets.into_iter().map(|socket| async move {
            let mut socket = socket.unwrap();
            socket.next().await.map(|_| socket)
        }))
        .await;
        // All have been admitted now, so whoever answers after this lives.
        let mut living = 0;
        for mut socket in greeted.into_iter().flatten() {
            let asked = socket.try_send_text(r#"{"type":"ping"}"#).await;
            living += u32::from(asked && socket.next().await.is_some());
        }
        assert_eq!(living, 1, "round {round}");
    }
}

#[tokio::test]
async fn with_reject_the_new_one_is_refused_unless_it_is_the_same_device() {
    let gateway = Gateway::with(Settings::default().set("sessions.on_excess", "\"reject\"")).await;
    let (mut first, answer) = authenticate(&gateway, "alice", json!({ "deviceId": "phone" })).await;
    assert_eq!(answer["type"], "connected");
    let mut second = Socket::anonymous(&gateway).await;
    second.send(json!({ "type": "authenticate", "token": Token::of("alice").text(), "deviceId": "tablet" })).await;
    assert_eq!(end_of(&mut second).await, ("session_limit".into(), 4423));
    first.drain().await;
    let (_ghost_free, answer) = authenticate(&gateway, "alice", json!({ "deviceId": "phone" })).await;
    assert_eq!(answer["type"], "connected");
    assert_eq!(first.closed().await, 4409);
}

#[tokio::test]
async fn by_device_each_device_has_one_and_the_oldest_device_goes() {
    let settings = Settings::default().set("sessions.key", "\"device\"").set("sessions.max_devices", "2");
    let gateway = Gateway::with(settings).await;
    let (mut phone, _) = authenticate(&gateway, "alice", json!({ "deviceId": "phone" })).await;
    let (mut tablet, _) = authenticate(&gateway, "alice", json!({ "deviceId": "tablet" })).await;
    phone.drain().await;
    let (mut tablet_again, _) = authenticate(&gateway, "alice", json!({ "deviceId": "tablet" })).await;
    assert_eq!(tablet.closed().await, 4409);
    phone.drain().await;
    let (_laptop, _) = authenticate(&gateway, "alice", json!({ "deviceId": "laptop" })).await;
    assert_eq!(phone.closed().await, 4409);
    tablet_again.drain().await;
}

#[tokio::test]
async fn a_late_attempt_never_replaces_its_own_successor() {
    let gateway = Gateway::start().await;
    let client = |attempt| json!({ "client": { "name": "t", "version": "1", "instance": "i", "attempt": attempt } });
    let (mut second, _) = authenticate(&gateway, "alice", client(2)).await;
    let mut first = Socket::anonymous(&gateway).await;
    let mut message = client(1);
    (message["type"], message["token"]) = (json!("authenticate"), json!(Token::of("alice").text()));
    first.send(message).await;
    assert_eq!(first.closed().await, 4409);
    second.drain().await;
    let (_third, answer) = authenticate(&gateway, "alice", client(3)).await;
    assert_eq!(answer["type"], "connected");
    assert_eq!(second.closed().await, 4409);
}

#[tokio::test]
async fn an_operator_disconnects_and_unsubscribes() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let mut alice = Socket::of(&gateway, "alice").await;
    alice.ask(json!({ "type": "subscribe_clan_chat", "clanId": "c" })).await;
    let path = "/api/v1/users/alice/subscriptions?service=clan_chat&topic=c";
    assert!(api.call(reqwest::Method::DELETE, path, None).await.status().is_success());
    assert_eq!(alice.expect("subscription_ended").await["clanId"], "c");
    let path = "/api/v1/users/alice/sessions";
    assert!(api.call(reqwest::Method::DELETE, path, None).await.status().is_success());
    assert_eq!(alice.closed().await, 4403);
    let mut alice = Socket::of(&gateway, "alice").await;
    let path = "/api/v1/users/alice/sessions?reconnect=true";
    assert!(api.call(reqwest::Method::DELETE, path, None).await.status().is_success());
    assert_eq!(alice.closed().await, 4500);
}
