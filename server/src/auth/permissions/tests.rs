//! Permissions from claims, and from a backend service.

use std::collections::HashMap;

use realtime_gateway_protocol::{ClanId, ServiceName, TopicName, UserId};
use serde_json::{Value, json};

use super::{query::tests::identity, *};
use crate::{
    auth::test_http::TestServer,
    config::{Config, Secret},
};

fn alice(grants: Grants) -> Identity {
    Identity { grants: Arc::new(grants), ..identity("alice", &[]) }
}

/// Checks an action of an identity.
async fn check(
    permissions: &Permissions,
    identity: &Identity,
    action: Action,
    topic: &Topic,
) -> Result<Granted, CommandError> {
    let session = SessionId::new("s1").unwrap();
    permissions.check(Requester { identity, session: &session, device: None }, action, topic).await
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

fn from_backend(server: &TestServer) -> Permissions {
    permissions(PermissionSource::Http(Secret(server.url.clone())))
}

async fn code(permissions: &Permissions, topic: &Topic) -> Option<ErrorCode> {
    check(permissions, &alice(Grants::default()), Action::Subscribe, topic).await.err().map(|error| error.code)
}

fn allowed_body() -> String {
    json!({ "allowed": true }).to_string()
}

#[tokio::test]
async fn claims_grant_listed_or_all_clans_and_topics() {
    let claims = permissions(PermissionSource::Claims);
    let grants = |clans: &[&str], topics: Value| {
        let topics: HashMap<String, Vec<String>> = serde_json::from_value(topics).unwrap();
        alice(Grants { clans: clans.iter().map(ToString::to_string).collect(), topics, ..Grants::default() })
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
        let checked = check(&claims, identity, Action::Publish, &topic).await;
        assert_eq!(checked.as_ref().ok(), allowed.then_some(&Granted { ask_again: None }), "{topic}");
        assert!(checked.err().is_none_or(|error| error.code == ErrorCode::Forbidden));
    }
}

#[tokio::test]
async fn final_asterisk_of_a_grant_is_a_prefix() {
    let claims = permissions(PermissionSource::Claims);
    let topics = HashMap::from([("orders".to_owned(), vec!["eu-*".to_owned(), "a*b".to_owned()])]);
    let identity = alice(Grants { clans: vec!["c*".into()], topics, ..Grants::default() });
    for (topic, allowed) in [
        (order("eu-"), true),
        (order("eu-1"), true),
        (order("eu"), false),
        (order("us-1"), false),
        (order("a*b"), true),
        (order("axb"), false),
        // Clans have no prefixes.
        (clan("c1"), false),
    ] {
        assert_eq!(check(&claims, &identity, Action::Read, &topic).await.is_ok(), allowed, "{topic}");
    }
}

/// One owner and one policy for all topics.
#[derive(Debug)]
struct Fixed(TopicAccess);

impl TopicPolicies for Fixed {
    fn access(&self, _: &Topic, _: Action) -> Result<TopicAccess, CommandError> {
        Ok(self.0.clone())
    }

    fn owner(&self, _: &Topic) -> Result<Option<UserId>, CommandError> {
        Ok(self.0.owner.clone())
    }

    fn keeps_history(&self, _: &Topic) -> bool {
        true
    }

    fn revision(&self) -> u64 {
        1
    }
}

#[tokio::test]
async fn owner_and_policy_hold_with_every_source() {
    let server = TestServer::start(allowed_body()).await;
    let decide = async |source: PermissionSource, policy, owner: Option<&str>| {
        let owner = owner.map(|id| UserId::new(id).unwrap());
        let permissions = permissions(source).with_policies(Arc::new(Fixed(TopicAccess { policy, owner })));
        code(&permissions, &order("o1")).await
    };
    let http = || PermissionSource::Http(Secret(server.url.clone()));
    let forbidden = Some(ErrorCode::Forbidden);
    for source in [PermissionSource::Claims, PermissionSource::AllowAll, http()] {
        assert_eq!(decide(source.clone(), TopicPolicy::User, None).await, None);
        assert_eq!(decide(source.clone(), TopicPolicy::User, Some("alice")).await, None);
        assert_eq!(decide(source.clone(), TopicPolicy::User, Some("bob")).await, forbidden);
        assert_eq!(decide(source, TopicPolicy::Grants, Some("bob")).await, forbidden);
    }
    assert_eq!(server.hits(), 0, "none of these needs a grant");
    assert_eq!(decide(PermissionSource::Claims, TopicPolicy::Grants, Some("alice")).await, forbidden);
    assert_eq!(decide(http(), TopicPolicy::Grants, Some("alice")).await, None);
    assert_eq!(server.hits(), 1);
}

#[tokio::test]
async fn notifications_belong_to_their_user_with_every_source() {
    let server = TestServer::start(allowed_body()).await;
    for permissions in
        [permissions(PermissionSource::Claims), permissions(PermissionSource::AllowAll), from_backend(&server)]
    {
        assert_eq!(code(&permissions, &notifications("alice")).await, None);
        assert_eq!(code(&permissions, &notifications("bob")).await, Some(ErrorCode::Forbidden));
    }
    assert_eq!(server.hits(), 0);
}

#[tokio::test]
async fn sends_one_request_with_user_action_and_topic() {
    let server = TestServer::start(allowed_body()).await;
    let permissions = from_backend(&server);
    for _ in 0..5 {
        let granted = check(&permissions, &alice(Grants::default()), Action::Subscribe, &clan("c1")).await.unwrap();
        let ask_again = granted.ask_again.unwrap().after;
        assert!(ask_again > Duration::from_secs(25) && ask_again <= Duration::from_secs(30), "{ask_again:?}");
    }
    check(&permissions, &alice(Grants::default()), Action::Read, &order("o1")).await.unwrap();
    let expected = [
        json!({ "userId": "alice", "sessionId": "s1", "action": "subscribe", "service": "clan_chat", "topic": "c1" }),
        json!({ "userId": "alice", "sessionId": "s1", "action": "read", "service": "orders", "topic": "o1" }),
    ];
    assert_eq!(server.requests(), expected);
}

#[tokio::test]
async fn decision_is_cached_for_its_ttl() {
    let server = TestServer::start(json!({ "allowed": true, "ttlSeconds": 3600 }).to_string()).await;
    let permissions = from_backend(&server);
    let granted = check(&permissions, &alice(Grants::default()), Action::Subscribe, &clan("long")).await.unwrap();
    assert!(granted.ask_again.unwrap().after > Duration::from_secs(3500));
    server.respond_with(200, json!({ "allowed": true, "ttlSeconds": 0 }).to_string());
    let granted = check(&permissions, &alice(Grants::default()), Action::Subscribe, &clan("none")).await.unwrap();
    assert!(
        granted.ask_again.unwrap().after > Duration::from_millis(500),
        "subscriptions are checked at most once a second"
    );
    server.respond_with(200, json!({ "allowed": false }).to_string());
    assert_eq!(
        code(&permissions, &clan("none")).await,
        Some(ErrorCode::Forbidden),
        "not cached: requested again immediately"
    );
    assert_eq!(code(&permissions, &clan("long")).await, None, "still cached");
    assert_eq!(server.hits(), 3);
}

#[tokio::test]
async fn failed_requests_deny_and_are_not_cached() {
    let server = TestServer::start("").await;
    let permissions = from_backend(&server);
    let invalid_responses = [
        (500, allowed_body()),
        (403, allowed_body()),
        (200, "yes".into()),
        (200, "{}".into()),
        (200, "[true,60]".into()),
        (200, format!("{}{}", allowed_body(), " ".repeat(17_000))),
    ];
    for (status, body) in invalid_responses {
        server.respond_with(status, body);
        assert_eq!(code(&permissions, &clan("c1")).await, Some(ErrorCode::Unavailable));
    }
    server.respond_with(200, allowed_body());
    assert_eq!(code(&permissions, &clan("c1")).await, None);
    let unreachable = permissions_from_url("http://127.0.0.1:1/");
    assert_eq!(code(&unreachable, &clan("c1")).await, Some(ErrorCode::Unavailable));
}

/// Returns permissions of a service whose decisions are cached for 10 ms, with the given grace period.
fn short_lived(server: &TestServer, stale_grace: Duration) -> Permissions {
    let source = PermissionSource::Http(Secret(server.url.clone()));
    let cache_ttl = Duration::from_millis(10);
    let config = config::Permissions { source, cache_ttl, stale_grace, ..Config::default().permissions };
    Permissions::new(&config).unwrap()
}

/// Repeats the check until it causes a request instead of being answered from the cache.
async fn code_after_request(server: &TestServer, permissions: &Permissions) -> Option<ErrorCode> {
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
async fn grant_remains_valid_for_the_grace_period_during_an_outage() {
    let server = TestServer::start(allowed_body()).await;
    let permissions = short_lived(&server, Duration::from_secs(300));
    assert_eq!(code(&permissions, &clan("c1")).await, None);
    server.respond_with(500, "");
    assert_eq!(code_after_request(&server, &permissions).await, None);
    let hits = server.hits();
    for _ in 0..20 {
        let granted = check(&permissions, &alice(Grants::default()), Action::Subscribe, &clan("c1")).await.unwrap();
        let ask_again = granted.ask_again.unwrap();
        assert!(ask_again.after <= Duration::from_secs(1));
        let holds = ask_again.holds_until.saturating_duration_since(Instant::now());
        assert!(
            holds > Duration::from_secs(290) && holds <= Duration::from_secs(301),
            "the grace period is not extended: {holds:?}"
        );
    }
    assert_eq!(server.hits(), hits, "the next request is delayed by the backoff");
    assert_eq!(code(&permissions, &clan("c2")).await, Some(ErrorCode::Unavailable), "no earlier grant");
    server.respond_with(200, json!({ "allowed": false }).to_string());
    assert_eq!(
        code_after_request(&server, &permissions).await,
        Some(ErrorCode::Forbidden),
        "a new decision takes effect immediately"
    );
    server.respond_with(500, "");
    assert_eq!(
        code_after_request(&server, &permissions).await,
        Some(ErrorCode::Unavailable),
        "a denial has no grace period"
    );
}

#[tokio::test]
async fn denial_with_zero_ttl_revokes_an_earlier_grant() {
    let server = TestServer::start(allowed_body()).await;
    let permissions = short_lived(&server, Duration::from_secs(300));
    assert_eq!(code(&permissions, &clan("c1")).await, None);
    server.respond_with(200, json!({ "allowed": false, "ttlSeconds": 0 }).to_string());
    assert_eq!(code_after_request(&server, &permissions).await, Some(ErrorCode::Forbidden));
    server.respond_with(500, "");
    assert_eq!(code(&permissions, &clan("c1")).await, Some(ErrorCode::Unavailable));
}

fn permissions_from_url(url: &str) -> Permissions {
    permissions(PermissionSource::Http(Secret(url.into())))
}

#[tokio::test]
async fn request_times_out() {
    let server = TestServer::start(allowed_body()).await;
    server.hold();
    let source = PermissionSource::Http(Secret(server.url.clone()));
    let timeout = Duration::from_millis(50);
    let permissions =
        Permissions::new(&config::Permissions { source, timeout, ..Config::default().permissions }).unwrap();
    assert_eq!(code(&permissions, &clan("c1")).await, Some(ErrorCode::Unavailable));
}

#[tokio::test]
async fn concurrent_identical_queries_share_one_request() {
    let server = TestServer::start(allowed_body()).await;
    server.hold();
    let permissions = from_backend(&server);
    let c1 = clan("c1");
    let callers = futures_util::future::join_all((0..20).map(|_| code(&permissions, &c1)));
    let (outcomes, ()) = tokio::join!(callers, async {
        server.wait_for_requests(1).await;
        server.release();
    });
    assert_eq!(outcomes, vec![None; 20]);
    assert_eq!(server.hits(), 1);
}
