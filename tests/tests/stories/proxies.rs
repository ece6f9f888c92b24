//! Behind a real nginx and a real HAProxy, as `deploy/` configures them, the gateway sees the client.

use realtime_gateway_tests::{Gateway, Proxy, Settings, Socket, eventually, http_client};
use reqwest::StatusCode;
use serde_json::Value;

const ALICE: &str = "127.0.0.2";
const BOB: &str = "127.0.0.3";

/// A gateway that trusts the address from which a proxy of this machine connects, and none of the clients'.
async fn gateway() -> Gateway {
    let settings =
        Settings::default().set("proxies.trusted", r#"["127.0.0.1/32"]"#).set("limits.connections_per_ip", "1");
    Gateway::with(settings).await
}

/// The addresses from which sessions were opened, by the gateway's log.
fn peers(gateway: &Gateway) -> Vec<String> {
    let lines = gateway.log().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let opened = lines.filter(|line| line["fields"]["message"] == "a session opened");
    opened.filter_map(|line| Some(line["fields"]["peer"].as_str()?.to_owned())).collect()
}

/// Chats through the proxy, and is told from others by the address.
async fn the_client_is_seen(gateway: &Gateway, proxy: &Proxy) {
    let mut alice = Socket::through(proxy, ALICE, "alice").await.unwrap();
    alice.join("clan").await;
    // One connection for each address: a second one of the same client is one too many, a first one of another is not.
    assert_eq!(Socket::through(proxy, ALICE, "carol").await.unwrap_err(), StatusCode::TOO_MANY_REQUESTS);
    let mut bob = Socket::through(proxy, BOB, "bob").await.unwrap();
    bob.chat("clan", "hello").await;
    assert_eq!(alice.expect("chat").await["content"], "hello");
    eventually("both clients in the log", async || peers(gateway) == [ALICE, BOB]).await;
}

#[tokio::test]
async fn nginx_tells_the_client_in_a_header() {
    let gateway = gateway().await;
    let proxy = Proxy::nginx(&[&gateway]).await;
    the_client_is_seen(&gateway, &proxy).await;
    let health = http_client().get(format!("http://{}/health", proxy.address())).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
}

#[tokio::test]
async fn haproxy_tells_the_client_ahead_of_the_request() {
    let gateway = gateway().await;
    let proxy = Proxy::haproxy(&[&gateway]).await;
    the_client_is_seen(&gateway, &proxy).await;
    let guarded = http_client().get(format!("http://{}/api/v1/nodes", proxy.address())).send().await.unwrap();
    assert_eq!(guarded.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_proxy_that_nobody_trusts_is_refused_and_named() {
    let gateway = Gateway::start().await;
    let proxy = Proxy::haproxy(&[&gateway]).await;
    let refused = Socket::through(&proxy, ALICE, "alice").await.unwrap_err();
    // The gateway's 400, or HAProxy's own answer once its health check has failed.
    assert!([StatusCode::BAD_REQUEST, StatusCode::SERVICE_UNAVAILABLE].contains(&refused), "{refused}");
    eventually("the warning", || async {
        let health = gateway.api().get("/health").await;
        let warnings = health["warnings"].as_array().unwrap().iter().filter_map(Value::as_str);
        warnings.into_iter().any(|it| it.contains("PROXY protocol") && it.contains(r#"trusted = ["127.0.0.1"]"#))
    })
    .await;
}
