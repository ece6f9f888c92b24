//! The HTTP API: health, documents, pages, API keys and errors.

use realtime_gateway_tests::{Gateway, Socket, http_client};
use reqwest::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn reports_health_of_node_and_connections() {
    let gateway = Gateway::start().await;
    let mut alice = Socket::connect(&gateway, "alice").await;
    alice.join("c").await;
    let api = gateway.api();
    let health = api.get("/health").await;
    assert_eq!(health["status"], "ok");
    assert_eq!(health["services"]["notifications"], "ok");
    let sockets = api.get("/health/websocket").await;
    assert_eq!(sockets["activeConnections"], 1);
    assert_eq!(sockets["connectedUsers"], 1);
    assert_eq!(sockets["subscriptions"]["clan_chat"], 1);
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(api.call(Method::GET, path, None).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn serves_documents_and_self_contained_pages() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    for path in
        ["/openapi.json", "/asyncapi.json", "/schema/client.json", "/schema/server.json", "/schema/inbound.json"]
    {
        assert!(api.get(path).await.is_object(), "{path}");
    }
    for path in ["/docs", "/docs/protocol"] {
        let page = api.call(Method::GET, path, None).await.text().await.unwrap();
        for attribute in ["src=\"http", "href=\"http", "src=\"//", "href=\"//", "@import"] {
            assert!(!page.contains(attribute), "{path} has {attribute}");
        }
    }
    let metrics = api.call(Method::GET, "/metrics", None).await.text().await.unwrap();
    assert!(metrics.contains("gateway_connections_active"));
}

#[tokio::test]
async fn answers_errors_as_problem_documents() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let (status, problem) = api.json(Method::GET, "/nowhere", None).await;
    assert_eq!((status, &problem["status"]), (StatusCode::NOT_FOUND, &json!(404)));
    assert_eq!(api.json(Method::DELETE, "/health", None).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let (status, problem) = api.json(Method::POST, "/api/v1/notifications", Some(json!({ "userId": "a b" }))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("invalid_message")));
    let large = json!({ "userId": "a", "title": "t", "message": "x".repeat(300_000) });
    assert_eq!(api.json(Method::POST, "/api/v1/notifications", Some(large)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let anonymous = http_client().get(format!("http://{}/api/v1/nodes", gateway.address())).send().await.unwrap();
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(anonymous.headers()["content-type"], "application/problem+json");
    let dev = api.call(Method::POST, "/dev/token", Some(json!({ "userId": "a" }))).await;
    assert_eq!(dev.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn lists_node() {
    let gateway = Gateway::start().await;
    let nodes = gateway.api().get("/api/v1/nodes").await;
    assert_eq!(nodes["nodes"].as_array().unwrap().len(), 1);
}
