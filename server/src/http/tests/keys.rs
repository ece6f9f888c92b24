//! API keys and their scopes, and the pages that may use `/dev`.

use reqwest::Method;
use serde_json::json;

use super::{TestGateway, execute, start_gateway};

/// Every route below `/api/v1`, with the scope that it requires.
const ROUTES: [(&str, &str, &str); 26] = [
    ("POST", "/api/v1/notifications", "publish"),
    ("POST", "/api/v1/clans/c/messages", "publish"),
    ("GET", "/api/v1/clans/c/messages", "read"),
    ("DELETE", "/api/v1/clans/c/messages/m", "admin"),
    ("POST", "/api/v1/services/orders/topics/t/events", "publish"),
    ("GET", "/api/v1/services/orders/topics/t/events", "read"),
    ("GET", "/api/v1/services/orders/topics/t/presence", "read"),
    ("GET", "/api/v1/users/u/sessions", "read"),
    ("DELETE", "/api/v1/users/u/sessions", "admin"),
    ("DELETE", "/api/v1/users/u/subscriptions?service=clan_chat", "admin"),
    ("POST", "/api/v1/users/u/block", "admin"),
    ("GET", "/api/v1/users/u/block", "read"),
    ("DELETE", "/api/v1/users/u/block", "admin"),
    ("POST", "/api/v1/users/u/subscriptions", "admin"),
    ("GET", "/api/v1/users/u/subscriptions", "read"),
    ("GET", "/api/v1/users", "read"),
    ("GET", "/api/v1/users/u/notifications", "read"),
    ("GET", "/api/v1/topics", "read"),
    ("GET", "/api/v1/services/orders/topics/t/subscribers", "read"),
    ("GET", "/api/v1/clans/c/subscribers", "read"),
    // A response that is no error would have no end.
    ("GET", "/api/v1/tail?topic=without-its-service", "admin"),
    ("GET", "/api/v1/nodes", "read"),
    ("GET", "/api/v1/webhooks", "read"),
    ("GET", "/api/v1/webhooks/shop/dead", "read"),
    ("DELETE", "/api/v1/webhooks/shop/dead", "admin"),
    ("POST", "/api/v1/webhooks/shop/dead/replay", "admin"),
];

#[tokio::test]
async fn every_route_requires_a_key_with_its_scope() {
    let gateway = start_gateway(|_| ()).await;
    for (method, path, scope) in ROUTES {
        let method: Method = method.parse().unwrap();
        let request = || gateway.request(method.clone(), path);
        let without = execute(request()).await;
        assert_eq!(without.problem(401), "unauthorized", "{path}");
        assert_eq!(without.header("www-authenticate"), "Bearer");
        assert_eq!(execute(request().bearer_auth("unknown")).await.problem(401), "unauthorized");
        assert_eq!(execute(request().basic_auth("all", Some("all"))).await.problem(401), "unauthorized");
        for other in ["publish", "read", "admin"].into_iter().filter(|other| *other != scope) {
            assert_eq!(execute(request().bearer_auth(other)).await.problem(403), "forbidden", "{path} with {other}");
        }
        let status = execute(request().bearer_auth(scope)).await.status;
        assert!(status != 401 && status != 403, "{path} with {scope}: {status}");
    }
}

#[tokio::test]
async fn every_documented_api_route_is_tested() {
    let document = crate::http::openapi_document();
    let mut documented = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        if path.starts_with("/api/") {
            assert!(
                operations.as_object().unwrap().values().all(|operation| operation["security"].is_array()),
                "{path}"
            );
            documented.extend(operations.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
        }
    }
    assert_eq!(documented.len(), ROUTES.len(), "{documented:?}");
}

#[tokio::test]
async fn metrics_require_the_configured_token() {
    let open = start_gateway(|_| ()).await;
    let metrics = execute(open.request(Method::GET, "/metrics")).await;
    assert_eq!((metrics.status.as_u16(), metrics.header("content-type")), (200, super::super::scrape::CONTENT_TYPE));
    for name in ["gateway_store_up 1\n", "gateway_connections_limit 20000\n", "gateway_build_info{", "process_open_fds"]
    {
        assert!(metrics.text.contains(name), "{name}");
    }
    let closed = start_gateway(|config| config.metrics_token = Some(crate::config::Secret("m3trics".into()))).await;
    for wrong in ["all", "m3tric", "m3trics3"] {
        let refused = execute(closed.request(Method::GET, "/metrics").bearer_auth(wrong)).await;
        assert_eq!(refused.problem(401), "unauthorized", "{wrong}");
    }
    let allowed = execute(closed.request(Method::GET, "/metrics").bearer_auth("m3trics")).await;
    assert_eq!(allowed.status, 200);
}

