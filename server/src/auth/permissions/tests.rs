//! Who may do what, and how a backend service is asked.

use std::collections::HashMap;

use realtime_gateway_protocol::{ClanId, ServiceName, Timestamp, TopicName, UserId};
use serde_json::{Value, json};

use super::*;
use crate::{
    auth::test_http::TestServer,
    config::{Config, Secret},
    store::TokenClaims,
};

fn alice(grants: Grants) -> Identity {
    let user = UserId::new("alice").unwrap();
    Identity {
        user,
        device: None,
        expires_at: Timestamp::default(),
        grants: Arc::new(grants),
        token: TokenClaims::default(),
    }
}

fn clan(id: &str) -> Topic {
    Topic::Clan(ClanId::new(id).unwrap())
}

fn notifications(user: &str) -> Topic {
    Topic::User(UserId::new(user).unwrap())
}

fn order(topic: &str) -> Topic {
    Topic::Service(ServiceName::new("orders").unwrap(), TopicName::new(topic).unwrap())
}

fn permissions(source: PermissionSource) -> Permissions {
    Permissions::new(&config::Permissions { source, ..Config::default().permissions }).unwrap()
}

fn asking(server: &TestServer) -> Permissions {
    permissions(PermissionSource::Http(Secret(server.url.clone())))
}

async fn code(permissions: &Permissions, topic: &Topic) -> Option<ErrorCode> {
    permissions.check(&alice(Grants::default()), Action::Subscribe, topic).await.err().map(|error| error.code)
}

fn yes() -> String {
    json!({ "allowed": true }).to_string()
}

#[tokio::test]
async fn claims_name_clans_and_topics_or_all_of_them() {
    let claims = permissions(PermissionSource::Claims);
    let grants = |clans: &[&str], topics: Value| {
        let topics: HashMap<String, Vec<String>> = serde_json::from_value(topics).unwrap();
        alice(Grants { clans: clans.iter().map(ToString::to_string).collect(), topics })
    };
    let some = grants(&["c1"], json!({ "orders": ["o1"] }));
    let all = grants(&["*"], json!({ "orders": ["*"] }));
    let none = grants(&[], json!({ "billing": ["*"] }));
    for (identity, topic, allowed) in [
        (&some, clan("c1"), true),
        (&some, clan("c2"), false),
        (&all, clan("c2"), true),
        (&none, clan("c1"), false),
        (&some, order("o1"), true),
        (&some, order("o2"), false),
        (&all, order("o2"), true),
        (&none, order("o1"), false),
    ] {
        let checked = claims.check(identity, Action::Publish, &topic).await;
        assert_eq!(checked.as_ref().ok(), allowed.then_some(&Granted { ask_again: None }), "{topic}");
        assert!(checked.err().is_none_or(|error| error.code == ErrorCode::Forbidden));
    }
}

#[tokio::test]
async fn notifications_are_their_owners_whoever_decides() {
    let server = TestServer::start(yes()).await;
    for permissions in [permissions(PermissionSource::Claims), permissions(PermissionSource::AllowAll), asking(&server)]
    {
        assert_eq!(code(&permissions, &notifications("alice")).await, None);
        assert_eq!(code(&permissions, &notifications("bob")).await, Some(ErrorCode::Forbidden));
    }
    assert_eq!(server.hits(), 0);
}

#[tokio::test]
async fn a_backend_is_asked_once_and_told_who_what_and_where() {
    let server = TestServer::start(yes()).await;
    let permissions = asking(&server);
    for _ in 0..5 {
        let granted = permissions.check(&alice(Grants::default()), Action::Subscribe, &clan("c1")).await.unwrap();
        let ask_again = granted.ask_again.unwrap().after;
        assert!(ask_again > Duration::from_secs(25) && ask_again <= Duration::from_secs(30), "{ask_again:?}");
    }
    permissions.check(&alice(Grants::default()), Action::Read, &order("o1")).await.unwrap();
    let expected = [
        json!({ "userId": "alice", "action": "subscribe", "service": "clan_chat", "topic": "c1" }),
        json!({ "userId": "alice", "action": "read", "service": "orders", "topic": "o1" }),
    ];
    assert_eq!(server.asked(), expected);
}

#[tokio::test]
async fn an_answer_holds_as_long_as_it_says() {
    let server = TestServer::start(json!({ "allowed": true, "ttlSeconds": 3600 }).to_string()).await;
    let permissions = asking(&server);
    let granted = permissions.check(&alice(Grants::default()), Action::Subscribe, &clan("long")).await.unwrap();
    assert!(granted.ask_again.unwrap().after > Duration::from_secs(3500));
    server.answers(200, json!({ "allowed": true, "ttlSeconds": 0 }).to_string());
    let granted = permissions.check(&alice(Grants::default()), Action::Subscribe, &clan("none")).await.unwrap();
    assert!(
        granted.ask_again.unwrap().after > Duration::from_millis(500),
        "subscriptions are not asked about all the time"
    );
    server.answers(200, json!({ "allowed": false }).to_string());
    assert_eq!(code(&permissions, &clan("none")).await, Some(ErrorCode::Forbidden), "asked again at once");
    assert_eq!(code(&permissions, &clan("long")).await, None, "still holds");
    assert_eq!(server.hits(), 3);
}

