//! `cargo xtask announce`: prints the links and example commands of a started gateway, builds the browser SDK, and runs
//! the backend of the example service.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use crate::{browser, project::Project};

/// The time between two readiness checks.
const INTERVAL: Duration = Duration::from_millis(100);

/// The time limit for the start, and for a single request.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The arguments of `cargo xtask announce`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The address on which the gateway listens.
    address: SocketAddr,
    /// The address of a node that must be ready too.
    #[arg(long)]
    node: Vec<SocketAddr>,
    /// A further line below the links.
    #[arg(long)]
    line: Vec<String>,
    /// Does not build the browser SDK.
    #[arg(long)]
    without_sdk: bool,
    /// The address of the example backend, which this process runs.
    #[arg(long)]
    backend: Option<SocketAddr>,
    /// The file with the API key of the example backend.
    #[arg(long)]
    backend_key: Option<PathBuf>,
}

/// Waits until the gateway is ready, prints its links, and builds the browser SDK unless it is up to date. Prints
/// nothing if the gateway exits first. Then runs the backend of the example service, if there is one, until the gateway
/// exits.
///
/// # Errors
/// If standard output cannot be written, or the SDK cannot be built.
pub(crate) fn run(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let gateway = Gateway::of_parent();
    let backend = arguments.backend.zip(arguments.backend_key.as_ref());
    #[cfg(unix)]
    if let Some((address, key)) = backend {
        super::orders::backend::start(arguments.address, address, key)?;
    }
    let result = print(project, arguments, &gateway);
    // The backend of the example runs as long as the gateway.
    while backend.is_some() && gateway.is_running() {
        thread::sleep(INTERVAL);
    }
    result
}

fn print(project: &Project, arguments: &Arguments, gateway: &Gateway) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    while !arguments.node.iter().chain([&arguments.address]).all(|address| is_ready(*address)) {
        if !gateway.is_running() {
            return Ok(ExitCode::SUCCESS);
        }
        if started.elapsed() > TIMEOUT {
            writeln!(io::stderr(), "the gateway is not ready after {} s; see its log", TIMEOUT.as_secs())?;
            return Ok(ExitCode::FAILURE);
        }
        thread::sleep(INTERVAL);
    }
    let mut out = io::stdout();
    out.write_all(text(arguments.address, &arguments.line).as_bytes())?;
    if arguments.without_sdk {
        return Ok(ExitCode::SUCCESS);
    }
    if !browser::is_there(project) || browser::is_sdk_fresh(project) {
        writeln!(out, "step 3 of 3: the browser SDK of the demo page is up to date\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "step 3 of 3: building the browser SDK; the demo page opens by itself when it is ready")?;
    browser::ensure_sdk(project)?;
    writeln!(out, "\nThe demo is ready: http://{}/demo\n", arguments.address)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns whether `GET /health/ready` answers 200.
fn is_ready(address: SocketAddr) -> bool {
    status_line(address).is_ok_and(|line| line.split(' ').nth(1) == Some("200"))
}

fn status_line(address: SocketAddr) -> io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    let request = format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line)?;
    Ok(line)
}

fn text(address: SocketAddr, lines: &[String]) -> String {
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    let post = |path: &str, body: &str| {
        format!("curl -s http://{address}{path} -H 'content-type: application/json' -d '{body}'")
    };
    let token = post("/dev/token", r#"{"userId":"alice","clans":["clan1"]}"#);
    let notification = post("/dev/notifications", r#"{"userId":"alice","title":"Hello","message":"It works"}"#);
    // The example uses the default address without an argument.
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
{lines}
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

/// The parent process, which has replaced itself with the gateway.
struct Gateway {
    #[cfg(unix)]
    parent: u32,
}

impl Gateway {
    fn of_parent() -> Self {
        Self {
            #[cfg(unix)]
            parent: std::os::unix::process::parent_id(),
        }
    }

    /// Returns whether the gateway is still running: a process whose parent has exited gets another parent.
    #[cfg(unix)]
    fn is_running(&self) -> bool {
        std::os::unix::process::parent_id() == self.parent
    }

    /// Returns true: other systems do not report the end of the parent, so only the time limit applies.
    #[cfg(not(unix))]
    fn is_running(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Starts a server that answers one request after another with these status lines.
    fn serve_statuses(statuses: &'static [&'static str]) -> SocketAddr {
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
    fn only_status_200_is_ready() {
        let address = serve_statuses(&["503 Service Unavailable", "200 OK"]);
        assert!(!is_ready(address));
        assert!(is_ready(address));
    }

    #[test]
    fn closed_port_is_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        assert!(!is_ready(address));
    }

    #[test]
    fn chat_commands_contain_unusual_address() {
        assert!(!text("127.0.0.1:4000".parse().expect("an address"), &[]).contains("--gateway"));
        let unusual = text("127.0.0.1:4001".parse().expect("an address"), &[]);
        assert!(unusual.contains("-- alice clan1 --gateway ws://127.0.0.1:4001/ws"), "{unusual}");
    }
}
