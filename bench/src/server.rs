//! A measured server, as a process of its own.

mod gateway;
mod others;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub(crate) use self::gateway::Gateway;
use crate::generator::{Dialect, Target, Usage, trusting};

/// The folder with the certificate of the servers that use TLS.
const CERTIFICATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/brokers/certificate");
/// The authority of that certificate.
const AUTHORITY: &[u8] = include_bytes!("../../tests/fixtures/brokers/certificate/TEST_ONLY_ca.pem");
/// How long a server may take to listen, and to become ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// The programs of the servers.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Programs {
    /// The gateway, compiled for release.
    #[arg(long, value_name = "FILE")]
    pub(crate) gateway: PathBuf,
    /// Centrifugo, which is left out without this.
    #[arg(long, value_name = "FILE")]
    pub(crate) centrifugo: Option<PathBuf>,
    /// The folder whose `node_modules` has uWebSockets.js, which is left out without this.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) uwebsockets: Option<PathBuf>,
}

/// Whether clients of a server use TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Security {
    /// They do not.
    Plain,
    /// They do.
    Tls,
}

/// A server process. It ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// `host:port`.
    pub(crate) address: String,
    /// What its clients speak.
    pub(crate) dialect: Dialect,
    security: Security,
    _folder: TempDir,
}

impl Server {
    /// Starts a server that prints `listening` and its address.
    fn start(mut command: Command, folder: TempDir, dialect: Dialect, security: Security) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, receiver) = mpsc::channel();
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
        let address = receiver.recv_timeout(PATIENCE).expect("the server listens");
        Self { child, address, dialect, security, _folder: folder }
    }

    /// Returns what the load generator has to know.
    pub(crate) fn target(&self) -> Target {
        let address = self.address.parse().expect("an address of 127.0.0.1");
        let tls = (self.security == Security::Tls).then(|| trusting(AUTHORITY));
        Target { address, dialect: self.dialect, tls }
    }

    /// Waits until the gateway is ready.
    pub(crate) fn wait_until_ready(&self) {
        self.wait_until(|| self.get("/health/ready").starts_with("HTTP/1.1 200"));
    }

    fn wait_until(&self, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < PATIENCE, "the server at {} is not ready", self.address);
            // A server sends no event when it begins to listen, so this polls.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the epoch of the gateway's store.
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

impl Usage for Server {
    fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0)
        };
        Duration::from_nanos(tasks.flatten().map(of).sum())
    }

    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
