//! nginx and HAProxy with the configurations of `deploy/`: behind them the gateway sees the client's address.

use realtime_gateway_tests::{Gateway, ReverseProxy, Settings, Socket, eventually, http_client};
use reqwest::StatusCode;
use serde_json::Value;

const ALICE: &str = "127.0.0.2";
const BOB: &str = "127.0.0.3";

/// Starts a gateway that trusts the proxy's address, and not the clients' addresses.
async fn gateway() -> Gateway {
    let settings =
        Settings::default().set("proxies.trusted", r#"["127.0.0.1/32"]"#).set("limits.connections_per_ip", "1");
    Gateway::with(settings).await
}

/// Returns the client addresses of opened sessions, from the gateway's log.
fn logged_peers(gateway: &Gateway) -> Vec<String> {
    let lines = gateway.log().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let opened = lines.filter(|line| line["fields"]["message"] == "a session opened");
    opened.filter_map(|line| Some(line["fields"]["peer"].as_str()?.to_owned())).collect()
}

/// Chats through the proxy, and checks that the gateway applies its limits to the client's address.
async fn expect_client_address(gateway: &Gateway, proxy: &ReverseProxy) {
    let mut alice = Socket::connect_through(proxy, ALICE, "alice").await.unwrap();
    alice.join("clan").await;
    // The limit is one connection per address: a second one of the same client is refused, one of another client is
    // not.
    assert_eq!(Socket::connect_through(proxy, ALICE, "carol").await.unwrap_err(), StatusCode::TOO_MANY_REQUESTS);
    let mut bob = Socket::connect_through(proxy, BOB, "bob").await.unwrap();
    bob.chat("clan", "hello").await;
    assert_eq!(alice.expect("chat").await["content"], "hello");
    eventually("both clients in the log", async || logged_peers(gateway) == [ALICE, BOB]).await;
}

#[tokio::test]
async fn reads_client_address_from_nginx_header() {
    let gateway = gateway().await;
    let proxy = ReverseProxy::nginx(&[&gateway]).await;
    expect_client_address(&gateway, &proxy).await;
    let health = http_client().get(format!("http://{}/health", proxy.address())).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
}

#[tokio::test]
async fn reads_client_address_from_haproxy_proxy_protocol() {
    let gateway = gateway().await;
    let proxy = ReverseProxy::haproxy(&[&gateway]).await;
    expect_client_address(&gateway, &proxy).await;
    let guarded = http_client().get(format!("http://{}/api/v1/nodes", proxy.address())).send().await.unwrap();
    assert_eq!(guarded.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn rejects_untrusted_proxy_and_names_it_in_health() {
    let gateway = Gateway::start().await;
    let proxy = ReverseProxy::haproxy(&[&gateway]).await;
    let refused = Socket::connect_through(&proxy, ALICE, "alice").await.unwrap_err();
    // The gateway's 400, or HAProxy's own 503 once its health check has failed.
    assert!([StatusCode::BAD_REQUEST, StatusCode::SERVICE_UNAVAILABLE].contains(&refused), "{refused}");
    eventually("health names the untrusted proxy", || async {
        let health = gateway.api().get("/health").await;
        let warnings = health["warnings"].as_array().unwrap().iter().filter_map(Value::as_str);
        warnings.into_iter().any(|it| it.contains("PROXY protocol") && it.contains(r#"trusted = ["127.0.0.1"]"#))
    })
    .await;
}
