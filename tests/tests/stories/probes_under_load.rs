//! Health probes: a node at its limits still answers them, and they add no load to its store.

use std::net::SocketAddr;

use realtime_gateway_brokers::redis::RedisServer;
use realtime_gateway_tests::{Gateway, Settings, eventually, must};
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

/// Sends `GET` over a new connection and returns the raw response, or the I/O error as text.
async fn get(gateway: &Gateway, path: &str) -> String {
    let exchange = async {
        let mut socket = TcpStream::connect(gateway.address()).await?;
        socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await?;
        let mut response = String::new();
        socket.read_to_string(&mut response).await?;
        std::io::Result::Ok(response)
    };
    must("the response", exchange).await.unwrap_or_else(|error| error.to_string())
}

async fn expect_healthy(gateway: &Gateway) {
    for path in ["/health/live", "/health/ready"] {
        let response = get(gateway, path).await;
        assert!(
            response.starts_with("HTTP/1.1 200") && response.ends_with("{\"status\":\"ok\"}"),
            "{path}: {response}"
        );
    }
}

/// Opens sockets that send nothing.
async fn connect_silent_clients(gateway: &Gateway, count: usize) -> Vec<TcpStream> {
    let address: SocketAddr = gateway.address().parse().unwrap();
    let mut sockets = Vec::new();
    for _ in 0..count {
        sockets.push(must("a connection", TcpStream::connect(address)).await.unwrap());
    }
    sockets
}

/// Returns the number of file descriptors that the gateway has open.
fn descriptors(gateway: &Gateway) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count()
}

async fn allow_descriptors(gateway: &Gateway, count: usize) {
    let mut prlimit = Command::new("prlimit");
    let limited = prlimit.arg("--pid").arg(gateway.pid().to_string()).arg(format!("--nofile={count}:{count}")).status();
    assert!(limited.await.unwrap().success());
}

fn long_handshake_timeout() -> Settings {
    Settings::default().set("limits.handshake_timeout", "\"60s\"")
}

#[tokio::test]
async fn answers_probes_at_connection_limit() {
    let gateway = Gateway::with(long_handshake_timeout().set("limits.connections", "4")).await;
    let silent = connect_silent_clients(&gateway, 600).await;
    expect_healthy(&gateway).await;
    let refused = get(&gateway, "/openapi.json").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("the node is full"), "{refused}");
    expect_healthy(&gateway).await;
    drop(silent);
    eventually("connections are accepted again", || async {
        get(&gateway, "/openapi.json").await.starts_with("HTTP/1.1 200")
    })
    .await;
}

#[tokio::test]
async fn answers_probes_of_address_beyond_its_connection_limit() {
    let gateway = Gateway::with(long_handshake_timeout().set("limits.connections_per_ip", "2")).await;
    let _silent = connect_silent_clients(&gateway, 400).await;
    expect_healthy(&gateway).await;
    let refused = get(&gateway, "/openapi.json").await;
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("rate_limited"), "{refused}");
}

#[tokio::test]
async fn answers_probes_with_low_descriptor_limit() {
    let gateway = Gateway::with(long_handshake_timeout().set("limits.connections_per_ip", "100000")).await;
    allow_descriptors(&gateway, 1_200).await;
    let _silent = connect_silent_clients(&gateway, 1_500).await;
    expect_healthy(&gateway).await;
    // The gateway refuses sockets before it runs out of descriptors.
    assert!(!gateway.log().iter().any(|line| line.contains("cannot accept sockets")), "{:#?}", gateway.log());
}

#[tokio::test]
async fn answers_probes_when_descriptors_are_exhausted() {
    let gateway = Gateway::with(long_handshake_timeout()).await;
    let _silent = connect_silent_clients(&gateway, 100).await;
    eventually("the connections are accepted", || async { descriptors(&gateway) > 100 }).await;
    allow_descriptors(&gateway, 40).await;
    let _more = connect_silent_clients(&gateway, 300).await;
    expect_healthy(&gateway).await;
    assert!(gateway.log().iter().any(|line| line.contains("cannot accept sockets")));
    expect_healthy(&gateway).await;
}

#[tokio::test]
async fn answers_probes_while_store_is_stalled() {
    let mut redis = tokio::task::spawn_blocking(|| RedisServer::with(&[("appendonly", "yes")])).await.unwrap();
    let gateway = Gateway::with(Settings::default().set("store.url", &format!("\"{}\"", redis.url()))).await;
    redis.process().pause();
    // 200 rounds would exceed the time limit if each of them waited for the store.
    must("the responses", async {
        for _ in 0..200 {
            let response = get(&gateway, "/health/ready").await;
            assert!(response.starts_with("HTTP/1.1 200"), "{response}");
            let response = get(&gateway, "/health/live").await;
            assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        }
    })
    .await;
    eventually("the store is reported as degraded", || async {
        get(&gateway, "/health/ready").await.contains("degraded")
    })
    .await;
    redis.process().resume();
    eventually("the store is reported as ok", || async { gateway.api().health().await["store"]["status"] == "ok" })
        .await;
}

#[tokio::test]
async fn health_and_metrics_requests_add_no_store_commands() {
    let redis = tokio::task::spawn_blocking(|| RedisServer::with(&[("appendonly", "yes")])).await.unwrap();
    let gateway = Gateway::with(Settings::default().set("store.url", &format!("\"{}\"", redis.url()))).await;
    let calls = || {
        let calls = redis.cli(&["info", "stats"]);
        let calls = calls.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).unwrap().to_owned();
        calls.trim().parse::<u64>().unwrap()
    };
    let before = calls();
    let began = std::time::Instant::now();
    let api = gateway.api();
    for _ in 0..250 {
        for path in ["/health", "/health/ready", "/health/live", "/metrics"] {
            assert_eq!(api.call(Method::GET, path, None).await.status(), 200, "{path}");
        }
    }
    // Each second has one reconciliation and one health check, of a few commands each, plus the commands inside
    // scripts.
    let most = 60 + 30 * began.elapsed().as_secs();
    assert!(calls() - before <= most, "{} commands, {most} at most", calls() - before);
}
