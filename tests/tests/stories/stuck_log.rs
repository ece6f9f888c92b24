//! Standard error that takes nothing: the node serves as if there were no log, and ends when it is told to.

use std::{
    fs::File,
    process::Stdio,
    time::{Duration, Instant},
};

use realtime_gateway_brokers::ReservedPort;
use realtime_gateway_tests::{Api, Gateway, PATIENCE, Settings, Token, eventually, must, signal};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// A gateway that logs much more than standard error takes.
struct Flooding {
    process: Child,
    api: Api,
    address: String,
    _port: ReservedPort,
    _dir: TempDir,
}

impl Flooding {
    /// Starts one whose standard error is what `configure` makes it.
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
        eventually("the start", || async { TcpStream::connect(&address).await.is_ok() }).await;
        Self { process, api: Api::new(&address), address, _port: port, _dir: dir }
    }

    async fn dropped(&self) -> u64 {
        let metrics = self.api.call(reqwest::Method::GET, "/metrics", None).await.text().await.unwrap();
        let line = metrics.lines().find(|line| line.starts_with("gateway_log_lines_dropped_total "));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Has the gateway log a line of 10 KiB.
    async fn log_much(&self, number: usize) {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        let origin = format!("https://{}.example", number.to_string().repeat(10 * 1024 / number.to_string().len()));
        request.headers_mut().insert("origin", origin.parse().unwrap());
        assert!(must("the refusal", tokio_tungstenite::connect_async(request)).await.is_err());
    }

    /// Sends requests until lines are dropped, and uses everything meanwhile.
    async fn serves_while_lines_are_dropped(&self) {
        let mut number = 0;
        while self.dropped().await == 0 {
            self.log_much(number).await;
            number += 1;
            assert!(number < 250, "2.5 MB of lines and none was dropped");
        }
        assert_eq!(self.api.call(reqwest::Method::GET, "/health/live", None).await.status(), 200);
        self.api.notify("alice", "while the log is stuck").await;
        let url = format!("ws://{}/ws?token={}", self.address, Token::of("alice").text());
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

    /// Tells it to go, and waits for the end.
    async fn goes(mut self) {
        signal(&self.process, "TERM").await;
        let begun = Instant::now();
        let status = must("the end", self.process.wait()).await.unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_pipe_that_is_not_read_holds_up_nothing() {
    let gateway = Flooding::start(|mut command| {
        command.stderr(Stdio::piped());
        command
    })
    .await;
    gateway.serves_while_lines_are_dropped().await;
    gateway.goes().await;
}

#[tokio::test]
async fn a_full_disk_and_a_reader_that_is_gone_hold_up_nothing() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (reader, gone) = std::io::pipe().unwrap();
    drop(reader);
    for stderr in [Stdio::from(full), Stdio::from(gone)] {
        let gateway = Flooding::start(move |mut command| {
            command.stderr(stderr);
            command
        })
        .await;
        gateway.serves_while_lines_are_dropped().await;
        gateway.goes().await;
    }
}

#[tokio::test]
async fn standard_error_that_is_closed_is_no_failure() {
    let gateway = Flooding::start(|command| {
        let command = command.into_std();
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$@\" 2>&-", "sh"]).arg(command.get_program()).args(command.get_args());
        shell.current_dir(command.get_current_dir().unwrap()).kill_on_drop(true);
        shell
    })
    .await;
    assert_eq!(gateway.dropped().await, 0);
    gateway.goes().await;
}

#[tokio::test]
async fn a_reader_that_comes_back_gets_whole_lines_in_order_and_the_count() {
    let mut gateway = Flooding::start(|mut command| {
        command.stderr(Stdio::piped());
        command
    })
    .await;
    gateway.serves_while_lines_are_dropped().await;
    let mut lines = BufReader::new(gateway.process.stderr.take().unwrap()).lines();
    let mut last = String::new();
    let read = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the count of what was dropped");
            let line: Value = serde_json::from_str(&line).expect("a whole line");
            let at = line["timestamp"].as_str().unwrap().to_owned();
            // Two threads may take their times in one order and reach the queue in the other.
            assert!(at.get(..22) >= last.get(..22), "{at} after {last}");
            last = at;
            if line["fields"]["message"].as_str().unwrap_or_default().starts_with("log lines were dropped") {
                return line["fields"]["lines"].as_u64().unwrap();
            }
        }
    };
    let reported = tokio::time::timeout(PATIENCE, read).await.expect("the count of what was dropped");
    assert!(reported > 0 && reported <= gateway.dropped().await);
    // What comes last is written before the process ends.
    let rest = async {
        let mut last = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            last = line;
        }
        last
    };
    let (last, ()) = tokio::join!(rest, gateway.goes());
    assert!(last.contains("\"gone\""), "{last}");
}
