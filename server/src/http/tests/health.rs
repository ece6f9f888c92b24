//! What orchestrators and dashboards are told.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc,
    time::Duration,
};

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
    // The store is asked once a second.
    while served.get("/health/ready").await.status == 200 {}
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

/// Asks from outside of the runtime.
fn ask_blocking(address: std::net::SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    match socket.read_to_string(&mut answer) {
        Ok(_) => answer,
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_are_answered_while_the_runtime_does_something_else() {
    let served = served(|config| config.internal_listen = Some("127.0.0.1:0".parse().unwrap())).await;
    let addresses = [served.running.address(), served.running.listening.internal.unwrap()];
    let (at_work, working) = mpsc::channel();
    let mut releases = Vec::new();
    for _ in 0..2 {
        let (release, released) = mpsc::channel::<()>();
        let at_work = at_work.clone();
        served.running.node.tasks.spawn(async move {
            at_work.send(()).unwrap();
            // Blocks a worker of the runtime, until the other end is dropped.
            let _ = released.recv();
        });
        releases.push(release);
    }
    assert!((0..2).all(|_| working.recv().is_ok()));
    let answers = addresses.map(|address| ["/health/live", "/health/ready"].map(|path| ask_blocking(address, path)));
    drop(releases);
    for answer in answers.iter().flatten() {
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{\"status\":\"ok\"}"), "{answer}");
    }
}

#[tokio::test]
async fn a_probe_is_answered_alike_on_a_socket_of_its_own_and_behind_another_request() {
    let served = served(|_| ()).await;
    let fresh = crate::crypto::https_client().build().unwrap();
    let url = format!("http://{}/health/ready", served.running.address());
    let fresh = answered(fresh.get(url)).await;
    served.get("/openapi.json").await.ok(200);
    let kept = served.get("/health/ready").await;
    assert_eq!((fresh.status, &fresh.text), (kept.status, &kept.text));
    for name in ["content-type", "cache-control", "x-content-type-options"] {
        assert_eq!(fresh.header(name).split(';').next(), kept.header(name).split(';').next(), "{name}");
    }
    let posted = served.request(Method::POST, "/health/ready");
    assert_eq!(answered(posted).await.problem(405), "method_not_allowed");
}
