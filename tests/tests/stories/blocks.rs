//! Blocked users: blocks over HTTP and AMQP, for all or some tokens, on every node, and their expiry.

use std::time::{Duration, SystemTime};

use realtime_gateway_brokers::{rabbitmq, redis};
use realtime_gateway_protocol::Timestamp;
use realtime_gateway_tests::{
    Api, Backend, Gateway, Settings, Socket, Token, error_and_close_code, eventually, http_client,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/users/alice/block";

/// Returns the time this long from now, as the API writes it.
fn from_now(time: Duration) -> Value {
    json!(Timestamp::from(SystemTime::now() + time))
}

fn in_an_hour() -> Value {
    from_now(Duration::from_secs(3_600))
}

async fn block(api: &Api, body: Value) -> Value {
    let (status, response) = api.json(Method::POST, PATH, Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{response}");
    response
}

async fn unblock(api: &Api) -> Value {
    let (status, response) = api.json(Method::DELETE, PATH, None).await;
    assert_eq!(status, StatusCode::OK, "{response}");
    response
}

/// Authenticates by message, and returns the error code and the close code.
async fn authenticate_by_message(gateway: &Gateway, token: &str) -> (String, u16) {
    let mut socket = Socket::anonymous(gateway).await;
    socket.send(json!({ "type": "authenticate", "token": token })).await;
    error_and_close_code(&mut socket).await
}

/// Waits until the node rejects a token in the header before the upgrade, which shows that it has read the block.
async fn wait_until_rejected_before_upgrade(gateway: &Gateway, token: &Token) {
    let token = token.text();
    let refused = || async { Socket::open(gateway, "/ws", Some(&token)).await.err() == Some(StatusCode::FORBIDDEN) };
    eventually("the token is rejected", refused).await;
}

#[tokio::test]
async fn block_closes_sessions_and_rejects_new_ones_until_unblocked() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let token = Token::for_user("alice");
    let (mut alice, mut bob) = (Socket::connect_with(&gateway, &token).await, Socket::connect(&gateway, "bob").await);
    let made = block(&api, json!({ "until": in_an_hour(), "reason": "spam" })).await;
    assert_eq!((&made["reason"], made.get("jti")), (&json!("spam"), None));
    assert_eq!(alice.close_code().await, 4403);

    wait_until_rejected_before_upgrade(&gateway, &token).await;
    assert_eq!(authenticate_by_message(&gateway, &token.text()).await, ("forbidden".into(), 4403));
    let mut by_query = Socket::open(&gateway, &format!("/ws?token={}", token.text()), None).await.unwrap();
    let error = by_query.expect("error").await;
    assert_eq!((&error["code"], &error["details"]["until"]), (&json!("forbidden"), &made["until"]));
    assert!(!error.to_string().contains("spam"), "the reason was sent to the client");
    assert_eq!(by_query.close_code().await, 4403);
    assert!(bob.messages_until_pong().await.is_empty(), "another user was affected");

    assert_eq!(api.get(PATH).await["blocks"], json!([made]));
    assert_eq!(unblock(&api).await, json!({ "blocks": 1 }));
    assert_eq!(unblock(&api).await, json!({ "blocks": 0 }));
    assert_eq!(api.get(PATH).await["blocks"], json!([]));
    let is_admitted = async || match Socket::open(&gateway, "/ws", Some(&token.text())).await {
        Ok(mut socket) => socket.next().await.is_some_and(|message| message["type"] == "connected"),
        Err(_) => false,
    };
    eventually("the block is lifted", is_admitted).await;
}

#[tokio::test]
async fn block_expires_at_its_end() {
    let gateway = Gateway::start().await;
    let until = SystemTime::now() + Duration::from_secs(2);
    block(&gateway.api(), json!({ "until": Timestamp::from(until) })).await;
    let token = Token::for_user("alice").text();
    loop {
        let refused = authenticate_by_message(&gateway, &token);
        match tokio::time::timeout(Duration::from_secs(1), refused).await {
            Ok(end) => assert_eq!(end, ("forbidden".into(), 4403)),
            // An admitted session receives nothing, so the timeout means that the block has expired.
            Err(_) => break,
        }
    }
    assert!(SystemTime::now() >= until);
}

#[tokio::test]
async fn block_of_earlier_tokens_or_one_token_admits_other_tokens() {
    let gateway = Gateway::with(Settings::default().set("sessions.max_per_user", "10")).await;
    let api = gateway.api();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let issued = |at: u64| Token::for_user("alice").claim("iat", json!(at));
    let (old, new, stolen) = (issued(now - 60), issued(now), issued(now).claim("jti", json!("t-1")));
    let mut sessions = Vec::new();
    for token in [&old, &Token::for_user("alice"), &stolen, &new] {
        sessions.push(Socket::connect_with(&gateway, token).await);
    }
    let border = Timestamp::from_millis((now - 30) * 1_000);
    block(&api, json!({ "until": in_an_hour(), "issuedBefore": border })).await;
    block(&api, json!({ "until": in_an_hour(), "jti": "t-1" })).await;
    let mut kept = sessions.pop().unwrap();
    for mut session in sessions {
        assert_eq!(session.close_code().await, 4403);
    }
    wait_until_rejected_before_upgrade(&gateway, &stolen).await;
    for token in [&old, &stolen] {
        assert_eq!(authenticate_by_message(&gateway, &token.text()).await, ("forbidden".into(), 4403));
    }
    // An open session rejects a blocked token and keeps its current identity.
    let renewed = kept.request(json!({ "type": "authenticate", "token": old.text() })).await;
    assert_eq!(renewed["code"], "forbidden");
    assert_eq!(kept.request(json!({ "type": "authenticate", "token": new.text() })).await["type"], "authenticated");
    assert_eq!(api.get(PATH).await["blocks"].as_array().unwrap().len(), 2, "one block replaced the other");
}

#[tokio::test]
async fn reports_invalid_field_and_block_limit() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let past = json!("2020-01-01T00:00:00.000Z");
    for (body, field) in [
        (json!({}), "until"),
        (json!({ "until": "tomorrow" }), "until"),
        (json!({ "until": 1_900_000_000_000_u64 }), "until"),
        (json!({ "until": past }), "until"),
        (json!({ "until": in_an_hour(), "issuedBefore": "x" }), "issuedBefore"),
        (json!({ "until": in_an_hour(), "jti": "a b" }), "jti"),
        (json!({ "until": in_an_hour(), "jti": "t", "issuedBefore": past }), "jti"),
        (json!({ "until": in_an_hour(), "reason": "x".repeat(257) }), "reason"),
    ] {
        let (status, problem) = api.json(Method::POST, PATH, Some(body)).await;
        assert_eq!((status.as_u16(), &problem["details"]["field"]), (400, &json!(field)), "{problem}");
    }
    let (status, _) = api.json(Method::POST, "/api/v1/users/a%20b/block", Some(json!({ "until": in_an_hour() }))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let without = http_client().post(format!("http://{}{PATH}", gateway.address())).json(&json!({})).send().await;
    assert_eq!(without.unwrap().status(), StatusCode::UNAUTHORIZED);
    for n in 0..100 {
        block(&api, json!({ "until": in_an_hour(), "jti": format!("t-{n}") })).await;
    }
    let (status, problem) = api.json(Method::POST, PATH, Some(json!({ "until": in_an_hour() }))).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("block_limit")));
}

