//! Standard error that blocks or fails: the node drops log lines, keeps serving, and shuts down in time.

use std::{
    fs::File,
    process::Stdio,
    time::{Duration, Instant},
};

use realtime_gateway_brokers::ReservedPort;
use realtime_gateway_tests::{Api, Gateway, Settings, TIMEOUT, Token, eventually, must, signal};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// A gateway whose standard error a test controls.
struct GatewayWithStderr {
    process: Child,
    api: Api,
    address: String,
    _port: ReservedPort,
    _dir: TempDir,
}

impl GatewayWithStderr {
    /// Starts a gateway whose standard error `configure` sets up.
    async fn start(configure: impl FnOnce(Command) -> Command) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = ReservedPort::take();
        let address = format!("127.0.0.1:{}", port.number());
        let settings = Settings::default()
            .set("listen", &format!("\"{address}\""))
            .set("drain.delay", "\"0s\"")
            .set("drain.spread", "\"0s\"");
        let mut command = configure(Gateway::serve_command(dir.path(), &settings));
        let process = command.stdout(Stdio::null()).spawn().unwrap();
        eventually("the gateway listens", || async { TcpStream::connect(&address).await.is_ok() }).await;
        Self { process, api: Api::new(&address), address, _port: port, _dir: dir }
    }

    async fn dropped(&self) -> u64 {
        let metrics = self.api.call(reqwest::Method::GET, "/metrics", None).await.text().await.unwrap();
        let line = metrics.lines().find(|line| line.starts_with("gateway_log_lines_dropped_total "));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Makes the gateway log a line of 10 KiB, by a refused origin of that length.
    async fn log_large_line(&self, number: usize) {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        let origin = format!("https://{}.example", number.to_string().repeat(10 * 1024 / number.to_string().len()));
        request.headers_mut().insert("origin", origin.parse().unwrap());
        assert!(must("the refusal", tokio_tungstenite::connect_async(request)).await.is_err());
    }

    /// Causes log lines until some are dropped, and then checks HTTP and WebSocket requests.
    async fn serves_while_lines_are_dropped(&self) {
        let mut number = 0;
        while self.dropped().await == 0 {
            self.log_large_line(number).await;
            number += 1;
            assert!(number < 250, "2.5 MB of lines and none was dropped");
        }
        assert_eq!(self.api.call(reqwest::Method::GET, "/health/live", None).await.status(), 200);
        self.api.notify("alice", "while the log is stuck").await;
        let url = format!("ws://{}/ws?token={}", self.address, Token::for_user("alice").text());
        let (mut socket, _) = must("the upgrade", tokio_tungstenite::connect_async(url)).await.unwrap();
        let chat = json!({ "type": "chat", "clanId": "c", "content": "hello" }).to_string();
        futures_util::SinkExt::send(&mut socket, chat.into()).await.unwrap();
        loop {
            let message = must("a confirmation", futures_util::StreamExt::next(&mut socket)).await.unwrap().unwrap();
            if message.to_text().unwrap().contains("message_sent") {
                break;
            }
        }
    }

    /// Sends SIGTERM and checks that the gateway exits with 0 within 8 s.
    async fn terminate(mut self) {
        signal(&self.process, "TERM").await;
        let started = Instant::now();
        let status = must("the gateway exits", self.process.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn serves_and_stops_while_log_pipe_is_not_read() {
    let gateway = GatewayWithStderr::start(|mut command| {
        command.stderr(Stdio::piped());
        command
    })
    .await;
    gateway.serves_while_lines_are_dropped().await;
    gateway.terminate().await;
}

#[tokio::test]
async fn serves_and_stops_when_log_writes_fail() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (reader, gone) = std::io::pipe().unwrap();
    drop(reader);
    for stderr in [Stdio::from(full), Stdio::from(gone)] {
        let gateway = GatewayWithStderr::start(move |mut command| {
            command.stderr(stderr);
            command
        })
        .await;
        gateway.serves_while_lines_are_dropped().await;
        gateway.terminate().await;
    }
}

#[tokio::test]
async fn runs_with_closed_standard_error() {
    let gateway = GatewayWithStderr::start(|command| {
        let command = command.into_std();
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$@\" 2>&-", "sh"]).arg(command.get_program()).args(command.get_args());
        shell.current_dir(command.get_current_dir().unwrap()).kill_on_drop(true);
        shell
    })
    .await;
    assert_eq!(gateway.dropped().await, 0);
    gateway.terminate().await;
}

#[tokio::test]
async fn writes_whole_lines_in_order_and_count_of_dropped_lines() {
    let mut gateway = GatewayWithStderr::start(|mut command| {
        command.stderr(Stdio::piped());
        command
    })
    .await;
    gateway.serves_while_lines_are_dropped().await;
    let mut lines = BufReader::new(gateway.process.stderr.take().unwrap()).lines();
    let mut last = String::new();
    let read = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("a line with the number of dropped lines");
            let line: Value = serde_json::from_str(&line).expect("a whole line");
            let at = line["timestamp"].as_str().unwrap().to_owned();
            // Two threads may take their timestamps in one order and enter the queue in the other, so compare
            // hundredths of seconds.
            assert!(at.get(..22) >= last.get(..22), "{at} after {last}");
            last = at;
            if line["fields"]["message"].as_str().unwrap_or_default().starts_with("log lines were dropped") {
                return line["fields"]["lines"].as_u64().unwrap();
            }
        }
    };
    let reported = tokio::time::timeout(TIMEOUT, read).await.expect("a line with the number of dropped lines");
    assert!(reported > 0 && reported <= gateway.dropped().await);
    // The gateway writes its last lines before it exits.
    let rest = async {
        let mut last = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            last = line;
        }
        last
    };
    let (last, ()) = tokio::join!(rest, gateway.terminate());
    assert!(last.contains("\"gone\""), "{last}");
}
