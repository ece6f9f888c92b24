//! A gateway that is asked to shut down or to reload while it starts.

use std::{process::Stdio, time::Duration};

use realtime_gateway_tests::{Gateway, Settings, gateway_program, must, signal};
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

/// Less than a start waits for Redis or for a broker.
const IMMEDIATELY: Duration = Duration::from_secs(4);

/// A server that accepts connections and never answers, as a network does that drops what is sent.
struct BlackHole(TcpListener);

impl BlackHole {
    async fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Waits until the gateway has begun to talk to it.
    async fn entered(&self) -> TcpStream {
        let (mut socket, _) = must("a connection", self.0.accept()).await.unwrap();
        must("a first byte", socket.read(&mut [0])).await.unwrap();
        socket
    }
}

/// Waits for the end that must come soon, and gives what was logged.
async fn ended(process: Child) -> String {
    let output = tokio::time::timeout(IMMEDIATELY, process.wait_with_output()).await.expect("the end").unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    log
}

fn begin(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[tokio::test]
async fn sigterm_and_sigint_end_a_start_that_waits_for_redis() {
    for name in ["TERM", "INT"] {
        let (hole, dir) = (BlackHole::open().await, tempfile::tempdir().unwrap());
        let url = format!("\"redis://127.0.0.1:{}\"", hole.port());
        let process = begin(&mut Gateway::serve_command(dir.path(), &Settings::default().set("store.url", &url)));
        let _socket = hole.entered().await;
        // It does not end the process, and it is remembered for later.
        signal(&process, "HUP").await;
        signal(&process, name).await;
        assert!(ended(process).await.contains("asked to shut down while starting"));
    }
}

#[tokio::test]
async fn sigterm_ends_a_start_that_waits_for_a_broker_and_closes_the_data_file() {
    let (hole, dir) = (BlackHole::open().await, tempfile::tempdir().unwrap());
    let url = format!("\"amqp://127.0.0.1:{}\"", hole.port());
    let process = begin(&mut Gateway::serve_command(dir.path(), &Settings::default().set("bus.url", &url)));
    let _socket = hole.entered().await;
    signal(&process, "TERM").await;
    assert!(ended(process).await.contains("asked to shut down while starting"));

    // The same file, with nothing to repair.
    let process = begin(&mut Gateway::serve_command(dir.path(), &Settings::default().set("bus.url", &url)));
    let _socket = hole.entered().await;
    signal(&process, "TERM").await;
    let log = ended(process).await;
    assert!(!log.contains("not closed cleanly"), "{log}");
}

/// A configuration that can be read once the test writes it.
fn pipe(dir: &TempDir) -> std::path::PathBuf {
    let path = dir.path().join("gateway.toml");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[tokio::test]
async fn signals_are_received_before_the_configuration_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = pipe(&dir);
    let mut command = Command::new(gateway_program());
    command.args(["serve", "--config"]).arg(&path).current_dir(dir.path()).kill_on_drop(true);
    let process = begin(&mut command);
    // This resolves when the gateway opens it for reading.
    let writer = must("the gateway reads its configuration", tokio::fs::File::options().write(true).open(&path)).await;
    signal(&process, "HUP").await;
    signal(&process, "TERM").await;
    ended(process).await;
    drop(writer);
}
