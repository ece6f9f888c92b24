//! `cargo xtask dev --nodes 2`: two gateways behind one port, a node that is killed, and the end of all processes.

use std::{collections::HashSet, path::Path, process::Stdio};

use realtime_gateway_brokers::ReservedPort;
use realtime_gateway_tests::{Socket, eventually, gateway_program, http_client, must, signal};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// A running `cargo xtask dev --nodes 2`.
struct Cluster {
    xtask: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: ReservedPort,
    /// The folder for temporary files of all its processes.
    temporary: TempDir,
    /// `host:port` of each node and of Redis.
    addresses: Vec<String>,
    /// The process ids of the nodes and of Redis.
    pids: Vec<u32>,
}

impl Cluster {
    /// Starts two nodes and waits until the links are printed.
    async fn start() -> Self {
        let (port, temporary) = (ReservedPort::take(), tempfile::tempdir().unwrap());
        // `cargo xtask test` has built it, next to the tests.
        let xtask = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("xtask");
        let mut command = Command::new(xtask);
        command.args(["dev", "--nodes", "2", "--listen", &format!("127.0.0.1:{}", port.number()), "--program"]);
        command.arg(gateway_program()).env("TMPDIR", temporary.path()).env_remove("RUST_LOG");
        let mut xtask = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(xtask.stdout.take().unwrap()).lines();
        let mut cluster = Self { xtask, lines, port, temporary, addresses: Vec::new(), pids: Vec::new() };
        for name in ["node1", "node2", "Redis"] {
            let line = cluster.line(|line| line.starts_with(&format!("  {name} ")) && line.contains("(process ")).await;
            let (address, process) = line.split_once("  (process ").unwrap();
            cluster.addresses.push(address.rsplit_once("//").unwrap().1.to_owned());
            cluster.pids.push(process.trim_end_matches(')').parse().unwrap());
        }
        cluster
    }

    /// Returns the next line of the output that fits.
    async fn line(&mut self, fits: impl Fn(&str) -> bool) -> String {
        loop {
            let line = must("a line of xtask", self.lines.next_line()).await.unwrap().unwrap();
            if fits(&line) {
                return line;
            }
        }
    }

    /// Returns the health of the node that answers through the one port.
    async fn health(&self) -> Value {
        let url = format!("http://127.0.0.1:{}/health", self.port.number());
        http_client().get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Connects a user to one node with a token from the other.
    async fn connect(&self, node: usize, user: &str) -> Socket {
        let (own, other) = (&self.addresses[node], &self.addresses[1 - node]);
        let request = http_client().post(format!("http://{other}/dev/token"));
        let request = request.json(&json!({ "userId": user, "clans": ["*"] }));
        let made: Value = request.send().await.unwrap().json().await.unwrap();
        Socket::connect_to(&format!("ws://{own}/ws"), made["token"].as_str().unwrap()).await
    }

    /// Waits until no process and no temporary folder is left.
    async fn expect_nothing_left(&self) {
        for pid in &self.pids {
            eventually("the process has ended", || async { !Path::new(&format!("/proc/{pid}")).exists() }).await;
        }
        eventually("the folder of Redis is removed", || async {
            std::fs::read_dir(self.temporary.path()).unwrap().next().is_none()
        })
        .await;
    }
}

#[tokio::test]
async fn two_development_nodes_share_messages_tokens_and_one_port() {
    let mut cluster = Cluster::start().await;
    let mut nodes = HashSet::new();
    for _ in 0..2 {
        nodes.insert(cluster.health().await["nodeId"].as_str().unwrap().to_owned());
    }
    assert_eq!(nodes, HashSet::from(["node1".to_owned(), "node2".to_owned()]), "the nodes answer in turn");
    let (mut alice, mut bob) = (cluster.connect(0, "alice").await, cluster.connect(1, "bob").await);
    bob.join("clan1").await;
    alice.chat("clan1", "hello from the other node").await;
    assert_eq!(bob.wait_for("chat").await["content"], "hello from the other node");

    let killed = Command::new("kill").args(["-KILL", &cluster.pids[0].to_string()]).status();
    assert!(killed.await.unwrap().success());
    let line = cluster.line(|line| line.starts_with("node1 has ended")).await;
    assert!(line.contains("signal 9") && line.contains("1 of 2 nodes run"), "{line}");
    for _ in 0..4 {
        assert_eq!(cluster.health().await["nodeId"], "node2", "the other node serves the port");
    }

    signal(&cluster.xtask, "TERM").await;
    assert_eq!(must("the end of xtask", cluster.xtask.wait()).await.unwrap().code(), Some(0));
    cluster.expect_nothing_left().await;
}

#[tokio::test]
async fn killed_development_command_leaves_no_process_and_no_folder() {
    let mut cluster = Cluster::start().await;
    cluster.xtask.kill().await.unwrap();
    cluster.expect_nothing_left().await;
}