#[tokio::test]
async fn block_survives_crash() {
    let mut gateway = Gateway::start().await;
    block(&gateway.api(), json!({ "until": in_an_hour() })).await;
    gateway.kill().await;
    gateway.restart().await;
    let token = Token::for_user("alice");
    assert_eq!(Socket::open(&gateway, "/ws", Some(&token.text())).await.err(), Some(StatusCode::FORBIDDEN));
    unblock(&gateway.api()).await;
    gateway.kill().await;
    gateway.restart().await;
    Socket::connect_with(&gateway, &token).await;
}

#[tokio::test]
async fn blocks_and_unblocks_user_over_amqp() {
    let backend = Backend::connect(&rabbitmq::shared()).await;
    let gateway = Gateway::with(backend.settings()).await;
    gateway.wait_for_broker().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    backend.publish("control.block.alice", json!({ "until": in_an_hour() })).await;
    assert_eq!(alice.close_code().await, 4403);
    backend.publish("control.unblock.alice", json!({})).await;
    let none = || async { gateway.api().get(PATH).await["blocks"] == json!([]) };
    eventually("the block is lifted", none).await;
    let mut dead_letters = backend.dead_letters().await;
    for body in [json!({}), json!({ "until": in_an_hour(), "jti": "t", "issuedBefore": in_an_hour() })] {
        backend.publish("control.block.alice", body).await;
        assert_eq!(dead_letters.next().await.reason.as_deref(), Some("invalid_message"));
    }
    // Events of one user keep their order.
    for _ in 0..20 {
        backend.publish("control.block.alice", json!({ "until": in_an_hour() })).await;
        backend.publish("control.unblock.alice", json!({})).await;
    }
    backend.publish("control.block.alice", json!({ "until": in_an_hour(), "reason": "the last" })).await;
    let last = || async { gateway.api().get(PATH).await["blocks"][0]["reason"] == "the last" };
    eventually("the last event takes effect", last).await;
}

