//! The operations of backend services and operators.

use std::sync::Arc;

use realtime_gateway_protocol::{ClanId, CloseCode, SessionId, UserId};
use serde_json::json;

use super::{TestGateway, start_gateway};
use crate::{
    auth::{Grants, Identity},
    delivery::outbound::{CloseReason, Outbound, Waiting},
    session::{ConnectedClient, Holder, Session, SubscribeFrom},
    store::{PageLimit, TokenClaims},
    topic::Topic,
};

async fn stored(gateway: &TestGateway, user: &str) -> Vec<String> {
    let topic = Topic::User(UserId::new(user).unwrap());
    let page = gateway.running.parts.store.read(&topic, 0, PageLimit { entries: 100, bytes: 1 << 20 }).await.unwrap();
    page.entries.iter().map(|entry| String::from_utf8_lossy(&entry.body).into_owned()).collect()
}

#[tokio::test]
async fn stores_notifications_once_per_user_and_keeps_all_digits() {
    let gateway = start_gateway(|_| ()).await;
    let body = r#"{"userIds":["a","b"],"title":"t","message":"m","id":"n1","data":{"big":12345678901234567890.123}}"#;
    let send = |body: &'static str| {
        let request = gateway.request(reqwest::Method::POST, "/api/v1/notifications").bearer_auth("publish");
        super::execute(request.header("content-type", "application/json").body(body))
    };
    assert_eq!(send(body).await.ok(202), json!({ "ids": ["n1", "n1"] }));
    assert_eq!(send(body).await.ok(202), json!({ "ids": ["n1", "n1"] }));
    for user in ["a", "b"] {
        let stored = stored(&gateway, user).await;
        assert_eq!(stored.len(), 1);
        assert!(stored[0].contains(r#"{"big":12345678901234567890.123}"#), "{}", stored[0]);
    }
    let without_id = json!({ "userIds": ["d", "e", "d"], "title": "t", "message": "m" });
    let ids = gateway.post("/api/v1/notifications", &without_id).await.ok(202)["ids"].clone();
    assert!(ids[0].is_string() && ids[0] == ids[1] && ids[0] == ids[2], "one id for all users of a request: {ids}");
    assert_eq!((stored(&gateway, "d").await.len(), stored(&gateway, "e").await.len()), (1, 1));
    let nulls = json!({ "userId": "c", "userIds": null, "title": "t", "message": "m", "id": null, "ttlSeconds": 60.0 });
    let first = gateway.post("/api/v1/notifications", &nulls).await.ok(202);
    let second = gateway.post("/api/v1/notifications", &nulls).await.ok(202);
    assert_ne!(first["ids"], second["ids"]);
    assert_eq!(stored(&gateway, "c").await.len(), 2);
}

#[tokio::test]
async fn posts_reads_and_deletes_clan_messages() {
    let gateway = start_gateway(|_| ()).await;
    let path = "/api/v1/clans/a%2Fb%C3%A9/messages";
    for n in 1..=5 {
        let posted = gateway.post(path, &json!({ "content": format!("m{n}"), "id": format!("i{n}") })).await.ok(202);
        assert_eq!(posted["offset"], n);
    }
    let again = gateway.post(path, &json!({ "content": "m5", "id": "i5" })).await.ok(202);
    let page = gateway.get(path).await.ok(200);
    assert_eq!(page["messages"][4]["messageId"], again["messageId"]);
    assert_eq!((&page["messages"][0]["clanId"], &page["hasMore"]), (&json!("a/bé"), &json!(false)));
    assert_eq!(page["messages"][0]["userId"], "system");
    for (query, offsets, has_more) in [
        ("?limit=2", json!([4, 5]), true),
        ("?limit=2&before=4", json!([2, 3]), true),
        ("?limit=2&after=1", json!([2, 3]), true),
        ("?after=5", json!([]), false),
    ] {
        let page = gateway.get(&format!("{path}{query}")).await.ok(200);
        let found: Vec<_> = page["messages"].as_array().unwrap().iter().map(|chat| &chat["offset"]).collect();
        assert_eq!((json!(found), &page["hasMore"]), (offsets, &json!(has_more)), "{query}");
    }
    let both = gateway.get(&format!("{path}?after=1&before=4")).await;
    assert_eq!((both.problem(400).as_str(), &both.json()["details"]["field"]), ("invalid_message", &json!("before")));
    let message = format!("{path}/{}", again["messageId"].as_str().unwrap());
    assert_eq!(gateway.delete(&message).await.status, 204);
    assert_eq!(gateway.get(path).await.ok(200)["messages"].as_array().unwrap().len(), 4);
    assert_eq!(gateway.delete(&message).await.problem(404), "not_found");
}

#[tokio::test]
async fn rejects_message_that_is_too_large_to_deliver() {
    let gateway = start_gateway(|config| config.limits.message_bytes = 1_024).await;
    let refused = gateway.post("/api/v1/clans/c/messages", &json!({ "content": "x".repeat(1_000) })).await;
    assert_eq!(refused.problem(413), "message_too_large");
    let data = json!({ "content": "x", "data": { "x": "y".repeat(9_000) } });
    assert_eq!(gateway.post("/api/v1/clans/c/messages", &data).await.problem(400), "invalid_message");
}

#[tokio::test]
async fn rejects_unknown_service() {
    let gateway = start_gateway(|_| ()).await;
    let refused = gateway.post("/api/v1/services/orders/topics/t/events", &json!({ "data": null })).await;
    assert_eq!(refused.problem(404), "unknown_service");
}

/// Returns a session without a connection, whose queue the test can inspect.
fn session(gateway: &TestGateway) -> Arc<Session> {
    let parts = &gateway.running.parts;
    let grants = Arc::new(Grants { clans: vec!["*".into()], ..Grants::default() });
    let (user, token) = (UserId::new("a").unwrap(), TokenClaims::default());
    let identity = Identity { user, device: None, expires_at: parts.clock.now(), grants, claims: None, token };
    let outbound = Arc::new(Outbound::new(1 << 20));
    let session = Arc::new(Session::new(
        SessionId::new("s").unwrap(),
        ConnectedClient::default(),
        identity,
        outbound,
        parts.clock.now(),
    ));
    parts.sessions.table().insert(session.clone());
    session
}

/// Drains the session's queue, and returns the code that the session is closed with.
async fn close_code(session: &Session) -> CloseCode {
    let mut batch = std::collections::VecDeque::new();
    loop {
        let waiting = std::future::poll_fn(|context| session.outbound().poll_take(context, &mut batch)).await;
        if let Waiting::Close(CloseReason { code, .. }) = waiting {
            return code;
        }
    }
}

#[tokio::test]
async fn operator_ends_subscriptions_and_sessions() {
    let gateway = start_gateway(|_| ()).await;
    let parts = &gateway.running.parts;
    let session = session(&gateway);
    for clan in ["c", "d"] {
        let topic = Topic::Clan(ClanId::new(clan).unwrap());
        parts.subscriptions.subscribe(&session, None, topic, SubscribeFrom::default()).await.unwrap();
    }
    let path = "/api/v1/users/a/subscriptions?service=clan_chat";
    assert_eq!(gateway.delete(&format!("{path}&topic=x")).await.ok(200), json!({ "subscriptions": 0 }));
    assert_eq!(gateway.delete(&format!("{path}&topic=c")).await.ok(200), json!({ "subscriptions": 1 }));
    assert_eq!(session.subscription_count(Holder::Client), 1);
    assert_eq!(gateway.delete(path).await.ok(200), json!({ "subscriptions": 1 }));
    assert_eq!(session.subscription_count(Holder::Client), 0);

    assert_eq!(gateway.delete("/api/v1/users/b/sessions").await.ok(200), json!({ "sessions": 0 }));
    assert_eq!(gateway.delete("/api/v1/users/a/sessions?reconnect=true").await.ok(200), json!({ "sessions": 1 }));
    assert_eq!(close_code(&session).await, CloseCode::RECONNECT_REQUESTED);
    parts.sessions.table().remove(&session);
    let session = self::session(&gateway);
    gateway.delete("/api/v1/users/a/sessions").await.ok(200);
    assert_eq!(close_code(&session).await, CloseCode::DISCONNECTED);
}

#[tokio::test]
async fn lists_this_node() {
    let gateway = start_gateway(|config| config.node_id = "n1".into()).await;
    let nodes = gateway.get("/api/v1/nodes").await.ok(200);
    let node = &nodes["nodes"][0];
    assert_eq!((&node["id"], &node["draining"], &node["connections"]), (&json!("n1"), &json!(false), &json!(0)));
    assert_eq!(node["address"], gateway.running.address().to_string());
    assert_eq!(gateway.get("/api/v1/users/a/sessions").await.ok(200), json!({ "sessions": [] }));
}
