//! The server under measurement, in a process of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

/// The secret that tokens are signed with.
pub(crate) const SECRET: &str = "a secret of the benches, 32 bytes and more";

/// A server process.
pub(crate) struct Server {
    child: Child,
    /// `host:port`.
    pub(crate) address: String,
    /// Whether this is the gateway, which wants tokens and speaks its protocol.
    pub(crate) is_ours: bool,
    _dir: TempDir,
}

impl Server {
    /// The gateway with its store in memory.
    pub(crate) fn ours() -> Self {
        Self::gateway("memory")
    }

    /// One of several nodes.
    pub(crate) fn node(name: &str, store: &str, bus: &str) -> Self {
        Self::configured(tempfile::tempdir().unwrap(), store, &format!("node_id = \"{name}\"\nbus.url = \"{bus}\"\n"))
    }

    /// The gateway with a store.
    pub(crate) fn gateway(store: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = if store == "memory" {
            store.to_owned()
        } else {
            format!("redb:{}", dir.path().join("bench.redb").display())
        };
        Self::configured(dir, &url, "")
    }

    fn configured(dir: TempDir, url: &str, more: &str) -> Self {
        let config = format!(
            "{more}listen = \"127.0.0.1:0\"\nlog.format = \"json\"\nstore.url = \"{url}\"\nauth.jwt_secret = \"{SECRET}\"\n\
             limits.messages_per_second = 1000000\nlimits.burst = 1000000\nlimits.connections_per_ip = 20000\n\
             limits.connects_per_ip_per_minute = 1000000\nlimits.outbound_queue = \"16MiB\"\n"
        );
        fs::write(dir.path().join("gateway.toml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
        command.arg("serve").current_dir(dir.path());
        Self::start(command, dir, true)
    }

    /// The bare loop: this very program with `--bare`.
    pub(crate) fn bare() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--bare");
        Self::start(command, tempfile::tempdir().unwrap(), false)
    }

    fn start(mut command: Command, dir: TempDir, is_ours: bool) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        for output in
            [Box::new(child.stdout.take().unwrap()) as Box<dyn Read + Send>, Box::new(child.stderr.take().unwrap())]
        {
            let tell = tell.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if let Some(address) = line.split("127.0.0.1:").nth(1).filter(|_| line.contains("listening")) {
                        let port: String = address.chars().take_while(char::is_ascii_digit).collect();
                        // The bench may have ended meanwhile.
                        let _ = tell.send(format!("127.0.0.1:{port}"));
                    }
                }
            });
        }
        let address = told.recv_timeout(Duration::from_secs(20)).expect("the server listens");
        Self { child, address, is_ours, _dir: dir }
    }

    /// CPU time that all its threads have used, in nanoseconds.
    pub(crate) fn cpu(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0)
        };
        tasks.flatten().map(of).sum()
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// How many writes to sockets it says that it has made; nothing for the bare loop, which makes one a delivery.
    pub(crate) fn writes(&self) -> u64 {
        if !self.is_ours {
            return 0;
        }
        let text = self.get("/metrics");
        let line = text.lines().find(|line| line.starts_with("gateway_socket_writes_total")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Server {
    /// The epoch of its store.
    pub(crate) fn epoch(&self) -> String {
        let text = self.get("/health");
        let epoch = text.split("\"epoch\":\"").nth(1).and_then(|rest| rest.split('"').next());
        epoch.unwrap().to_owned()
    }

    fn get(&self, path: &str) -> String {
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
