//! A node that can take no more still answers its health probes, and they cost its store nothing.

use std::net::SocketAddr;

use realtime_gateway_brokers::redis::RedisServer;
use realtime_gateway_tests::{Gateway, Settings, eventually, must};
use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

/// Asks for a path over a connection of its own, and returns what came back.
async fn once(gateway: &Gateway, path: &str) -> String {
    let asked = async {
        let mut socket = TcpStream::connect(gateway.address()).await?;
        socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    must("an answer", asked).await.unwrap_or_else(|error| error.to_string())
}

async fn is_healthy(gateway: &Gateway) {
    for path in ["/health/live", "/health/ready"] {
        let answer = once(gateway, path).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{\"status\":\"ok\"}"), "{path}: {answer}");
    }
}

/// Sockets that say nothing.
async fn crowd(gateway: &Gateway, count: usize) -> Vec<TcpStream> {
    let address: SocketAddr = gateway.address().parse().unwrap();
    let mut sockets = Vec::new();
    for _ in 0..count {
        sockets.push(must("a connection", TcpStream::connect(address)).await.unwrap());
    }
    sockets
}

/// How many descriptors the gateway has open.
fn descriptors(gateway: &Gateway) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count()
}

async fn allow_descriptors(gateway: &Gateway, count: usize) {
    let mut prlimit = Command::new("prlimit");
    let limited = prlimit.arg("--pid").arg(gateway.pid().to_string()).arg(format!("--nofile={count}:{count}")).status();
    assert!(limited.await.unwrap().success());
}

fn patient() -> Settings {
    Settings::default().set("limits.handshake_timeout", "\"60s\"")
}

#[tokio::test]
async fn a_node_at_its_limit_of_connections_answers_probes() {
    let gateway = Gateway::with(patient().set("limits.connections", "4")).await;
    let silent = crowd(&gateway, 600).await;
    is_healthy(&gateway).await;
    let refused = once(&gateway, "/openapi.json").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("the node is full"), "{refused}");
    is_healthy(&gateway).await;
    drop(silent);
    eventually("room", || async { once(&gateway, "/openapi.json").await.starts_with("HTTP/1.1 200") }).await;
}

#[tokio::test]
async fn an_address_beyond_its_limits_gets_its_probes_answered() {
    let gateway = Gateway::with(patient().set("limits.connections_per_ip", "2")).await;
    let _silent = crowd(&gateway, 400).await;
    is_healthy(&gateway).await;
    let refused = once(&gateway, "/openapi.json").await;
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("rate_limited"), "{refused}");
}

#[tokio::test]
async fn a_node_with_few_file_descriptors_answers_probes() {
    let gateway = Gateway::with(patient().set("limits.connections_per_ip", "100000")).await;
    allow_descriptors(&gateway, 1_200).await;
    let _silent = crowd(&gateway, 1_500).await;
    is_healthy(&gateway).await;
    // Sockets are refused before the descriptors end.
    assert!(!gateway.log().iter().any(|line| line.contains("no socket can be accepted")), "{:#?}", gateway.log());
}

#[tokio::test]
async fn a_node_whose_descriptors_are_taken_away_answers_probes() {
    let gateway = Gateway::with(patient()).await;
    let _silent = crowd(&gateway, 100).await;
    eventually("the crowd is in", || async { descriptors(&gateway) > 100 }).await;
    allow_descriptors(&gateway, 40).await;
    let _more = crowd(&gateway, 300).await;
    is_healthy(&gateway).await;
    assert!(gateway.log().iter().any(|line| line.contains("no socket can be accepted")));
    is_healthy(&gateway).await;
}

#[tokio::test]
async fn probes_do_not_wait_for_a_store_that_stalls() {
    let mut redis = tokio::task::spawn_blocking(|| RedisServer::with(&[("appendonly", "yes")])).await.unwrap();
    let gateway = Gateway::with(Settings::default().set("store.url", &format!("\"{}\"", redis.url()))).await;
    redis.process().pause();
    // So many that each could not have waited for the store.
    must("the answers", async {
        for _ in 0..200 {
            let answer = once(&gateway, "/health/ready").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            let answer = once(&gateway, "/health/live").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    })
    .await;
    eventually("degraded", || async { once(&gateway, "/health/ready").await.contains("degraded") }).await;
    redis.process().resume();
    eventually("ok again", || async { gateway.api().health().await["store"]["status"] == "ok" }).await;
}

#[tokio::test]
async fn health_and_metrics_cost_the_store_the_same_whatever_asks() {
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
    // A reconciliation and a question to the store each second, of a few commands each, and what a script calls inside.
    let most = 60 + 30 * began.elapsed().as_secs();
    assert!(calls() - before <= most, "{} commands, {most} at most", calls() - before);
}
