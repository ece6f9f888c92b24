//! Two nodes on one Redis and one RabbitMQ: what a client on one sees of the other.

use realtime_gateway_brokers::{rabbitmq, redis};
use realtime_gateway_tests::{Gateway, Settings, Socket, Token, eventually};
use reqwest::Method;
use serde_json::json;

/// Two nodes that share a store and a broker with nobody else.
struct Pair {
    near: Gateway,
    far: Gateway,
    settings: Settings,
}

impl Pair {
    async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let (store, bus) = tokio::task::spawn_blocking(|| (redis::shared().url(), rabbitmq::shared())).await.unwrap();
        let prefix = uuid::Uuid::now_v7().simple().to_string();
        let settings = settings
            .set("store.url", &format!("\"{store}\""))
            .set("store.prefix", &format!("\"{prefix}\""))
            .set("bus.url", &format!("\"{bus}\""))
            .set("bus.prefix", &format!("\"{prefix}\""));
        let near = Gateway::with(settings.clone().set("node_id", "\"near\"")).await;
        let far = Gateway::with(settings.clone().set("node_id", "\"far\"")).await;
        let pair = Self { near, far, settings };
        for node in [&pair.near, &pair.far] {
            eventually("the broker is there", || async { node.api().health().await["bus"]["status"] == "ok" }).await;
        }
        pair
    }
}

#[tokio::test]
async fn what_is_said_on_one_node_is_heard_on_the_other() {
    let pair = Pair::start().await;
    let (mut alice, mut bob) = (Socket::of(&pair.near, "alice").await, Socket::of(&pair.far, "bob").await);
    let mut listeners = [Socket::of(&pair.near, "carol").await, Socket::of(&pair.far, "dave").await];
    for listener in &mut listeners {
        listener.join("c").await;
    }
    for n in 1..=20 {
        let speaker = if n % 2 == 0 { &mut alice } else { &mut bob };
        assert_eq!(speaker.chat("c", &format!("{n}")).await["offset"], n);
    }
    for listener in &mut listeners {
        for n in 1..=20 {
            let chat = listener.expect("chat").await;
            assert_eq!((&chat["offset"], &chat["content"]), (&json!(n), &json!(format!("{n}"))));
        }
    }
}

#[tokio::test]
async fn who_types_and_who_is_there_shows_on_the_other_node() {
    let pair = Pair::with(Settings::default().set("presence.grace", "\"0s\"")).await;
    let mut alice = Socket::of(&pair.near, "alice").await;
    alice.send(json!({ "type": "subscribe_clan_chat", "clanId": "c", "presence": true })).await;
    assert_eq!(alice.until("presence").await["count"], 1);

    let mut bob = Socket::of(&pair.far, "bob").await;
    bob.send(json!({ "type": "subscribe_clan_chat", "clanId": "c", "presence": true })).await;
    assert_eq!(bob.until("presence").await["count"], 2, "also who is on the other node");
    let came = alice.until("presence_changed").await;
    assert_eq!((&came["userId"], &came["status"]), (&json!("bob"), &json!("online")));
    let present = alice.ask(json!({ "type": "presence", "clanId": "c" })).await;
    assert_eq!(present["users"], json!([{ "userId": "alice", "sessions": 1 }, { "userId": "bob", "sessions": 1 }]));

    bob.send(json!({ "type": "typing", "clanId": "c", "isTyping": true })).await;
    let typing = alice.until("typing").await;
    assert_eq!((&typing["userId"], &typing["isTyping"]), (&json!("bob"), &json!(true)));

    bob.close().await;
    let gone = alice.until("presence_changed").await;
    assert_eq!((&gone["userId"], &gone["status"]), (&json!("bob"), &json!("offline")));
}

#[tokio::test]
async fn a_session_replaces_its_predecessor_on_the_other_node() {
    let pair = Pair::start().await;
    let mut first = Socket::of(&pair.near, "alice").await;
    let mut second = Socket::of(&pair.far, "alice").await;
    assert_eq!(first.closed().await, 4409);
    for node in [&pair.near, &pair.far] {
        let one = || async {
            let sessions = node.api().get("/api/v1/users/alice/sessions").await["sessions"].clone();
            sessions.as_array().is_some_and(|sessions| sessions.len() == 1) && sessions[0]["node"] == "far"
        };
        eventually("one session is left", one).await;
    }
    assert!(second.drain().await.is_empty());
}

#[tokio::test]
async fn with_reject_the_newcomer_is_refused_on_the_other_node() {
    let pair = Pair::with(Settings::default().set("sessions.on_excess", "\"reject\"")).await;
    let mut first = Socket::of(&pair.near, "alice").await;
    let mut second = Socket::open(&pair.far, "/ws", Some(&Token::of("alice").text())).await.unwrap();
    assert_eq!(second.until("error").await["code"], "session_limit");
    assert_eq!(second.closed().await, 4423);
    assert!(first.drain().await.is_empty());
}

