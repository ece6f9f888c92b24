//! Reload by SIGHUP: a configuration is applied completely or not at all, and every reload is reported in the log.

use realtime_gateway_brokers::Authority;
use realtime_gateway_tests::{Gateway, Settings, Socket, Token, eventually};
use serde_json::Value;

/// Counts the log lines whose message starts with a text.
fn count(gateway: &Gateway, message: &str) -> usize {
    let log = gateway.log();
    let lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["fields"]["message"].as_str().is_some_and(|text| text.starts_with(message))).count()
}

/// Returns the fields of the latest log line whose message starts with a text.
fn latest(gateway: &Gateway, message: &str) -> Value {
    let log = gateway.log();
    let mut lines = log.iter().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_it = |line: &Value| line["fields"]["message"].as_str().is_some_and(|text| text.starts_with(message));
    lines.find(is_it).map(|mut line| line["fields"].take()).unwrap_or_default()
}

const RELOADED: &str = "the configuration was reloaded";
const REFUSED: &str = "the configuration was not reloaded";
const NEEDS_RESTART: &str = "these keys have changed and need a restart";

/// Sends SIGHUP and waits for a new log line with this message.
async fn reload(gateway: &Gateway, report: &str) {
    let before = count(gateway, report);
    gateway.signal("HUP").await;
    eventually(report, || async { count(gateway, report) > before }).await;
}

/// Returns settings with the listen address of the test gateways.
fn settings() -> Settings {
    Settings::default().set("listen", "\"127.0.0.1:0\"")
}

const NEW_SECRET: &str = "another secret, also of more than 32 bytes";

/// Returns settings that change every kind of reloadable key.
fn everything(cert: &str, key: &str) -> Settings {
    Settings::default()
        .set("tls.cert", &format!("{cert:?}"))
        .set("tls.key", &format!("{key:?}"))
        .set("auth.jwt_secret", &format!("{NEW_SECRET:?}"))
        .set("auth.api_keys", "[]")
        .set("limits.subscriptions", "1")
        .set("log.level", "\"warn\"")
}

#[tokio::test]
async fn rejected_configuration_changes_nothing() {
    let authority = Authority::make();
    let other = Authority::make();
    let path = |authority: &Authority, name: &str| authority.directory().join(name).display().to_string();
    let mut gateway = Gateway::start().await;
    let wrong = [
        everything(&path(&authority, "server.pem"), &path(&other, "server.key")),
        everything(&path(&authority, "none.pem"), &path(&authority, "server.key")),
        everything(&path(&authority, "server.pem"), &path(&authority, "server.key"))
            .set("auth.jwt_public_keys", "[\"-----BEGIN PUBLIC KEY-----\\nAAAA\\n-----END PUBLIC KEY-----\"]"),
        everything(&path(&authority, "server.pem"), &path(&authority, "server.key")).set("limits.burst", "0"),
    ];
    for settings in wrong {
        gateway.rewrite_config(settings);
        // The second reload of the same file is rejected like the first.
        reload(&gateway, REFUSED).await;
        reload(&gateway, REFUSED).await;
        // The old token secret and API keys stay valid, and the new ones do not apply.
        let mut alice = Socket::connect(&gateway, "alice").await;
        alice.join("a").await;
        alice.join("b").await;
        let token = Token::for_user("alice").signed_with(NEW_SECRET);
        assert_eq!(Socket::open(&gateway, "/ws", Some(&token.text())).await.err().unwrap(), 401);
        assert_eq!(gateway.api().get("/api/v1/nodes").await["nodes"].as_array().map(Vec::len), Some(1));
        alice.close().await;
    }
    assert_eq!(count(&gateway, RELOADED), 0);
}

#[tokio::test]
async fn reports_keys_that_need_restart_on_every_reload() {
    let mut gateway = Gateway::with(settings().set("presence.grace", "\"1s\"")).await;
    let changed = settings().set("presence.grace", "\"3s\"").set("limits.message_bytes", "\"200KiB\"");
    gateway.rewrite_config(changed.clone());
    for changed in ["limits.message_bytes", "", ""] {
        reload(&gateway, NEEDS_RESTART).await;
        assert_eq!(latest(&gateway, NEEDS_RESTART)["keys"], "presence.grace");
        assert_eq!(latest(&gateway, RELOADED)["changed"], changed);
    }
    // Warnings about suspicious values are repeated on every reload.
    assert_eq!(count(&gateway, "limits.message_bytes is over 192KiB"), 3);
    gateway.rewrite_config(settings().set("presence.grace", "\"1s\""));
    reload(&gateway, RELOADED).await;
    assert_eq!((count(&gateway, NEEDS_RESTART), count(&gateway, RELOADED)), (3, 4));
}

#[tokio::test]
async fn reports_that_enabling_tls_needs_restart() {
    let authority = Authority::make();
    let mut gateway = Gateway::with(settings()).await;
    let path = |name: &str| format!("{:?}", authority.directory().join(name).display().to_string());
    gateway.rewrite_config(settings().set("tls.cert", &path("server.pem")).set("tls.key", &path("server.key")));
    for _ in 0..2 {
        reload(&gateway, NEEDS_RESTART).await;
        assert_eq!(latest(&gateway, NEEDS_RESTART)["keys"], "tls.cert, tls.key");
        assert_eq!(latest(&gateway, RELOADED)["changed"], "");
    }
    Socket::connect(&gateway, "alice").await.close().await;
}
