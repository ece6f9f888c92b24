//! The gateway to which installed programs send their messages.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use crate::{project::Project, release::checksums};

/// The key of the HTTP API.
const KEY: &str = "the api key of the step install";
/// The time limit for the start, and for a single request.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The time between two requests whether the gateway is ready.
const INTERVAL: Duration = Duration::from_millis(20);

/// A running gateway.
pub(super) struct Gateway {
    process: Process,
    address: SocketAddr,
}

/// The process of the gateway, also while it is not ready yet.
struct Process(Child);

impl Gateway {
    /// Starts a gateway with its data and its log in an empty folder.
    ///
    /// # Errors
    /// If it cannot be started, or ends before it is ready.
    pub(super) fn start(project: &Project, folder: &Path) -> anyhow::Result<Self> {
        let settings = format!(
            "store.url = \"redb:gateway.redb\"\nauth.jwt_secret = \"a secret of the step install, of 32 bytes\"\n\
             auth.api_keys = [{{ name = \"install\", sha256 = \"{}\", scopes = [\"read\"] }}]\n\
             services.orders.contract = \"{}\"\n\
             # It has calls, so it needs a backend. No program makes one.\n\
             services.orders.backend.url = \"http://127.0.0.1:9\"\n\
             services.orders.backend.secret_file = \"secret\"\n",
            checksums::hexadecimal(KEY.as_bytes()),
            project.root().join("docs/examples/orders/orders.service.toml").display(),
        );
        fs::write(folder.join("gateway.toml"), settings).context("write gateway.toml")?;
        fs::write(folder.join("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").context("write the secret")?;
        let mut gateway = Command::new(project.gateway());
        gateway.args(["serve", "--dev", "--config", "gateway.toml", "--listen", "127.0.0.1:0"]).current_dir(folder);
        gateway.env("GATEWAY_LOG__FORMAT", "json").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = Process(gateway.spawn().with_context(|| format!("start {}", project.gateway().display()))?);
        let output = process.0.stderr.take().context("the log of the gateway")?;
        let mut log = File::create(folder.join("log.txt")).context("create the log of the gateway")?;
        let (sender, found) = mpsc::channel();
        // Reads until the end, so that the gateway never waits for a reader.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = writeln!(log, "{line}");
                let _ = address(&line).map(|address| sender.send(address));
            }
        });
        let address = found.recv_timeout(TIMEOUT);
        let address =
            address.with_context(|| format!("the gateway did not start; see {}/log.txt", folder.display()))?;
        let mut gateway = Self { process, address };
        gateway.wait_until_ready()?;
        Ok(gateway)
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        while !self.request("GET", "/health/ready", &Value::Null).is_ok_and(|(status, _)| status == 200) {
            if let Some(status) = self.process.0.try_wait()? {
                bail!("the gateway ended before it was ready ({status})");
            }
            ensure!(started.elapsed() < TIMEOUT, "the gateway is not ready after {} s", TIMEOUT.as_secs());
            // No event reports readiness to another process, so this asks again, as a load balancer does.
            thread::sleep(INTERVAL);
        }
        Ok(())
    }

    /// Returns the address for clients.
    pub(super) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Returns a token of a user who may chat everywhere.
    ///
    /// # Errors
    /// If the gateway gives none.
    pub(super) fn token(&self, user: &str) -> anyhow::Result<String> {
        let (status, body) = self.request("POST", "/dev/token", &json!({ "userId": user, "clans": ["*"] }))?;
        let token = body.get("token").and_then(Value::as_str).map(str::to_owned);
        token.with_context(|| format!("the gateway gave no token ({status}): {body}"))
    }

    /// Returns whether the newest messages of a clan have one of this user.
    ///
    /// # Errors
    /// If the gateway refuses to tell.
    pub(super) fn has_message_of(&self, user: &str, clan: &str) -> anyhow::Result<bool> {
        self.has_entry_of(user, &format!("/api/v1/clans/{clan}/messages"), "messages")
    }

    /// Returns whether the newest events of a topic of the service `orders` have one of this user.
    ///
    /// # Errors
    /// If the gateway refuses to tell.
    pub(super) fn has_event_of(&self, user: &str, topic: &str) -> anyhow::Result<bool> {
        self.has_entry_of(user, &format!("/api/v1/services/orders/topics/{topic}/events"), "events")
    }

    fn has_entry_of(&self, user: &str, path: &str, list: &str) -> anyhow::Result<bool> {
        let (status, body) = self.request("GET", path, &Value::Null)?;
        let entries = body.get(list).and_then(Value::as_array);
        let entries = entries.with_context(|| format!("the gateway returned no history ({status}): {body}"))?;
        Ok(entries.iter().any(|entry| entry.get("userId").and_then(Value::as_str) == Some(user)))
    }

    /// Sends a request on a connection of its own, and returns the status and the body of the response.
    fn request(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        let mut socket = TcpStream::connect_timeout(&self.address, TIMEOUT).context("connect to the gateway")?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        write!(
            socket,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut response = String::new();
        socket.read_to_string(&mut response).with_context(|| format!("read the response of {path}"))?;
        let (head, body) = response.split_once("\r\n\r\n").with_context(|| format!("{path} has no response"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.context("a response begins with a status")?, serde_json::from_str(body).unwrap_or_default()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Returns the address that a line of the log names.
fn address(line: &str) -> Option<SocketAddr> {
    let from = line.get(line.find("127.0.0.1:")?..)?;
    let end = from.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').unwrap_or(from.len());
    from.get(..end)?.parse().ok().filter(|address: &SocketAddr| address.port() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_address_in_the_log() {
        let line = r#"{"event":"listening","address":"127.0.0.1:40123","node":"a"}"#;
        assert_eq!(address(line), Some("127.0.0.1:40123".parse().expect("an address")));
        assert_eq!(address("listens on 127.0.0.1:0"), None);
        assert_eq!(address("starts"), None);
    }
}