#[tokio::test]
async fn metrics_on_a_public_port_require_a_token() {
    let listen = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    let public = start_gateway(|config| config.listen = listen).await;
    for token in [None, Some("all"), Some("")] {
        let request = public.request(Method::GET, "/metrics");
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        let refused = execute(request).await;
        assert_eq!(refused.problem(403), "forbidden");
        assert!(refused.text.contains("metrics.token") && refused.text.contains("internal.listen"), "{}", refused.text);
    }
    for path in ["/health", "/health/live", "/health/ready", "/health/websocket", "/docs", "/openapi.json"] {
        assert_eq!(execute(public.request(Method::GET, path)).await.status, 200, "{path}");
    }
    assert_eq!(public.get("/api/v1/nodes").await.status, 200);
    let secret = || Some(crate::config::Secret("m3trics".into()));
    let closed = start_gateway(|config| (config.listen, config.metrics_token) = (listen, secret())).await;
    assert_eq!(execute(closed.request(Method::GET, "/metrics")).await.problem(401), "unauthorized");
    assert_eq!(execute(closed.request(Method::GET, "/metrics").bearer_auth("m3trics")).await.status, 200);
    let internal = start_gateway(|config| {
        config.listen = listen;
        config.internal_listen = Some(([127, 0, 0, 1], 0).into());
    })
    .await;
    let address = internal.running.listening.internal.unwrap();
    let metrics = internal.client.get(format!("http://{address}/metrics"));
    assert_eq!(execute(metrics).await.status, 200, "the operators' port is not public");
}

async fn from(gateway: &TestGateway, origin: &str, method: Method, path: &str) -> super::TestResponse {
    let request = gateway.request(method, path).header("origin", origin);
    let body = if path.ends_with("/token") {
        json!({ "userId": "a" })
    } else {
        json!({ "userId": "a", "title": "t", "message": "m" })
    };
    execute(request.json(&body)).await
}

#[tokio::test]
async fn only_loopback_pages_get_development_tokens() {
    let gateway = start_gateway(|config| config.dev = true).await;
    for origin in ["null", "http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]"] {
        let token = from(&gateway, origin, Method::POST, "/dev/token").await;
        assert_eq!(token.header("access-control-allow-origin"), origin);
        let (token, vary) = (token.ok(200), token.header("vary").to_owned());
        assert!(token["expiresAt"].is_string() && vary == "origin");
        let identity = gateway.running.parts.auth.verify(token["token"].as_str().unwrap()).await.unwrap();
        assert_eq!(identity.user.as_str(), "a");
        let sent = from(&gateway, origin, Method::POST, "/dev/notifications").await;
        assert_eq!(sent.ok(202)["ids"].as_array().unwrap().len(), 1);
    }
    for origin in ["https://evil.test", "http://localhost.evil.test"] {
        assert_eq!(from(&gateway, origin, Method::POST, "/dev/token").await.problem(403), "forbidden");
        let health = from(&gateway, origin, Method::GET, "/health").await;
        assert_eq!((health.status.as_u16(), health.header("access-control-allow-origin")), (200, ""));
    }
    let preflight = |path: &str| {
        let request = gateway.request(Method::OPTIONS, path).header("origin", "null");
        execute(request.header("access-control-request-method", "POST"))
    };
    let response = preflight("/dev/token").await;
    assert_eq!((response.status.as_u16(), response.header("access-control-allow-origin")), (204, "null"));
    assert_eq!(response.header("access-control-allow-headers"), "content-type");
    assert_eq!(preflight("/api/v1/notifications").await.header("access-control-allow-origin"), "");
    let system = gateway.post("/dev/token", &json!({ "userId": "system" })).await;
    assert_eq!(system.problem(400), "invalid_message");
}

#[tokio::test]
async fn refuses_cross_origin_requests_without_dev_mode() {
    let gateway = start_gateway(|_| ()).await;
    assert_eq!(from(&gateway, "null", Method::POST, "/dev/token").await.problem(404), "not_found");
    assert_eq!(from(&gateway, "null", Method::GET, "/health").await.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn development_token_has_the_requested_grants_and_rejects_unknown_fields() {
    let gateway = start_gateway(|config| config.dev = true).await;
    let request = json!({
        "userId": "a", "clans": ["c"], "deviceId": "phone",
        "topics": { "dice": ["table-1", "table-2"], "orders": ["*"] },
    });
    let token = gateway.post("/dev/token", &request).await.ok(200);
    let identity = gateway.running.parts.auth.verify(token["token"].as_str().unwrap()).await.unwrap();
    assert_eq!(identity.grants.clans, ["c"]);
    assert_eq!(identity.grants.topics["dice"], ["table-1", "table-2"]);
    assert_eq!(identity.grants.topics["orders"], ["*"]);
    gateway.post("/dev/token", &json!({ "userId": "a", "clans": null, "topics": null })).await.ok(200);
    for (body, field) in [
        (json!({ "userId": "a", "clan": ["c"] }), "clan"),
        (json!({ "userId": "a", "topic": { "dice": ["*"] } }), "topic"),
        (json!({ "userId": "a", "ttl": "1h" }), "ttl"),
        (json!({ "user": "a" }), "user"),
        (json!({ "userId": "a", "topics": ["dice"] }), "topics"),
        (json!({ "userId": "a", "topics": { "dice": [] } }), "topics.dice"),
        (json!({ "userId": "a", "topics": { "dice": "*" } }), "topics.dice"),
    ] {
        let refused = gateway.post("/dev/token", &body).await;
        assert_eq!(refused.problem(400), "invalid_message");
        assert_eq!(refused.json()["details"]["field"], field, "{}", refused.text);
    }
    let odd = json!({ "userId": "a", "topics": { "No Service": ["*"] } });
    assert_eq!(gateway.post("/dev/token", &odd).await.problem(400), "invalid_message");
}