#[tokio::test]
async fn no_answer_means_no_and_is_not_remembered() {
    let server = TestServer::start("").await;
    let permissions = asking(&server);
    let wrong = [
        (500, yes()),
        (403, yes()),
        (200, "yes".into()),
        (200, "{}".into()),
        (200, format!("{}{}", yes(), " ".repeat(17_000))),
    ];
    for (status, body) in wrong {
        server.answers(status, body);
        assert_eq!(code(&permissions, &clan("c1")).await, Some(ErrorCode::Unavailable));
    }
    server.answers(200, yes());
    assert_eq!(code(&permissions, &clan("c1")).await, None);
    let nobody = permissions_at("http://127.0.0.1:1/");
    assert_eq!(code(&nobody, &clan("c1")).await, Some(ErrorCode::Unavailable));
}

/// Permissions of a service whose answers hold for 10 ms, and this much longer while it is away.
fn short_lived(server: &TestServer, stale_grace: Duration) -> Permissions {
    let source = PermissionSource::Http(Secret(server.url.clone()));
    let cache_ttl = Duration::from_millis(10);
    let config = config::Permissions { source, cache_ttl, stale_grace, ..Config::default().permissions };
    Permissions::new(&config).unwrap()
}

/// Asks until the answer is no longer one of those that are remembered.
async fn asked_again(server: &TestServer, permissions: &Permissions) -> Option<ErrorCode> {
    let before = server.hits();
    loop {
        let code = code(permissions, &clan("c1")).await;
        if server.hits() > before {
            return code;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_grant_holds_for_the_grace_while_the_service_is_away() {
    let server = TestServer::start(yes()).await;
    let permissions = short_lived(&server, Duration::from_secs(300));
    assert_eq!(code(&permissions, &clan("c1")).await, None);
    server.answers(500, "");
    assert_eq!(asked_again(&server, &permissions).await, None);
    let hits = server.hits();
    for _ in 0..20 {
        let granted = permissions.check(&alice(Grants::default()), Action::Subscribe, &clan("c1")).await.unwrap();
        let ask_again = granted.ask_again.unwrap();
        assert!(ask_again.after <= Duration::from_secs(1));
        let holds = ask_again.holds_until.saturating_duration_since(Instant::now());
        assert!(holds > Duration::from_secs(290) && holds <= Duration::from_secs(301), "it does not grow: {holds:?}");
    }
    assert_eq!(server.hits(), hits, "the next request waits");
    assert_eq!(code(&permissions, &clan("c2")).await, Some(ErrorCode::Unavailable), "what was never granted");
    server.answers(200, json!({ "allowed": false }).to_string());
    assert_eq!(asked_again(&server, &permissions).await, Some(ErrorCode::Forbidden), "an answer counts immediately");
    server.answers(500, "");
    assert_eq!(asked_again(&server, &permissions).await, Some(ErrorCode::Unavailable), "a refusal is no grant");
}

#[tokio::test]
async fn an_answer_that_holds_for_no_time_takes_back_an_earlier_grant() {
    let server = TestServer::start(yes()).await;
    let permissions = short_lived(&server, Duration::from_secs(300));
    assert_eq!(code(&permissions, &clan("c1")).await, None);
    server.answers(200, json!({ "allowed": false, "ttlSeconds": 0 }).to_string());
    assert_eq!(asked_again(&server, &permissions).await, Some(ErrorCode::Forbidden));
    server.answers(500, "");
    assert_eq!(code(&permissions, &clan("c1")).await, Some(ErrorCode::Unavailable));
}

fn permissions_at(url: &str) -> Permissions {
    permissions(PermissionSource::Http(Secret(url.into())))
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_none() {
    let server = TestServer::start(yes()).await;
    server.hold();
    let source = PermissionSource::Http(Secret(server.url.clone()));
    let timeout = Duration::from_millis(50);
    let permissions =
        Permissions::new(&config::Permissions { source, timeout, ..Config::default().permissions }).unwrap();
    assert_eq!(code(&permissions, &clan("c1")).await, Some(ErrorCode::Unavailable));
}

#[tokio::test]
async fn those_who_ask_the_same_at_once_share_one_request() {
    let server = TestServer::start(yes()).await;
    server.hold();
    let permissions = asking(&server);
    let c1 = clan("c1");
    let callers = futures_util::future::join_all((0..20).map(|_| code(&permissions, &c1)));
    let (outcomes, ()) = tokio::join!(callers, async {
        server.arrived(1).await;
        server.release();
    });
    assert_eq!(outcomes, vec![None; 20]);
    assert_eq!(server.hits(), 1);
}