/// Starts two nodes that share a Redis prefix.
async fn pair(settings: Settings, store: &str) -> (Gateway, Gateway) {
    let prefix = uuid::Uuid::now_v7().simple().to_string();
    let settings = settings.set("store.url", &format!("\"{store}\"")).set("store.prefix", &format!("\"{prefix}\""));
    let near = Gateway::with(settings.clone().set("node_id", "\"near\"")).await;
    (near, Gateway::with(settings.set("node_id", "\"far\"")).await)
}

#[tokio::test]
async fn block_applies_on_every_node() {
    let url = tokio::task::spawn_blocking(|| redis::shared().url()).await.unwrap();
    let backend = Backend::connect(&rabbitmq::shared()).await;
    // With a broker the other node receives a control message; without one it reads the block in its next
    // reconciliation.
    for settings in [backend.settings(), Settings::default()] {
        let (near, far) = pair(settings.set("sessions.max_per_user", "2"), &url).await;
        let token = Token::for_user("alice");
        let (mut here, mut there) =
            (Socket::connect_with(&near, &token).await, Socket::connect_with(&far, &token).await);
        block(&near.api(), json!({ "until": in_an_hour() })).await;
        // Admission checks the store, so it applies the block before the node has read it.
        let mut late = Socket::open(&far, "/ws", Some(&token.text())).await;
        match &mut late {
            Ok(socket) => assert_eq!(error_and_close_code(socket).await, ("forbidden".into(), 4403)),
            Err(status) => assert_eq!(*status, StatusCode::FORBIDDEN),
        }
        assert_eq!((here.close_code().await, there.close_code().await), (4403, 4403));
        for node in [&near, &far] {
            wait_until_rejected_before_upgrade(node, &token).await;
            assert_eq!(node.api().get(PATH).await["blocks"].as_array().unwrap().len(), 1);
        }
        unblock(&far.api()).await;
        let is_admitted = || async { Socket::open(&near, "/ws", Some(&token.text())).await.is_ok() };
        eventually("the block is lifted on the other node", is_admitted).await;
    }
}

#[tokio::test]
async fn block_applies_during_store_outage_and_after_data_loss() {
    let mut server = redis::RedisServer::start(redis::Persistence::None);
    let (near, far) = pair(Settings::default(), &server.url()).await;
    let (alice, bob) = (Token::for_user("alice"), Token::for_user("bob"));
    block(&near.api(), json!({ "until": in_an_hour() })).await;
    for node in [&near, &far] {
        wait_until_rejected_before_upgrade(node, &alice).await;
    }
    server.process().kill();
    for node in [&near, &far] {
        let refused = || async { authenticate_by_message(node, &bob.text()).await == ("unavailable".into(), 1013) };
        eventually("the node notices the outage", refused).await;
        assert_eq!(authenticate_by_message(node, &alice.text()).await, ("forbidden".into(), 4403));
    }
    // Redis restarts without its data.
    server.restart();
    for node in [&near, &far] {
        let back = || async { node.api().get("/health").await["status"] == "ok" };
        eventually("the store is back", back).await;
        let kept = || async { node.api().get(PATH).await["blocks"].as_array().is_some_and(|all| all.len() == 1) };
        eventually("the nodes restore the block", kept).await;
        assert_eq!(authenticate_by_message(node, &alice.text()).await, ("forbidden".into(), 4403));
    }
}
