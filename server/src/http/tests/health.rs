//! The health endpoints of orchestrators and dashboards.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc,
    time::Duration,
};

use reqwest::Method;

use super::{execute, start_gateway};

#[tokio::test]
async fn health_reports_details_and_probes_report_the_status() {
    let gateway = start_gateway(|config| config.node_id = "n1".into()).await;
    let health = gateway.get("/health").await.ok(200);
    assert_eq!((&health["status"], &health["nodeId"]), (&"ok".into(), &"n1".into()));
    assert_eq!(health["bus"]["kind"], "embedded");
    assert_eq!((&health["cluster"]["kind"], &health["cluster"]["state"]), (&"embedded".into(), &"connected".into()));
    assert_eq!(health["store"]["status"], "ok");
    assert_eq!(health["services"]["clan_chat"], "ok");
    assert_eq!(health["warnings"].as_array().unwrap().len(), 0);
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(gateway.get(path).await.ok(200)["status"], "ok", "{path}");
    }
    let websocket = gateway.get("/health/websocket").await.ok(200);
    assert_eq!((&websocket["activeConnections"], &websocket["subscriptions"]["clan_chat"]), (&0.into(), &0.into()));
}

#[tokio::test]
async fn draining_node_is_alive_but_not_ready() {
    let gateway = start_gateway(|_| ()).await;
    gateway.running.parts.node.set_draining();
    assert_eq!(gateway.get("/health").await.ok(503)["status"], "draining");
    assert_eq!(gateway.get("/health/ready").await.ok(503)["status"], "draining");
    assert_eq!(gateway.get("/health/live").await.ok(200)["status"], "ok");
    assert_eq!(gateway.get("/api/v1/nodes").await.ok(200)["nodes"][0]["draining"], true);
}

#[tokio::test]
async fn node_with_unavailable_store_is_not_ready() {
    let gateway = start_gateway(|_| ()).await;
    gateway.running.parts.store.close().await;
    // The store is checked once a second.
    while gateway.get("/health/ready").await.status == 200 {}
    assert_eq!(gateway.get("/health").await.ok(503)["status"], "unavailable");
    assert_eq!(gateway.get("/health/ready").await.ok(503)["status"], "unavailable");
    let refused = gateway.get("/api/v1/clans/c/messages").await;
    assert_eq!(refused.problem(503), "unavailable");
    assert_eq!((refused.header("retry-after"), &refused.json()["retryAfterMs"]), ("1", &1000.into()));
}

#[tokio::test]
async fn client_port_reports_only_the_status_when_operators_have_a_port() {
    let gateway = start_gateway(|config| config.internal_listen = Some("127.0.0.1:0".parse().unwrap())).await;
    assert_eq!(gateway.get("/health").await.ok(200), serde_json::json!({ "status": "ok" }));
    for path in ["/health/live", "/health/ready"] {
        gateway.get(path).await.ok(200);
    }
    for path in ["/health/websocket", "/metrics", "/docs", "/openapi.json", "/api/v1/nodes", "/docs/protocol"] {
        assert_eq!(gateway.get(path).await.problem(404), "not_found", "{path}");
        let internal = format!("http://{}{path}", gateway.running.listening.internal.unwrap());
        let request = gateway.client.request(Method::GET, internal).bearer_auth("all");
        assert_eq!(execute(request).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn health_warns_about_an_unconfigured_proxy() {
    let gateway = start_gateway(|_| ()).await;
    let handshake = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("x-forwarded-for", "203.0.113.5"),
    ];
    let request = gateway.request(Method::GET, "/ws");
    let request = handshake.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    assert_eq!(request.send().await.unwrap().status(), 101);
    let warnings = gateway.get("/health").await.ok(200)["warnings"].clone();
    assert!(warnings[0].as_str().unwrap().contains("proxies.trusted = [\"127.0.0.1\"]"), "{warnings}");
}

/// Sends a request from outside the runtime, with blocking I/O.
fn get_blocking(address: std::net::SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut response = String::new();
    match socket.read_to_string(&mut response) {
        Ok(_) => response,
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_probes_while_the_runtime_is_blocked() {
    let gateway = start_gateway(|config| config.internal_listen = Some("127.0.0.1:0".parse().unwrap())).await;
    let addresses = [gateway.running.address(), gateway.running.listening.internal.unwrap()];
    let (blocked_sender, blocked) = mpsc::channel();
    let mut releases = Vec::new();
    for _ in 0..2 {
        let (release, released) = mpsc::channel::<()>();
        let blocked_sender = blocked_sender.clone();
        gateway.running.parts.tasks.spawn(async move {
            blocked_sender.send(()).unwrap();
            // Blocks a worker thread of the runtime until the sender is dropped.
            let _ = released.recv();
        });
        releases.push(release);
    }
    assert!((0..2).all(|_| blocked.recv().is_ok()));
    let responses = addresses.map(|address| ["/health/live", "/health/ready"].map(|path| get_blocking(address, path)));
    drop(releases);
    for response in responses.iter().flatten() {
        assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("{\"status\":\"ok\"}"), "{response}");
    }
}

#[tokio::test]
async fn probe_response_is_the_same_on_new_and_reused_connections() {
    let gateway = start_gateway(|_| ()).await;
    let fresh = crate::crypto::https_client().build().unwrap();
    let url = format!("http://{}/health/ready", gateway.running.address());
    let fresh = execute(fresh.get(url)).await;
    gateway.get("/openapi.json").await.ok(200);
    let kept = gateway.get("/health/ready").await;
    assert_eq!((fresh.status, &fresh.text), (kept.status, &kept.text));
    for name in ["content-type", "cache-control", "x-content-type-options"] {
        assert_eq!(fresh.header(name).split(';').next(), kept.header(name).split(';').next(), "{name}");
    }
    let posted = gateway.request(Method::POST, "/health/ready");
    assert_eq!(execute(posted).await.problem(405), "method_not_allowed");
}
