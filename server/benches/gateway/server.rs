//! Starts the measured server as a separate process.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use realtime_gateway_brokers::ReservedPort;
use tempfile::TempDir;

/// The secret that tokens are signed with.
pub(crate) const SECRET: &str = "a secret of the benches, 32 bytes and more";

/// What a server and its clients speak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// The protocol of this gateway, with tokens.
    Gateway,
    /// The frames of the bare loop.
    Bare,
    /// Centrifugo's JSON protocol.
    Centrifugo,
}

/// A server process.
pub(crate) struct Server {
    child: Child,
    /// `host:port`.
    pub(crate) address: String,
    /// What its clients speak.
    pub(crate) protocol: Protocol,
    _dir: TempDir,
}

impl Server {
    /// Starts the gateway with a memory store.
    pub(crate) fn ours() -> Self {
        Self::gateway("memory")
    }

    /// Starts a gateway as one of several nodes. It sends no pings: the clients do not answer while others connect.
    pub(crate) fn node(name: &str, store: &str, bus: &str) -> Self {
        let more = format!(
            "node_id = \"{name}\"\nbus.url = \"{bus}\"\nheartbeat.interval = \"10m\"\nheartbeat.timeout = \"20m\"\n"
        );
        Self::configured(tempfile::tempdir().unwrap(), store, &more)
    }

    /// Starts the gateway with a store of this kind, `memory` or `redb`.
    pub(crate) fn gateway(store: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = if store == "memory" {
            store.to_owned()
        } else {
            format!("redb:{}", dir.path().join("bench.redb").display())
        };
        Self::configured(dir, &url, "")
    }

    /// Starts the gateway with a memory store, and with declared services whose contracts are written into its folder.
    pub(crate) fn with_services(tables: &str, write: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        Self::configured_with(dir, "memory", "", tables)
    }

    fn configured(dir: TempDir, url: &str, more: &str) -> Self {
        Self::configured_with(dir, url, more, "")
    }

    fn configured_with(dir: TempDir, url: &str, more: &str, tables: &str) -> Self {
        let config = format!(
            "{more}listen = \"127.0.0.1:0\"\nlog.format = \"json\"\nstore.url = \"{url}\"\nauth.jwt_secret = \"{SECRET}\"\n\
             limits.messages_per_second = 1000000\nlimits.burst = 1000000\nlimits.connections_per_ip = 20000\n\
             limits.connects_per_ip_per_minute = 1000000\nlimits.outbound_queue = \"16MiB\"\n{tables}"
        );
        fs::write(dir.path().join("gateway.toml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.arg("serve").current_dir(dir.path());
        Self::start(command, dir, Protocol::Gateway)
    }

    /// Starts Centrifugo as one of several nodes, with a history as long as the gateway's, without authentication and
    /// without pings.
    pub(crate) fn centrifugo(program: &Path, redis: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = serde_json::json!({
            "log": { "level": "error" },
            "client": {
                "insecure": true, "allowed_origins": ["*"], "concurrency": 0, "ping_interval": "10m",
            },
            "engine": { "type": "redis", "redis": { "address": redis } },
            "channel": { "without_namespace": {
                "allow_publish_for_client": true, "allow_subscribe_for_client": true,
                "allow_publish_for_anonymous": true, "allow_subscribe_for_anonymous": true,
                "history_size": 1000, "history_ttl": "300s",
            } },
        });
        fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
        let port = ReservedPort::take();
        let mut command = Command::new(program);
        command.arg("--config=config.json").current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null());
        command.env("CENTRIFUGO_HTTP_SERVER_ADDRESS", "127.0.0.1");
        command.env("CENTRIFUGO_HTTP_SERVER_PORT", port.number().to_string());
        let child = command.spawn().unwrap();
        let address = format!("127.0.0.1:{}", port.number());
        let server = Self { child, address, protocol: Protocol::Centrifugo, _dir: dir };
        server.wait_until(|| TcpStream::connect(&server.address).is_ok());
        server
    }

    /// Waits until the gateway is ready.
    pub(crate) fn wait_until_ready(&self) {
        self.wait_until(|| self.get("/health/ready").starts_with("HTTP/1.1 200"));
    }

    fn wait_until(&self, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < Duration::from_secs(60), "the server at {} is not ready", self.address);
            // A server sends no event when it begins to listen, so this polls.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns whether this is the gateway, which confirms messages to their senders.
    pub(crate) fn is_ours(&self) -> bool {
        self.protocol == Protocol::Gateway
    }

    /// Starts the bare loop, which is this program with `--bare`.
    pub(crate) fn bare() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--bare");
        Self::start(command, tempfile::tempdir().unwrap(), Protocol::Bare)
    }

    fn start(mut command: Command, dir: TempDir, protocol: Protocol) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        for output in
            [Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>, Box::new(child.stderr.take().unwrap())]
        {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if let Some(address) = line.split("127.0.0.1:").nth(1).filter(|_| line.contains("listening")) {
                        let port: String = address.chars().take_while(char::is_ascii_digit).collect();
                        // The benchmark may have ended, which drops the receiver.
                        let _ = sender.send(format!("127.0.0.1:{port}"));
                    }
                }
            });
        }
        let address = receiver.recv_timeout(Duration::from_secs(20)).expect("the server listens");
        Self { child, address, protocol, _dir: dir }
    }

    /// Returns the CPU time used by all threads, in nanoseconds.
    pub(crate) fn cpu(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0)
        };
        tasks.flatten().map(of).sum()
    }

    /// Returns the resident memory, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Returns the number of socket writes from the gateway's metrics; 0 for the bare loop, which makes one per
    /// delivery.
    pub(crate) fn writes(&self) -> u64 {
        if !self.is_ours() {
            return 0;
        }
        let text = self.get("/metrics");
        let line = text.lines().find(|line| line.starts_with("gateway_socket_writes_total")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Server {
    /// Returns the epoch of the store.
    pub(crate) fn epoch(&self) -> String {
        let text = self.get("/health");
        let epoch = text.split("\"epoch\":\"").nth(1).and_then(|rest| rest.split('"').next());
        epoch.unwrap().to_owned()
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
