//! Invalid requests, and the problems that they return.

use reqwest::Method;
use serde_json::json;

use super::{execute, start_gateway};

#[tokio::test]
async fn reports_unknown_paths_and_unsupported_methods() {
    let gateway = start_gateway(|_| ()).await;
    for path in ["/nowhere", "/demo", "/dev/token", "/health/", "/schema/other.json"] {
        assert_eq!(gateway.get(path).await.problem(404), "not_found", "{path}");
    }
    for (method, path, allow) in [
        (Method::DELETE, "/health", "GET, HEAD"),
        (Method::OPTIONS, "/metrics", "GET, HEAD"),
        (Method::GET, "/api/v1/notifications", "POST"),
        (Method::PUT, "/api/v1/clans/c/messages", "POST, GET, HEAD"),
        (Method::GET, "/api/v1/clans/c/messages/m", "DELETE"),
        (Method::POST, "/docs/swagger-ui.js", "GET, HEAD"),
    ] {
        let refused = execute(gateway.request(method, path)).await;
        assert_eq!(refused.problem(405), "method_not_allowed");
        assert_eq!(refused.header("allow"), allow, "{path}");
    }
    let head = execute(gateway.request(Method::HEAD, "/health")).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn rejects_bodies_that_are_not_valid_json() {
    let gateway = start_gateway(|_| ()).await;
    let send = |content_type: &'static str, body: String| {
        let request = gateway.request(Method::POST, "/api/v1/notifications").bearer_auth("all");
        let request = if content_type.is_empty() { request } else { request.header("content-type", content_type) };
        execute(request.body(body))
    };
    let good = || json!({ "userId": "a", "title": "t", "message": "m" }).to_string();
    assert_eq!(send("", good()).await.problem(415), "unsupported_media_type");
    assert_eq!(send("text/plain", good()).await.problem(415), "unsupported_media_type");
    send("Application/JSON; charset=utf-8", good()).await.ok(202);
    for broken in ["", "{", "nothing", "{} {}"] {
        assert_eq!(send("application/json", broken.into()).await.problem(400), "invalid_json", "{broken}");
    }
    let deep = format!(r#"{{"userId":"a","title":"t","message":"m","data":{}{}}}"#, "[".repeat(70), "]".repeat(70));
    assert_eq!(send("application/json", deep).await.problem(400), "invalid_json");
    let request = gateway.request(Method::POST, "/api/v1/notifications").bearer_auth("all");
    let bytes = execute(request.header("content-type", "application/json").body(vec![b'{', 0xff])).await;
    assert_eq!(bytes.problem(400), "invalid_json");
    assert_eq!(send("application/json", "[\"a\"]".into()).await.problem(400), "invalid_message");
}

#[tokio::test]
async fn rejects_body_over_the_limit() {
    let gateway = start_gateway(|config| config.limits.http_body = 4_096).await;
    let body = json!({ "userId": "a", "title": "t", "message": "m".repeat(5_000) });
    assert_eq!(gateway.post("/api/v1/notifications", &body).await.problem(413), "message_too_large");
    let fits = json!({ "userId": "a", "title": "t", "message": "m".repeat(4_000) });
    gateway.post("/api/v1/notifications", &fits).await.ok(202);
}

#[tokio::test]
async fn names_invalid_fields_and_parameters() {
    let gateway = start_gateway(|_| ()).await;
    let notification = |change: &str, value: serde_json::Value| {
        let mut body = json!({ "userId": "a", "title": "t", "message": "m" });
        body[change] = value;
        body
    };
    for (field, value) in [
        ("userId", json!("a b")),
        ("userId", json!(1)),
        ("title", json!("")),
        ("title", json!("t".repeat(257))),
        ("title", json!(null)),
        ("message", json!("m".repeat(10_001))),
        ("id", json!("")),
        ("ttlSeconds", json!(0)),
        ("ttlSeconds", json!(1.5)),
        ("ttlSeconds", json!("60")),
    ] {
        let refused = gateway.post("/api/v1/notifications", &notification(field, value.clone())).await;
        assert_eq!(refused.problem(400), "invalid_message", "{field}: {value}");
        assert_eq!(refused.json()["details"]["field"], field, "{}", refused.text);
    }
    for body in [
        json!({ "title": "t", "message": "m" }),
        json!({ "userId": "a", "userIds": ["b"], "title": "t", "message": "m" }),
        json!({ "userIds": [], "title": "t", "message": "m" }),
        json!({ "userIds": vec!["a"; 1_001], "title": "t", "message": "m" }),
    ] {
        assert_eq!(gateway.post("/api/v1/notifications", &body).await.problem(400), "invalid_message");
    }
    for (path, field) in [
        ("/api/v1/clans/a%20b/messages", "clanId"),
        ("/api/v1/clans//messages", "clanId"),
        ("/api/v1/clans/%ff/messages", "clanId"),
        ("/api/v1/clans/c/messages?limit=0", "limit"),
        ("/api/v1/clans/c/messages?limit=101", "limit"),
        ("/api/v1/clans/c/messages?after=-1", "position"),
        ("/api/v1/clans/c/messages?before=9007199254740992", "position"),
    ] {
        let refused = gateway.get(path).await;
        assert_eq!(refused.problem(400), "invalid_message", "{path}");
        assert_eq!(refused.json()["details"]["field"], field, "{path}");
    }
    assert_eq!(gateway.delete("/api/v1/users/a/subscriptions").await.problem(400), "invalid_message");
    assert_eq!(gateway.delete("/api/v1/users/a/sessions?reconnect=maybe").await.problem(400), "invalid_message");
}
