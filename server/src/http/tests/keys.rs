//! API keys and their scopes, and the pages that may use `/dev`.

use reqwest::Method;
use serde_json::json;

use super::{Served, answered, served};

/// Every route below `/api/v1` and the one scope that it needs.
const ROUTES: [(&str, &str, &str); 12] = [
    ("POST", "/api/v1/notifications", "publish"),
    ("POST", "/api/v1/clans/c/messages", "publish"),
    ("GET", "/api/v1/clans/c/messages", "read"),
    ("DELETE", "/api/v1/clans/c/messages/m", "admin"),
    ("POST", "/api/v1/services/orders/topics/t/events", "publish"),
    ("GET", "/api/v1/users/u/sessions", "read"),
    ("DELETE", "/api/v1/users/u/sessions", "admin"),
    ("DELETE", "/api/v1/users/u/subscriptions?service=clan_chat", "admin"),
    ("POST", "/api/v1/users/u/block", "admin"),
    ("GET", "/api/v1/users/u/block", "read"),
    ("DELETE", "/api/v1/users/u/block", "admin"),
    ("GET", "/api/v1/nodes", "read"),
];

#[tokio::test]
async fn every_route_needs_a_key_with_its_scope() {
    let served = served(|_| ()).await;
    for (method, path, scope) in ROUTES {
        let method: Method = method.parse().unwrap();
        let request = || served.request(method.clone(), path);
        let without = answered(request()).await;
        assert_eq!(without.problem(401), "unauthorized", "{path}");
        assert_eq!(without.header("www-authenticate"), "Bearer");
        assert_eq!(answered(request().bearer_auth("nobody")).await.problem(401), "unauthorized");
        assert_eq!(answered(request().basic_auth("all", Some("all"))).await.problem(401), "unauthorized");
        for other in ["publish", "read", "admin"].into_iter().filter(|other| *other != scope) {
            assert_eq!(answered(request().bearer_auth(other)).await.problem(403), "forbidden", "{path} with {other}");
        }
        let status = answered(request().bearer_auth(scope)).await.status;
        assert!(status != 401 && status != 403, "{path} with {scope}: {status}");
    }
}

