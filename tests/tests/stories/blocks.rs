//! Users who are kept out: by whom, with which tokens, on which node, and until when.

use std::time::{Duration, SystemTime};

use realtime_gateway_brokers::{rabbitmq, redis};
use realtime_gateway_protocol::Timestamp;
use realtime_gateway_tests::{Api, Backend, Gateway, Settings, Socket, Token, end_of, eventually, http_client};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/users/alice/block";

/// A time so long from now, as the API writes it.
fn after(time: Duration) -> Value {
    json!(Timestamp::from(SystemTime::now() + time))
}

fn an_hour() -> Value {
    after(Duration::from_secs(3_600))
}

async fn block(api: &Api, body: Value) -> Value {
    let (status, answer) = api.json(Method::POST, PATH, Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

async fn unblock(api: &Api) -> Value {
    let (status, answer) = api.json(Method::DELETE, PATH, None).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

/// How a token fares in the first message.
async fn first_message(gateway: &Gateway, token: &str) -> (String, u16) {
    let mut socket = Socket::anonymous(gateway).await;
    socket.send(json!({ "type": "authenticate", "token": token })).await;
    end_of(&mut socket).await
}

/// Waits until a token in the header is refused before the upgrade: the node has read the block.
async fn refused_in_the_header(gateway: &Gateway, token: &Token) {
    let token = token.text();
    let refused = || async { Socket::open(gateway, "/ws", Some(&token)).await.err() == Some(StatusCode::FORBIDDEN) };
    eventually("the refusal of the token", refused).await;
}

#[tokio::test]
async fn a_block_closes_sessions_and_refuses_new_ones_until_it_is_lifted() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let token = Token::of("alice");
    let (mut alice, mut bob) = (Socket::with(&gateway, &token).await, Socket::of(&gateway, "bob").await);
    let made = block(&api, json!({ "until": an_hour(), "reason": "spam" })).await;
    assert_eq!((&made["reason"], made.get("jti")), (&json!("spam"), None));
    assert_eq!(alice.closed().await, 4403);

    refused_in_the_header(&gateway, &token).await;
    assert_eq!(first_message(&gateway, &token.text()).await, ("forbidden".into(), 4403));
    let mut by_query = Socket::open(&gateway, &format!("/ws?token={}", token.text()), None).await.unwrap();
    let error = by_query.expect("error").await;
    assert_eq!((&error["code"], &error["details"]["until"]), (&json!("forbidden"), &made["until"]));
    assert!(!error.to_string().contains("spam"), "the reason is for operators");
    assert_eq!(by_query.closed().await, 4403);
    assert!(bob.drain().await.is_empty(), "another user stays");

    assert_eq!(api.get(PATH).await["blocks"], json!([made]));
    assert_eq!(unblock(&api).await, json!({ "blocks": 1 }));
    assert_eq!(unblock(&api).await, json!({ "blocks": 0 }));
    assert_eq!(api.get(PATH).await["blocks"], json!([]));
    let lets_in = async || match Socket::open(&gateway, "/ws", Some(&token.text())).await {
        Ok(mut socket) => socket.next().await.is_some_and(|message| message["type"] == "connected"),
        Err(_) => false,
    };
    eventually("the end of the block", lets_in).await;
}

#[tokio::test]
async fn a_block_ends_by_itself() {
    let gateway = Gateway::start().await;
    let until = SystemTime::now() + Duration::from_secs(2);
    block(&gateway.api(), json!({ "until": Timestamp::from(until) })).await;
    let token = Token::of("alice").text();
    loop {
        let refused = first_message(&gateway, &token);
        match tokio::time::timeout(Duration::from_secs(1), refused).await {
            Ok(end) => assert_eq!(end, ("forbidden".into(), 4403)),
            // Nothing ends a session that was admitted.
            Err(_) => break,
        }
    }
    assert!(SystemTime::now() >= until);
}

#[tokio::test]
async fn a_block_of_earlier_tokens_or_of_one_lets_the_others_in() {
    let gateway = Gateway::with(Settings::default().set("sessions.max_per_user", "10")).await;
    let api = gateway.api();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let issued = |at: u64| Token::of("alice").claim("iat", json!(at));
    let (old, new, stolen) = (issued(now - 60), issued(now), issued(now).claim("jti", json!("t-1")));
    let mut sessions = Vec::new();
    for token in [&old, &Token::of("alice"), &stolen, &new] {
        sessions.push(Socket::with(&gateway, token).await);
    }
    let border = Timestamp::from_millis((now - 30) * 1_000);
    block(&api, json!({ "until": an_hour(), "issuedBefore": border })).await;
    block(&api, json!({ "until": an_hour(), "jti": "t-1" })).await;
    let mut kept = sessions.pop().unwrap();
    for mut session in sessions {
        assert_eq!(session.closed().await, 4403);
    }
    refused_in_the_header(&gateway, &stolen).await;
    for token in [&old, &stolen] {
        assert_eq!(first_message(&gateway, &token.text()).await, ("forbidden".into(), 4403));
    }
    // A live session takes no blocked token, and stays what it is.
    let renewed = kept.ask(json!({ "type": "authenticate", "token": old.text() })).await;
    assert_eq!(renewed["code"], "forbidden");
    assert_eq!(kept.ask(json!({ "type": "authenticate", "token": new.text() })).await["type"], "authenticated");
    assert_eq!(api.get(PATH).await["blocks"].as_array().unwrap().len(), 2, "blocks of different kinds coexist");
}

#[tokio::test]
async fn bad_input_names_its_field() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let past = json!("2020-01-01T00:00:00.000Z");
    for (body, field) in [
        (json!({}), "until"),
        (json!({ "until": "tomorrow" }), "until"),
        (json!({ "until": 1_900_000_000_000_u64 }), "until"),
        (json!({ "until": past }), "until"),
        (json!({ "until": an_hour(), "issuedBefore": "x" }), "issuedBefore"),
        (json!({ "until": an_hour(), "jti": "a b" }), "jti"),
        (json!({ "until": an_hour(), "jti": "t", "issuedBefore": past }), "jti"),
        (json!({ "until": an_hour(), "reason": "x".repeat(257) }), "reason"),
    ] {
        let (status, problem) = api.json(Method::POST, PATH, Some(body)).await;
        assert_eq!((status.as_u16(), &problem["details"]["field"]), (400, &json!(field)), "{problem}");
    }
    let (status, _) = api.json(Method::POST, "/api/v1/users/a%20b/block", Some(json!({ "until": an_hour() }))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let without = http_client().post(format!("http://{}{PATH}", gateway.address())).json(&json!({})).send().await;
    assert_eq!(without.unwrap().status(), StatusCode::UNAUTHORIZED);
    for n in 0..100 {
        block(&api, json!({ "until": an_hour(), "jti": format!("t-{n}") })).await;
    }
    let (status, problem) = api.json(Method::POST, PATH, Some(json!({ "until": an_hour() }))).await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("block_limit")));
}

