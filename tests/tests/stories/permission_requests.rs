//! What a permission service receives: a signed request with the session, the device and the configured claims.

use realtime_gateway_tests::{
    BackendRequest, Gateway, SIGNING_SECRET, ServiceBackend, Settings, Socket, Token, eventually,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

const SECRETS: [&str; 2] = [SIGNING_SECRET, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];

/// Returns the settings of a gateway that asks this service, and signs with the secrets of the file `secrets`.
fn settings(service: &ServiceBackend, folder: &TempDir) -> Settings {
    let secrets = folder.path().join("secrets");
    std::fs::write(&secrets, SECRETS.join("\n")).unwrap();
    Settings::default()
        .set("permissions.source", "\"http\"")
        .set("permissions.url", &format!("\"{}\"", service.url()))
        .set("permissions.secret_file", &format!("{:?}", secrets.display().to_string()))
        .set("permissions.claims", r#"["tenant", "https://example.com/plan", "account.region"]"#)
        .set("sessions.max_per_user", "5")
}

fn chat(clan: &str) -> Value {
    json!({ "type": "chat", "clanId": clan, "content": "x" })
}

fn signatures(request: &BackendRequest) -> usize {
    request.headers.get("webhook-signature").map_or(0, |header| header.split(' ').count())
}

async fn allow(request: BackendRequest) {
    request.answer(200, &json!({ "allowed": true })).await;
}

/// Sends a message and answers the question that it causes.
async fn asked(socket: &mut Socket, service: &mut ServiceBackend, clan: &str) -> Value {
    socket.send(chat(clan)).await;
    let request = service.next().await;
    let body = request.body();
    allow(request).await;
    assert_eq!(socket.expect("message_sent").await["clanId"], clan);
    body
}

#[tokio::test]
async fn request_is_signed_and_has_session_device_and_configured_claims() {
    let (mut service, folder) = (ServiceBackend::start().await, tempfile::tempdir().unwrap());
    let gateway = Gateway::with(settings(&service, &folder)).await;
    let token = Token::for_user("alice")
        .claim("deviceId", json!("phone"))
        .claim("tenant", json!("t1"))
        .claim("https://example.com/plan", json!(["pro", 1]))
        .claim("account", json!({ "region": "eu", "iban": "DE00" }));
    let mut alice = Socket::open(&gateway, "/ws", Some(&token.text())).await.unwrap();
    let session = alice.expect("connected").await["sessionId"].clone();
    alice.send(chat("c")).await;
    let request = service.next().await;
    let expected = json!({
        "userId": "alice", "sessionId": session, "deviceId": "phone", "action": "publish", "service": "clan_chat",
        "topic": "c",
        "claims": { "account.region": "eu", "https://example.com/plan": ["pro", 1], "tenant": "t1" },
    });
    assert_eq!(request.body(), expected, "and no other claim");
    assert!(request.headers["webhook-id"].starts_with("msg_"), "{:?}", request.headers);
    assert!(request.headers["webhook-timestamp"].parse::<u64>().is_ok(), "{:?}", request.headers);
    assert_eq!(signatures(&request), 2, "each secret signs");
    assert_eq!(request.headers["content-type"], "application/json");
    allow(request).await;
    alice.expect("message_sent").await;
}

#[tokio::test]
async fn decision_holds_for_the_same_user_device_and_claims_only() {
    let (mut service, folder) = (ServiceBackend::start().await, tempfile::tempdir().unwrap());
    let gateway = Gateway::with(settings(&service, &folder)).await;
    let tenant = |name: &str| Token::for_user("alice").claim("tenant", json!(name));
    let mut first = Socket::connect_with(&gateway, &tenant("t1")).await;
    assert_eq!(asked(&mut first, &mut service, "c").await["claims"], json!({ "tenant": "t1" }));
    // Another session of the same kind causes no request, and the answer comes from the cache.
    let mut second = Socket::connect_with(&gateway, &tenant("t1")).await;
    assert_eq!(second.request(chat("c")).await["type"], "message_sent");
    assert!(!service.has_request());
    let mut other_tenant = Socket::connect_with(&gateway, &tenant("t2")).await;
    assert_eq!(asked(&mut other_tenant, &mut service, "c").await["claims"], json!({ "tenant": "t2" }));
    let mut other_device = Socket::connect_with(&gateway, &tenant("t1").claim("deviceId", json!("tv"))).await;
    assert_eq!(asked(&mut other_device, &mut service, "c").await["deviceId"], "tv");
    // A new token of the session brings its claims.
    let renewed = first.request(json!({ "type": "authenticate", "token": tenant("t3").text() })).await;
    assert_eq!(renewed["type"], "authenticated");
    assert_eq!(asked(&mut first, &mut service, "c").await["claims"], json!({ "tenant": "t3" }));
}

fn reloads(gateway: &Gateway) -> usize {
    gateway.log().iter().filter(|line| line.contains("the configuration was reloaded")).count()
}

#[tokio::test]
async fn reload_replaces_secrets_and_claims() {
    let (mut service, folder) = (ServiceBackend::start().await, tempfile::tempdir().unwrap());
    let mut gateway = Gateway::with(settings(&service, &folder)).await;
    let token = Token::for_user("alice").claim("tenant", json!("t1")).claim("plan", json!("pro"));
    let mut alice = Socket::connect_with(&gateway, &token).await;
    let changed = settings(&service, &folder).set("permissions.claims", "[\"plan\"]");
    std::fs::write(folder.path().join("secrets"), SECRETS[1]).unwrap();
    let before = reloads(&gateway);
    gateway.rewrite_config(changed);
    gateway.signal("HUP").await;
    eventually("the reload", || async { reloads(&gateway) > before }).await;
    alice.send(chat("c")).await;
    let request = service.next().await;
    assert_eq!(signatures(&request), 1);
    assert_eq!(request.body()["claims"], json!({}), "kept claims are those of the time of the token");
    allow(request).await;
    alice.expect("message_sent").await;
    alice.request(json!({ "type": "authenticate", "token": token.text() })).await;
    assert_eq!(asked(&mut alice, &mut service, "c").await["claims"], json!({ "plan": "pro" }));
    // A file without a valid secret changes nothing.
    std::fs::write(folder.path().join("secrets"), "whsec_c2hvcnQ=").unwrap();
    gateway.signal("HUP").await;
    let is_refused = || gateway.log().iter().any(|line| line.contains("permissions.secret, entry 1"));
    eventually("the refusal", || async { is_refused() }).await;
    assert!(!gateway.log().iter().any(|line| line.contains("c2hvcnQ")), "a secret is in the log");
}

#[tokio::test]
async fn metrics_count_requests_by_outcome() {
    let (mut service, folder) = (ServiceBackend::start().await, tempfile::tempdir().unwrap());
    let gateway = Gateway::with(settings(&service, &folder)).await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    for (clan, status, answer, code) in [
        ("allowed", 200, json!({ "allowed": true }), Value::Null),
        ("denied", 200, json!({ "allowed": false }), json!("forbidden")),
        ("failed", 500, json!({}), json!("unavailable")),
    ] {
        alice.send(chat(clan)).await;
        service.next().await.answer(status, &answer).await;
        assert_eq!(alice.next().await.unwrap()["code"], code, "{clan}");
    }
    alice.request(chat("allowed")).await;
    let text = gateway.api().call(Method::GET, "/metrics", None).await.text().await.unwrap();
    for outcome in ["allowed", "denied", "failed"] {
        let line = format!("gateway_permission_requests_total{{outcome=\"{outcome}\"}} 1");
        assert!(text.contains(&line), "{line}: {text}");
    }
    assert!(text.contains("gateway_permission_request_duration_seconds_count 3"), "{text}");
}