#[tokio::test]
async fn an_operator_reaches_sessions_through_any_node() {
    let pair = Pair::start().await;
    let mut alice = Socket::of(&pair.near, "alice").await;
    alice.send(json!({ "type": "subscribe_clan_chat", "clanId": "c", "history": 1 })).await;
    alice.expect("subscription_confirmed").await;
    let far = pair.far.api();
    let path = "/api/v1/users/alice/subscriptions?service=clan_chat&topic=c";
    far.json(Method::DELETE, path, None).await;
    assert_eq!(alice.until("subscription_ended").await["clanId"], "c");
    let (_, ended) = far.json(Method::DELETE, "/api/v1/users/alice/sessions?reconnect=true", None).await;
    assert_eq!(ended["sessions"], 1);
    assert_eq!(alice.closed().await, 4500);
}

#[tokio::test]
async fn every_node_lists_all_nodes() {
    let pair = Pair::start().await;
    for node in [&pair.near, &pair.far] {
        let nodes = node.api().get("/api/v1/nodes").await["nodes"].clone();
        let ids: Vec<_> = nodes.as_array().unwrap().iter().map(|node| node["id"].clone()).collect();
        assert_eq!(ids, ["far", "near"]);
    }
    pair.far.signal("TERM").await;
    let alone = || async {
        let nodes = pair.near.api().get("/api/v1/nodes").await["nodes"].clone();
        nodes.as_array().is_some_and(|nodes| nodes.len() == 1 || nodes.iter().any(|node| node["draining"] == true))
    };
    eventually("the other says that it goes, or is gone", alone).await;
}

#[tokio::test]
async fn settings_that_clash_are_named_in_the_log() {
    let pair = Pair::start().await;
    let other = pair.settings.clone().set("node_id", "\"odd\"").set("sessions.key", "\"device\"");
    let odd = Gateway::with(other).await;
    for node in [&pair.near, &odd] {
        let named = || async { node.log().iter().any(|line| line.contains("sessions.key is")) };
        eventually("the clash is named", named).await;
    }
    assert!(!pair.near.log().iter().any(|line| line.contains("history.max_age is")), "what agrees is not");
}

#[tokio::test]
async fn notifications_follow_their_user_to_the_other_node() {
    let pair = Pair::start().await;
    let mut alice = Socket::of(&pair.near, "alice").await;
    alice.send(json!({ "type": "subscribe_notifications" })).await;
    alice.expect("subscription_confirmed").await;
    let id = pair.far.api().notify("alice", "from afar").await;
    assert_eq!(alice.until("notification").await["id"], id);
    let mut again = Socket::of(&pair.far, "alice").await;
    again.send(json!({ "type": "subscribe_notifications" })).await;
    assert_eq!(again.until("notification").await["id"], id, "it waits until it is acknowledged");
    again.ask(json!({ "type": "notification_ack", "notificationId": id })).await;
    let mut back = Socket::of(&pair.near, "alice").await;
    back.send(json!({ "type": "subscribe_notifications" })).await;
    assert_eq!(back.until("subscription_confirmed").await["pending"], 0);
}

#[tokio::test]
async fn the_same_client_message_id_on_two_nodes_is_stored_once() {
    let pair = Pair::start().await;
    let (mut near, mut far) = (Socket::of(&pair.near, "alice").await, Socket::of(&pair.far, "bob").await);
    far.join("c").await;
    let command = json!({ "type": "chat", "clanId": "c", "content": "once", "clientMessageId": "m1" });
    let first = near.ask(command.clone()).await;
    let mut moved = Socket::of(&pair.far, "alice").await;
    let second = moved.ask(command).await;
    assert_eq!((&first["messageId"], &second["duplicate"]), (&second["messageId"], &json!(true)));
    far.until("chat").await;
    assert!(!far.drain().await.iter().any(|message| message["type"] == "chat"));
}

#[tokio::test]
async fn typing_reaches_the_other_node_but_not_the_same_user_there() {
    let pair = Pair::with(Settings::default().set("sessions.max_per_user", "2")).await;
    let (mut near, mut far) = (Socket::of(&pair.near, "alice").await, Socket::of(&pair.far, "alice").await);
    let mut bob = Socket::of(&pair.far, "bob").await;
    for socket in [&mut near, &mut far, &mut bob] {
        socket.join("c").await;
    }
    near.send(json!({ "type": "typing", "clanId": "c", "isTyping": true })).await;
    assert_eq!(bob.expect("typing").await["userId"], "alice");
    assert!(far.drain().await.is_empty() && near.drain().await.is_empty());
}