#[tokio::test]
async fn a_block_outlives_a_crash() {
    let mut gateway = Gateway::start().await;
    block(&gateway.api(), json!({ "until": an_hour() })).await;
    gateway.kill().await;
    gateway.restart().await;
    let token = Token::of("alice");
    assert_eq!(Socket::open(&gateway, "/ws", Some(&token.text())).await.err(), Some(StatusCode::FORBIDDEN));
    unblock(&gateway.api()).await;
    gateway.kill().await;
    gateway.restart().await;
    Socket::with(&gateway, &token).await;
}

#[tokio::test]
async fn backend_services_block_and_unblock() {
    let backend = Backend::at(&rabbitmq::shared()).await;
    let gateway = Gateway::with(backend.settings()).await;
    gateway.connected().await;
    let mut alice = Socket::of(&gateway, "alice").await;
    backend.publish("control.block.alice", json!({ "until": an_hour() })).await;
    assert_eq!(alice.closed().await, 4403);
    backend.publish("control.unblock.alice", json!({})).await;
    let none = || async { gateway.api().get(PATH).await["blocks"] == json!([]) };
    eventually("the end of the block", none).await;
    let mut letters = backend.dead_letters().await;
    for body in [json!({}), json!({ "until": an_hour(), "jti": "t", "issuedBefore": an_hour() })] {
        backend.publish("control.block.alice", body).await;
        assert_eq!(letters.next().await.reason.as_deref(), Some("invalid_message"));
    }
    // Events of one user keep their order.
    for _ in 0..20 {
        backend.publish("control.block.alice", json!({ "until": an_hour() })).await;
        backend.publish("control.unblock.alice", json!({})).await;
    }
    backend.publish("control.block.alice", json!({ "until": an_hour(), "reason": "the last" })).await;
    let last = || async { gateway.api().get(PATH).await["blocks"][0]["reason"] == "the last" };
    eventually("the last event", last).await;
}

