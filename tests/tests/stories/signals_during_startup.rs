//! Signals that arrive while the gateway starts.

use std::{process::Stdio, time::Duration};

use realtime_gateway_tests::{Gateway, Settings, gateway_program, must, signal};
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

/// Shorter than the time for which a start waits for Redis or a broker.
const IMMEDIATELY: Duration = Duration::from_secs(4);

/// A server that accepts connections and never answers, like a network that drops packets.
struct BlackHole(TcpListener);

impl BlackHole {
    async fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Waits until the gateway has connected and sent a first byte.
    async fn wait_for_first_byte(&self) -> TcpStream {
        let (mut socket, _) = must("a connection", self.0.accept()).await.unwrap();
        must("a first byte", socket.read(&mut [0])).await.unwrap();
        socket
    }
}

/// Waits for the process, which must exit with 0 soon, and returns its log.
async fn expect_prompt_exit(process: Child) -> String {
    let output = tokio::time::timeout(IMMEDIATELY, process.wait_with_output())
        .await
        .expect("the process exits in time")
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    log
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[tokio::test]
async fn stops_on_sigterm_and_sigint_while_connecting_to_redis() {
    for name in ["TERM", "INT"] {
        let (hole, dir) = (BlackHole::open().await, tempfile::tempdir().unwrap());
        let url = format!("\"redis://127.0.0.1:{}\"", hole.port());
        let process = spawn(&mut Gateway::serve_command(dir.path(), &Settings::default().set("store.url", &url)));
        let _socket = hole.wait_for_first_byte().await;
        // SIGHUP does not end the process; the reload happens after the start.
        signal(&process, "HUP").await;
        signal(&process, name).await;
        assert!(expect_prompt_exit(process).await.contains("asked to shut down while starting"));
    }
}

#[tokio::test]
async fn stops_on_sigterm_while_connecting_to_broker_and_closes_store() {
    let (hole, dir) = (BlackHole::open().await, tempfile::tempdir().unwrap());
    let url = format!("\"amqp://127.0.0.1:{}\"", hole.port());
    let process = spawn(&mut Gateway::serve_command(dir.path(), &Settings::default().set("bus.url", &url)));
    let _socket = hole.wait_for_first_byte().await;
    signal(&process, "TERM").await;
    assert!(expect_prompt_exit(process).await.contains("asked to shut down while starting"));

    // The second start finds a cleanly closed data file.
    let process = spawn(&mut Gateway::serve_command(dir.path(), &Settings::default().set("bus.url", &url)));
    let _socket = hole.wait_for_first_byte().await;
    signal(&process, "TERM").await;
    let log = expect_prompt_exit(process).await;
    assert!(!log.contains("not closed cleanly"), "{log}");
}

/// Creates a configuration file that is a pipe, so that reading it blocks until the test writes.
fn pipe(dir: &TempDir) -> std::path::PathBuf {
    let path = dir.path().join("gateway.toml");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[tokio::test]
async fn handles_signals_before_reading_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let path = pipe(&dir);
    let mut command = Command::new(gateway_program());
    command.args(["serve", "--config"]).arg(&path).current_dir(dir.path()).kill_on_drop(true);
    let process = spawn(&mut command);
    // This resolves when the gateway opens it for reading.
    let writer = must("the gateway reads its configuration", tokio::fs::File::options().write(true).open(&path)).await;
    signal(&process, "HUP").await;
    signal(&process, "TERM").await;
    expect_prompt_exit(process).await;
    drop(writer);
}