#[tokio::test]
async fn every_documented_route_of_the_api_is_known_here() {
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
async fn metrics_want_their_token_when_there_is_one() {
    let open = served(|_| ()).await;
    let metrics = answered(open.request(Method::GET, "/metrics")).await;
    assert_eq!((metrics.status.as_u16(), metrics.header("content-type")), (200, super::super::scrape::CONTENT_TYPE));
    for name in ["gateway_store_up 1\n", "gateway_connections_limit 20000\n", "gateway_build_info{", "process_open_fds"]
    {
        assert!(metrics.text.contains(name), "{name}");
    }
    let closed = served(|config| config.metrics_token = Some(crate::config::Secret("m3trics".into()))).await;
    for wrong in ["all", "m3tric", "m3trics3"] {
        let refused = answered(closed.request(Method::GET, "/metrics").bearer_auth(wrong)).await;
        assert_eq!(refused.problem(401), "unauthorized", "{wrong}");
    }
    let allowed = answered(closed.request(Method::GET, "/metrics").bearer_auth("m3trics")).await;
    assert_eq!(allowed.status, 200);
}

#[tokio::test]
async fn metrics_on_a_public_port_want_a_token() {
    let listen = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    let public = served(|config| config.listen = listen).await;
    for token in [None, Some("all"), Some("")] {
        let request = public.request(Method::GET, "/metrics");
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        let refused = answered(request).await;
        assert_eq!(refused.problem(403), "forbidden");
        assert!(refused.text.contains("metrics.token") && refused.text.contains("internal.listen"), "{}", refused.text);
    }
    for path in ["/health", "/health/live", "/health/ready", "/health/websocket", "/docs", "/openapi.json"] {
        assert_eq!(answered(public.request(Method::GET, path)).await.status, 200, "{path}");
    }
    assert_eq!(public.get("/api/v1/nodes").await.status, 200);
    let secret = || Some(crate::config::Secret("m3trics".into()));
    let closed = served(|config| (config.listen, config.metrics_token) = (listen, secret())).await;
    assert_eq!(answered(closed.request(Method::GET, "/metrics")).await.problem(401), "unauthorized");
    assert_eq!(answered(closed.request(Method::GET, "/metrics").bearer_auth("m3trics")).await.status, 200);
    let internal = served(|config| {
        config.listen = listen;
        config.internal_listen = Some(([127, 0, 0, 1], 0).into());
    })
    .await;
    let address = internal.running.listening.internal.unwrap();
    let metrics = internal.client.get(format!("http://{address}/metrics"));
    assert_eq!(answered(metrics).await.status, 200, "a port of its own is not public");
}

async fn from(served: &Served, origin: &str, method: Method, path: &str) -> super::Answered {
    let request = served.request(method, path).header("origin", origin);
    let body = if path.ends_with("/token") {
        json!({ "userId": "a" })
    } else {
        json!({ "userId": "a", "title": "t", "message": "m" })
    };
    answered(request.json(&body)).await
}

#[tokio::test]
async fn a_developers_pages_get_tokens_and_others_do_not() {
    let served = served(|config| config.dev = true).await;
    for origin in ["null", "http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]"] {
        let token = from(&served, origin, Method::POST, "/dev/token").await;
        assert_eq!(token.header("access-control-allow-origin"), origin);
        let (token, vary) = (token.ok(200), token.header("vary").to_owned());
        assert!(token["expiresAt"].is_string() && vary == "origin");
        let identity = served.running.node.auth.verify(token["token"].as_str().unwrap()).await.unwrap();
        assert_eq!(identity.user.as_str(), "a");
        let sent = from(&served, origin, Method::POST, "/dev/notifications").await;
        assert_eq!(sent.ok(202)["ids"].as_array().unwrap().len(), 1);
    }
    for origin in ["https://evil.test", "http://localhost.evil.test"] {
        assert_eq!(from(&served, origin, Method::POST, "/dev/token").await.problem(403), "forbidden");
        let health = from(&served, origin, Method::GET, "/health").await;
        assert_eq!((health.status.as_u16(), health.header("access-control-allow-origin")), (200, ""));
    }
    let ask = |path: &str| {
        let request = served.request(Method::OPTIONS, path).header("origin", "null");
        answered(request.header("access-control-request-method", "POST"))
    };
    let asked = ask("/dev/token").await;
    assert_eq!((asked.status.as_u16(), asked.header("access-control-allow-origin")), (204, "null"));
    assert_eq!(asked.header("access-control-allow-headers"), "content-type");
    assert_eq!(ask("/api/v1/notifications").await.header("access-control-allow-origin"), "");
    let system = served.post("/dev/token", &json!({ "userId": "system" })).await;
    assert_eq!(system.problem(400), "invalid_message");
}

#[tokio::test]
async fn without_dev_no_page_of_another_origin_reads_anything() {
    let served = served(|_| ()).await;
    assert_eq!(from(&served, "null", Method::POST, "/dev/token").await.problem(404), "not_found");
    assert_eq!(from(&served, "null", Method::GET, "/health").await.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_developers_token_allows_what_was_asked_for_and_nothing_misspelt() {
    let served = served(|config| config.dev = true).await;
    let asked = json!({
        "userId": "a", "clans": ["c"], "deviceId": "phone",
        "topics": { "dice": ["table-1", "table-2"], "orders": ["*"] },
    });
    let token = served.post("/dev/token", &asked).await.ok(200);
    let identity = served.running.node.auth.verify(token["token"].as_str().unwrap()).await.unwrap();
    assert_eq!(identity.grants.clans, ["c"]);
    assert_eq!(identity.grants.topics["dice"], ["table-1", "table-2"]);
    assert_eq!(identity.grants.topics["orders"], ["*"]);
    served.post("/dev/token", &json!({ "userId": "a", "clans": null, "topics": null })).await.ok(200);
    for (body, field) in [
        (json!({ "userId": "a", "clan": ["c"] }), "clan"),
        (json!({ "userId": "a", "topic": { "dice": ["*"] } }), "topic"),
        (json!({ "userId": "a", "ttl": "1h" }), "ttl"),
        (json!({ "user": "a" }), "user"),
        (json!({ "userId": "a", "topics": ["dice"] }), "topics"),
        (json!({ "userId": "a", "topics": { "dice": [] } }), "topics.dice"),
        (json!({ "userId": "a", "topics": { "dice": "*" } }), "topics.dice"),
    ] {
        let refused = served.post("/dev/token", &body).await;
        assert_eq!(refused.problem(400), "invalid_message");
        assert_eq!(refused.json()["details"]["field"], field, "{}", refused.text);
    }
    let odd = json!({ "userId": "a", "topics": { "No Service": ["*"] } });
    assert_eq!(served.post("/dev/token", &odd).await.problem(400), "invalid_message");
}
