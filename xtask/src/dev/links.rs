//! What a person needs who has just started a gateway: its links, lines to paste, and the browser SDK of its demo page.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use crate::{browser, project::Project};

/// How often the gateway is asked whether it is ready.
const INTERVAL: Duration = Duration::from_millis(100);

/// How long it may take to start, or a single question to be answered.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `cargo xtask announce` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the gateway listens.
    address: SocketAddr,
}

/// Waits until the gateway is ready, prints its links and builds the browser SDK unless it is up to date. Says nothing if
/// the gateway ends first.
///
/// # Errors
/// If standard output cannot be written, or the SDK cannot be built.
pub(crate) fn run(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let gateway = Gateway::watched();
    let begun = Instant::now();
    while !is_ready(arguments.address) {
        if !gateway.is_there() {
            return Ok(ExitCode::SUCCESS);
        }
        if begun.elapsed() > PATIENCE {
            writeln!(io::stderr(), "the gateway is not ready after {} s; its log says why", PATIENCE.as_secs())?;
            return Ok(ExitCode::FAILURE);
        }
        thread::sleep(INTERVAL);
    }
    let mut out = io::stdout();
    out.write_all(text(arguments.address).as_bytes())?;
    if !browser::is_there(project) || browser::is_sdk_fresh(project) {
        writeln!(out, "step 3 of 3: the browser SDK of the demo page is up to date\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "step 3 of 3: building the browser SDK; the demo page opens by itself when it is ready")?;
    browser::ensure_sdk(project)?;
    writeln!(out, "\nThe demo is ready: http://{}/demo\n", arguments.address)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether `GET /health/ready` answers 200.
fn is_ready(address: SocketAddr) -> bool {
    status_line(address).is_ok_and(|line| line.split(' ').nth(1) == Some("200"))
}

fn status_line(address: SocketAddr) -> io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let request = format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line)?;
    Ok(line)
}

fn text(address: SocketAddr) -> String {
    let post = |path: &str, body: &str| {
        format!("curl -s http://{address}{path} -H 'content-type: application/json' -d '{body}'")
    };
    let token = post("/dev/token", r#"{"userId":"alice","clans":["clan1"]}"#);
    let notification = post("/dev/notifications", r#"{"userId":"alice","title":"Hello","message":"It works"}"#);
    // The example knows the usual address by itself.
    let gateway = if address.port() == 4000 { String::new() } else { format!(" --gateway ws://{address}/ws") };
    let chat = "cargo run -p realtime-gateway-sdk --example chat --";
    format!(
        "
The gateway is ready.

  demo          http://{address}/demo
  WebSocket     ws://{address}/ws
  health        http://{address}/health
  connections   http://{address}/health/websocket
  HTTP API      http://{address}/docs
  protocol      http://{address}/docs/protocol
  metrics       http://{address}/metrics

A token for alice, who may chat in clan1:
  {token}
A notification for her:
  {notification}
Chat, with each line in a terminal of its own:
  {chat} alice clan1{gateway}
  {chat} bob clan1{gateway}
Ctrl-C ends the gateway.

"
    )
}

/// The process that started this one, and which the gateway has become.
struct Gateway {
    #[cfg(unix)]
    parent: u32,
}

impl Gateway {
    fn watched() -> Self {
        Self {
            #[cfg(unix)]
            parent: std::os::unix::process::parent_id(),
        }
    }

    /// Whether it still runs; a process whose parent has ended is given another one.
    #[cfg(unix)]
    fn is_there(&self) -> bool {
        std::os::unix::process::parent_id() == self.parent
    }

    /// Elsewhere nobody tells; waiting has an end all the same.
    #[cfg(not(unix))]
    fn is_there(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one request after another with these status lines.
    fn answering(statuses: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for status in statuses {
                let (mut socket, _) = listener.accept().expect("a request");
                let request = BufReader::new(&socket).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
                assert_eq!(request.collect::<Vec<_>>()[0], "GET /health/ready HTTP/1.1");
                write!(socket, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").expect("an answer");
            }
        });
        address
    }

    #[test]
    fn only_a_200_is_ready() {
        let address = answering(&["503 Service Unavailable", "200 OK"]);
        assert!(!is_ready(address));
        assert!(is_ready(address));
    }

    #[test]
    fn nobody_there_is_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        assert!(!is_ready(address));
    }

    #[test]
    fn the_chat_is_told_an_unusual_address() {
        assert!(!text("127.0.0.1:4000".parse().expect("an address")).contains("--gateway"));
        let unusual = text("127.0.0.1:4001".parse().expect("an address"));
        assert!(unusual.contains("-- alice clan1 --gateway ws://127.0.0.1:4001/ws"), "{unusual}");
    }
}
