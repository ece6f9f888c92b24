//! What orchestrators and dashboards are told.

use reqwest::Method;

use super::{answered, served};

#[tokio::test]
async fn health_tells_everything_and_an_orchestrator_the_word() {
    let served = served(|config| config.node_id = "n1".into()).await;
    let health = served.get("/health").await.ok(200);
    assert_eq!((&health["status"], &health["nodeId"]), (&"ok".into(), &"n1".into()));
    assert_eq!(health["bus"]["kind"], "embedded");
    assert_eq!(health["store"]["status"], "ok");
    assert_eq!(health["services"]["clan_chat"], "ok");
    assert_eq!(health["warnings"].as_array().unwrap().len(), 0);
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(served.get(path).await.ok(200)["status"], "ok", "{path}");
    }
    let websocket = served.get("/health/websocket").await.ok(200);
    assert_eq!((&websocket["activeConnections"], &websocket["subscriptions"]["clan_chat"]), (&0.into(), &0.into()));
}

#[tokio::test]
async fn a_node_on_its_way_out_is_alive_and_not_ready() {
    let served = served(|_| ()).await;
    served.running.node.set_draining();
    assert_eq!(served.get("/health").await.ok(503)["status"], "draining");
    assert_eq!(served.get("/health/ready").await.ok(503)["status"], "draining");
    assert_eq!(served.get("/health/live").await.ok(200)["status"], "ok");
    assert_eq!(served.get("/api/v1/nodes").await.ok(200)["nodes"][0]["draining"], true);
}

#[tokio::test]
async fn a_node_whose_store_does_not_answer_is_not_ready() {
    let served = served(|_| ()).await;
    served.running.node.store.close().await;
    assert_eq!(served.get("/health").await.ok(503)["status"], "unavailable");
    assert_eq!(served.get("/health/ready").await.ok(503)["status"], "unavailable");
    let refused = served.get("/api/v1/clans/c/messages").await;
    assert_eq!(refused.problem(503), "unavailable");
    assert_eq!((refused.header("retry-after"), &refused.json()["retryAfterMs"]), ("1", &1000.into()));
}

#[tokio::test]
async fn with_a_port_for_operators_the_other_tells_the_word_only() {
    let served = served(|config| config.internal_listen = Some("127.0.0.1:0".parse().unwrap())).await;
    assert_eq!(served.get("/health").await.ok(200), serde_json::json!({ "status": "ok" }));
    for path in ["/health/live", "/health/ready"] {
        served.get(path).await.ok(200);
    }
    for path in ["/health/websocket", "/metrics", "/docs", "/openapi.json", "/api/v1/nodes", "/docs/protocol"] {
        assert_eq!(served.get(path).await.problem(404), "not_found", "{path}");
        let internal = format!("http://{}{path}", served.running.listening.internal.unwrap());
        let request = served.client.request(Method::GET, internal).bearer_auth("all");
        assert_eq!(answered(request).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_proxy_that_somebody_forgot_to_configure_is_shown() {
    let served = served(|_| ()).await;
    let handshake = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("x-forwarded-for", "203.0.113.5"),
    ];
    let request = served.request(Method::GET, "/ws");
    let request = handshake.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    assert_eq!(request.send().await.unwrap().status(), 101);
    let warnings = served.get("/health").await.ok(200)["warnings"].clone();
    assert!(warnings[0].as_str().unwrap().contains("proxies.trusted = [\"127.0.0.1\"]"), "{warnings}");
}