/// Two nodes on one Redis of their own prefix.
async fn pair(settings: Settings, store: &str) -> (Gateway, Gateway) {
    let prefix = uuid::Uuid::now_v7().simple().to_string();
    let settings = settings.set("store.url", &format!("\"{store}\"")).set("store.prefix", &format!("\"{prefix}\""));
    let near = Gateway::with(settings.clone().set("node_id", "\"near\"")).await;
    (near, Gateway::with(settings.set("node_id", "\"far\"")).await)
}

#[tokio::test]
async fn a_block_holds_on_every_node() {
    let url = tokio::task::spawn_blocking(|| redis::shared().url()).await.unwrap();
    let backend = Backend::at(&rabbitmq::shared()).await;
    // With a broker the other node is told; without one it reads the block with its next reconciliation.
    for settings in [backend.settings(), Settings::default()] {
        let (near, far) = pair(settings.set("sessions.max_per_user", "2"), &url).await;
        let token = Token::of("alice");
        let (mut here, mut there) = (Socket::with(&near, &token).await, Socket::with(&far, &token).await);
        block(&near.api(), json!({ "until": an_hour() })).await;
        // The step that admits a session knows of the block before the node does.
        let mut late = Socket::open(&far, "/ws", Some(&token.text())).await;
        match &mut late {
            Ok(socket) => assert_eq!(end_of(socket).await, ("forbidden".into(), 4403)),
            Err(status) => assert_eq!(*status, StatusCode::FORBIDDEN),
        }
        assert_eq!((here.closed().await, there.closed().await), (4403, 4403));
        for node in [&near, &far] {
            refused_in_the_header(node, &token).await;
            assert_eq!(node.api().get(PATH).await["blocks"].as_array().unwrap().len(), 1);
        }
        unblock(&far.api()).await;
        let lets_in = || async { Socket::open(&near, "/ws", Some(&token.text())).await.is_ok() };
        eventually("the end of the block on the other node", lets_in).await;
    }
}

#[tokio::test]
async fn a_block_holds_while_the_store_is_away_and_after_the_store_has_lost_it() {
    let mut server = redis::RedisServer::start(redis::Persistence::None);
    let (near, far) = pair(Settings::default(), &server.url()).await;
    let (alice, bob) = (Token::of("alice"), Token::of("bob"));
    block(&near.api(), json!({ "until": an_hour() })).await;
    for node in [&near, &far] {
        refused_in_the_header(node, &alice).await;
    }
    server.process().kill();
    for node in [&near, &far] {
        let refused = || async { first_message(node, &bob.text()).await == ("unavailable".into(), 1013) };
        eventually("the outage", refused).await;
        assert_eq!(first_message(node, &alice.text()).await, ("forbidden".into(), 4403));
    }
    // It comes back without its data.
    server.restart();
    for node in [&near, &far] {
        let back = || async { node.api().get("/health").await["status"] == "ok" };
        eventually("the store", back).await;
        let kept = || async { node.api().get(PATH).await["blocks"].as_array().is_some_and(|all| all.len() == 1) };
        eventually("the block that the nodes put back", kept).await;
        assert_eq!(first_message(node, &alice.text()).await, ("forbidden".into(), 4403));
    }
}
