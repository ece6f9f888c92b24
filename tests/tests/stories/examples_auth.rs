//! The examples of docs/examples that decide who a user is and what a user may do, each next to a real gateway.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use realtime_gateway_tests::{ExampleProgram, Gateway, SIGNING_SECRET, Settings, Socket, Token, http_client};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::process::Command;

/// The example of an identity provider, and the line with its addresses.
pub(crate) async fn start_identity_provider() -> (ExampleProgram, Value) {
    let mut command = ExampleProgram::node_command("identity-provider.mjs");
    command.args(["--port", "0"]);
    let mut provider = ExampleProgram::start(command);
    let listening = provider.line().await;
    (provider, listening)
}

/// The example of an identity provider, and a gateway that trusts it.
async fn identity_provider() -> (ExampleProgram, String, Gateway) {
    let (provider, listening) = start_identity_provider().await;
    let setting = |name: &str| format!("\"{}\"", listening[name].as_str().unwrap());
    let settings =
        Settings::default().set("auth.oidc_issuer", &setting("issuer")).set("auth.audience", &setting("audience"));
    let gateway = Gateway::with(settings).await;
    (provider, listening["issuer"].as_str().unwrap().to_owned(), gateway)
}

async fn post(url: &str, body: Value) -> (StatusCode, Value) {
    let response = http_client().post(url).json(&body).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

async fn sign_in(issuer: &str, user: &str, password: &str) -> String {
    let (status, body) = post(&format!("{issuer}/token"), json!({ "user": user, "password": password })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["token"].as_str().unwrap().to_owned()
}

async fn connected(gateway: &Gateway, token: &str) -> Socket {
    let mut socket = Socket::open(gateway, "/ws", Some(token)).await.unwrap();
    socket.expect("connected").await;
    socket
}

#[tokio::test]
async fn user_who_signs_in_at_the_identity_provider_chats_in_the_clans_of_the_token() {
    let (_provider, issuer, gateway) = identity_provider().await;
    let wrong = json!({ "user": "alice", "password": "guessed" });
    assert_eq!(post(&format!("{issuer}/token"), wrong).await.0, StatusCode::UNAUTHORIZED);
    let unknown = json!({ "user": "__proto__", "password": "rabbit" });
    assert_eq!(post(&format!("{issuer}/token"), unknown).await.0, StatusCode::UNAUTHORIZED);

    let mut alice = connected(&gateway, &sign_in(&issuer, "alice", "rabbit").await).await;
    assert_eq!(alice.chat("clan123", "hello").await["type"], "message_sent");
    let elsewhere = json!({ "type": "chat", "clanId": "clan456", "content": "hello" });
    assert_eq!(alice.request(elsewhere).await["code"], "forbidden");
}

#[tokio::test]
async fn rotation_at_the_identity_provider_interrupts_no_client() {
    let (_provider, issuer, gateway) = identity_provider().await;
    let before = sign_in(&issuer, "alice", "rabbit").await;
    connected(&gateway, &before).await;
    assert_eq!(post(&format!("{issuer}/rotate"), json!({})).await, (StatusCode::OK, json!({ "keys": 3 })));
    let after = sign_in(&issuer, "bob", "builder").await;
    connected(&gateway, &after).await;
    connected(&gateway, &before).await;
    let header = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(header(&before), header(&after), "another key signed");
}

#[tokio::test]
async fn rejects_token_that_names_the_identity_provider_and_is_signed_by_another_key() {
    let (_provider, issuer, gateway) = identity_provider().await;
    let other = Token::for_user("alice").claim("iss", json!(issuer)).claim("aud", json!("realtime"));
    let refused = Socket::open(&gateway, "/ws", Some(&other.text())).await;
    assert_eq!(refused.unwrap_err(), StatusCode::UNAUTHORIZED);
}

/// Writes the file of clans, with a time of its own: two writes may fall into one tick of the file system's clock.
fn write_members(path: &Path, clans: &Value) {
    let before = std::fs::metadata(path).and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    std::fs::write(path, clans.to_string()).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified((before + Duration::from_millis(10)).max(SystemTime::now())).unwrap();
}

/// The example of a permission callback, and a gateway that signs its questions with this secret.
async fn permission_callback(members: &Path, secret: &str) -> (ExampleProgram, Gateway) {
    let mut command = ExampleProgram::python_command("permission_callback.py");
    let secrets = format!("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,{SIGNING_SECRET}");
    command.env("GATEWAY_PERMISSIONS__SECRET", secrets).args(["--port", "0", "--ttl", "1", "--members"]).arg(members);
    let mut callback = ExampleProgram::start(command);
    let url = format!("\"http://{}/permissions\"", callback.line().await["listening"].as_str().unwrap());
    let settings = Settings::default().set("permissions.source", "\"http\"").set("permissions.url", &url);
    (callback, Gateway::with(settings.set("permissions.secret", &format!("\"{secret}\""))).await)
}

#[tokio::test]
async fn permission_callback_decides_who_reads_and_who_writes() {
    let dir = tempfile::tempdir().unwrap();
    let members = dir.path().join("members.json");
    write_members(&members, &json!({ "c": { "alice": "member", "bob": "guest" } }));
    let (mut callback, gateway) = permission_callback(&members, SIGNING_SECRET).await;
    let (mut alice, mut bob) = (Socket::connect(&gateway, "alice").await, Socket::connect(&gateway, "bob").await);
    bob.join("c").await;
    let mut asked = callback.line().await;
    assert!(asked["sessionId"].take().is_string(), "{asked}");
    let question = json!({
        "userId": "bob", "sessionId": null, "action": "subscribe", "service": "clan_chat", "topic": "c", "allowed": true,
    });
    assert_eq!(asked, question);
    alice.chat("c", "hello").await;
    assert_eq!(bob.wait_for("chat").await["content"], "hello");
    let chat = json!({ "type": "chat", "clanId": "c", "content": "guests may not write" });
    assert_eq!(bob.request(chat).await["code"], "forbidden");

    // Bob leaves the clan, and the gateway asks again when the answer has expired.
    write_members(&members, &json!({ "c": { "alice": "member" } }));
    assert_eq!(bob.wait_for("subscription_ended").await["code"], "forbidden");
}

#[tokio::test]
async fn permission_callback_answers_no_gateway_with_another_secret() {
    let dir = tempfile::tempdir().unwrap();
    let members = dir.path().join("members.json");
    write_members(&members, &json!({ "c": { "alice": "member" } }));
    let (_callback, gateway) = permission_callback(&members, "whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB").await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    let chat = json!({ "type": "chat", "clanId": "c", "content": "x" });
    assert_eq!(alice.request(chat).await["code"], "unavailable");
    assert!(!gateway.log().iter().any(|line| line.contains("BBBBBBBB")), "the secret is in no log line");
}

/// Runs a program that signs a token with the secret of the gateways under test.
async fn signed_by(mut command: Command) -> String {
    let environment = [
        ("GATEWAY_AUTH__JWT_SECRET", realtime_gateway_tests::SECRET),
        ("GATEWAY_AUTH__ISSUER", "https://backend.example.com"),
        ("GATEWAY_AUTH__AUDIENCE", "realtime"),
    ];
    // Go compiles its standard library first.
    let ended = tokio::time::timeout(Duration::from_secs(300), command.envs(environment).kill_on_drop(true).output());
    let output = ended.await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(printed["expiresAt"].is_u64(), "{printed}");
    printed["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn examples_sign_tokens_that_the_gateway_accepts() {
    let settings =
        Settings::default().set("auth.issuer", "\"https://backend.example.com\"").set("auth.audience", "\"realtime\"");
    let gateway = Gateway::with(settings).await;
    let mut in_node = ExampleProgram::node_command("sign-token.mjs");
    let mut in_python = ExampleProgram::python_command("sign_token.py");
    let mut in_go = ExampleProgram::go_command("sign_token.go");
    for command in [&mut in_node, &mut in_python] {
        command.args(["--user", "alice.o'hara\"1", "--clans", "clan123", "--topics", "orders:order-42"]);
    }
    in_go.args(["-user", "alice.o'hara\"1", "-clans", "clan123", "-topics", "orders:order-42"]);
    let mut in_kotlin = ExampleProgram::kotlin_command("SignToken.kt").await;
    in_kotlin.args(["alice.o'hara\"1", "clan123"]);
    for command in [in_node, in_python, in_go, in_kotlin] {
        let mut alice = connected(&gateway, &signed_by(command).await).await;
        assert_eq!(alice.chat("clan123", "hello").await["type"], "message_sent");
        let other = alice.request(json!({ "type": "chat", "clanId": "another", "content": "x" })).await;
        assert_eq!(other["code"], "forbidden");
    }
}
