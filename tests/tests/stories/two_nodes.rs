//! Two nodes that share a Redis and nothing else: messages, presence and sessions cross between them.

use realtime_gateway_brokers::redis;
use realtime_gateway_tests::{Gateway, Settings, Socket, Token, eventually};
use reqwest::Method;
use serde_json::json;

/// Two nodes that share a store under a prefix of their own.
pub(crate) struct Pair {
    pub(crate) near: Gateway,
    pub(crate) far: Gateway,
    settings: Settings,
}

impl Pair {
    async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let store = tokio::task::spawn_blocking(|| redis::shared().url()).await.unwrap();
        let prefix = uuid::Uuid::now_v7().simple().to_string();
        let settings = settings.set("store.url", &format!("\"{store}\"")).set("store.prefix", &format!("\"{prefix}\""));
        let near = Gateway::with(settings.clone().set("node_id", "\"near\"")).await;
        let far = Gateway::with(settings.clone().set("node_id", "\"far\"")).await;
        let pair = Self { near, far, settings };
        for node in [&pair.near, &pair.far] {
            eventually("the node is connected to the other nodes", || async {
                node.api().health().await["cluster"]["state"] == "connected"
            })
            .await;
        }
        pair
    }
}

#[tokio::test]
async fn delivers_chat_to_subscribers_on_both_nodes() {
    let pair = Pair::start().await;
    let (mut alice, mut bob) = (Socket::connect(&pair.near, "alice").await, Socket::connect(&pair.far, "bob").await);
    let mut listeners = [Socket::connect(&pair.near, "carol").await, Socket::connect(&pair.far, "dave").await];
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
async fn delivers_presence_and_typing_to_other_node() {
    let pair = Pair::with(Settings::default().set("presence.grace", "\"0s\"")).await;
    let mut alice = Socket::connect(&pair.near, "alice").await;
    alice.send(json!({ "type": "subscribe_clan_chat", "clanId": "c", "presence": true })).await;
    assert_eq!(alice.wait_for("presence").await["count"], 1);

    let mut bob = Socket::connect(&pair.far, "bob").await;
    bob.send(json!({ "type": "subscribe_clan_chat", "clanId": "c", "presence": true })).await;
    assert_eq!(bob.wait_for("presence").await["count"], 2, "users on the other node are counted");
    let changed = alice.wait_for("presence_changed").await;
    assert_eq!((&changed["userId"], &changed["status"]), (&json!("bob"), &json!("online")));
    let present = alice.request(json!({ "type": "presence", "clanId": "c" })).await;
    assert_eq!(present["users"], json!([{ "userId": "alice", "sessions": 1 }, { "userId": "bob", "sessions": 1 }]));

    bob.send(json!({ "type": "typing", "clanId": "c", "isTyping": true })).await;
    let typing = alice.wait_for("typing").await;
    assert_eq!((&typing["userId"], &typing["isTyping"]), (&json!("bob"), &json!(true)));

    bob.close().await;
    let changed = alice.wait_for("presence_changed").await;
    assert_eq!((&changed["userId"], &changed["status"]), (&json!("bob"), &json!("offline")));
}

#[tokio::test]
async fn replaces_session_on_other_node() {
    let pair = Pair::start().await;
    let mut first = Socket::connect(&pair.near, "alice").await;
    let mut second = Socket::connect(&pair.far, "alice").await;
    assert_eq!(first.close_code().await, 4409);
    for node in [&pair.near, &pair.far] {
        let one = || async {
            let sessions = node.api().get("/api/v1/users/alice/sessions").await["sessions"].clone();
            sessions.as_array().is_some_and(|sessions| sessions.len() == 1) && sessions[0]["node"] == "far"
        };
        eventually("one session remains", one).await;
    }
    assert!(second.messages_until_pong().await.is_empty());
}

#[tokio::test]
async fn rejects_second_session_on_other_node_when_on_excess_is_reject() {
    let pair = Pair::with(Settings::default().set("sessions.on_excess", "\"reject\"")).await;
    let mut first = Socket::connect(&pair.near, "alice").await;
    let mut second = Socket::open(&pair.far, "/ws", Some(&Token::for_user("alice").text())).await.unwrap();
    assert_eq!(second.wait_for("error").await["code"], "session_limit");
    assert_eq!(second.close_code().await, 4423);
    assert!(first.messages_until_pong().await.is_empty());
}

#[tokio::test]
async fn ends_subscriptions_and_sessions_through_any_node() {
    let pair = Pair::start().await;
    let mut alice = Socket::connect(&pair.near, "alice").await;
    alice.send(json!({ "type": "subscribe_clan_chat", "clanId": "c", "history": 1 })).await;
    alice.expect("subscription_confirmed").await;
    let far = pair.far.api();
    let path = "/api/v1/users/alice/subscriptions?service=clan_chat&topic=c";
    far.json(Method::DELETE, path, None).await;
    assert_eq!(alice.wait_for("subscription_ended").await["clanId"], "c");
    let (_, ended) = far.json(Method::DELETE, "/api/v1/users/alice/sessions?reconnect=true", None).await;
    assert_eq!(ended["sessions"], 1);
    assert_eq!(alice.close_code().await, 4500);
}

#[tokio::test]
async fn lists_all_nodes_on_every_node() {
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
    eventually("the other node is draining or no longer listed", alone).await;
}

#[tokio::test]
async fn logs_settings_that_differ_between_nodes() {
    let pair = Pair::start().await;
    let other = pair.settings.clone().set("node_id", "\"odd\"").set("sessions.key", "\"device\"");
    let odd = Gateway::with(other).await;
    for node in [&pair.near, &odd] {
        let named = || async { node.log().iter().any(|line| line.contains("sessions.key is")) };
        eventually("the log names the differing setting", named).await;
    }
    assert!(
        !pair.near.log().iter().any(|line| line.contains("history.max_age is")),
        "the log names a setting that does not differ"
    );
}

#[tokio::test]
async fn delivers_pending_notifications_on_other_node() {
    let pair = Pair::start().await;
    let mut alice = Socket::connect(&pair.near, "alice").await;
    alice.send(json!({ "type": "subscribe_notifications" })).await;
    alice.expect("subscription_confirmed").await;
    let id = pair.far.api().notify("alice", "from afar").await;
    assert_eq!(alice.wait_for("notification").await["id"], id);
    let mut again = Socket::connect(&pair.far, "alice").await;
    again.send(json!({ "type": "subscribe_notifications" })).await;
    assert_eq!(
        again.wait_for("notification").await["id"],
        id,
        "the notification stays pending until it is acknowledged"
    );
    again.request(json!({ "type": "notification_ack", "notificationId": id })).await;
    let mut back = Socket::connect(&pair.near, "alice").await;
    back.send(json!({ "type": "subscribe_notifications" })).await;
    assert_eq!(back.wait_for("subscription_confirmed").await["pending"], 0);
}

#[tokio::test]
async fn stores_same_client_message_id_of_two_nodes_once() {
    let pair = Pair::start().await;
    let (mut near, mut far) = (Socket::connect(&pair.near, "alice").await, Socket::connect(&pair.far, "bob").await);
    far.join("c").await;
    let command = json!({ "type": "chat", "clanId": "c", "content": "once", "clientMessageId": "m1" });
    let first = near.request(command.clone()).await;
    let mut moved = Socket::connect(&pair.far, "alice").await;
    let second = moved.request(command).await;
    assert_eq!((&first["messageId"], &second["duplicate"]), (&second["messageId"], &json!(true)));
    far.wait_for("chat").await;
    assert!(!far.messages_until_pong().await.iter().any(|message| message["type"] == "chat"));
}

#[tokio::test]
async fn hides_typing_from_same_user_on_other_node() {
    let pair = Pair::with(Settings::default().set("sessions.max_per_user", "2")).await;
    let (mut near, mut far) = (Socket::connect(&pair.near, "alice").await, Socket::connect(&pair.far, "alice").await);
    let mut bob = Socket::connect(&pair.far, "bob").await;
    for socket in [&mut near, &mut far, &mut bob] {
        socket.join("c").await;
    }
    near.send(json!({ "type": "typing", "clanId": "c", "isTyping": true })).await;
    assert_eq!(bob.expect("typing").await["userId"], "alice");
    assert!(far.messages_until_pong().await.is_empty() && near.messages_until_pong().await.is_empty());
}

#[tokio::test]
async fn reports_acknowledgement_to_session_on_other_node() {
    let pair = Pair::with(Settings::default().set("sessions.max_per_user", "2")).await;
    let (mut here, mut there) = (Socket::connect(&pair.near, "alice").await, Socket::connect(&pair.far, "alice").await);
    for socket in [&mut here, &mut there] {
        socket.request(json!({ "type": "subscribe_notifications" })).await;
    }
    let id = pair.near.api().notify("alice", "title").await;
    for socket in [&mut here, &mut there] {
        assert_eq!(socket.wait_for("notification").await["id"], id);
    }
    // `notificationIds` is a protocol extension. A client that uses it receives `notification_acked` of its other
    // sessions.
    there.request(json!({ "type": "notification_ack", "notificationIds": ["another"] })).await;
    here.request(json!({ "type": "notification_ack", "notificationId": id })).await;
    assert_eq!(there.wait_for("notification_acked").await["notificationIds"], json!([id]));
    assert!(there.messages_until_pong().await.is_empty(), "the acknowledgement is reported once");
}

#[tokio::test]
async fn shows_channel_between_nodes_in_health_and_metrics() {
    let pair = Pair::start().await;
    for node in [&pair.near, &pair.far] {
        let health = node.api().health().await;
        assert_eq!((&health["status"], &health["bus"]["kind"]), (&json!("ok"), &json!("embedded")), "{health}");
        let cluster = json!({ "status": "ok", "kind": "redis", "state": "connected", "reconnects": 0 });
        assert_eq!(health["cluster"], cluster);
        assert_eq!(super::rabbitmq::metric(&node.api(), "gateway_cluster_connected").await, 1.0);
        assert_eq!(super::rabbitmq::metric(&node.api(), "gateway_cluster_reconnects_total").await, 0.0);
    }
}
