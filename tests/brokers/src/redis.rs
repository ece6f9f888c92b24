//! Redis and Redis Sentinel from Debian's packages.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Authority, FakeClock, Guarded, PATIENCE, ReservedPort};

/// How a Redis keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// Not at all.
    None,
    /// Every write is on the disk before it is answered.
    Always,
}

impl Persistence {
    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::None => &[("save", ""), ("appendonly", "no")],
            Self::Always => &[("save", ""), ("appendonly", "yes"), ("appendfsync", "always")],
        }
    }
}

/// A Redis or a Sentinel on a port of its own.
#[derive(Debug)]
pub struct RedisServer {
    process: Guarded,
    program: &'static str,
    settings: Vec<(String, String)>,
    /// Its own also while it restarts.
    port: ReservedPort,
    tls_port: Option<ReservedPort>,
    environment: Vec<(String, String)>,
    directory: Arc<TempDir>,
}

impl RedisServer {
    /// Begins one that keeps its data so.
    pub fn start(persistence: Persistence) -> Self {
        Self::with(persistence.settings())
    }

    /// Begins one with these settings, written as in its configuration, such as `("appendfsync", "always")`.
    ///
    /// # Panics
    /// When it does not serve in time; `apt-get install redis-server` may be what is missing.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        Self::launch("redis-server", settings, None)
    }

    /// Starts one that keeps every write on its disk and goes by this wall clock.
    ///
    /// # Panics
    /// When it does not serve in time.
    pub fn with_clock(clock: &FakeClock) -> Self {
        Self::launch_in("redis-server", Persistence::Always.settings(), None, clock.environment_of_redis())
    }

    /// Begins one that keeps nothing, and can be come to by TLS too.
    ///
    /// # Panics
    /// When it does not serve in time.
    pub fn with_tls(authority: &Authority) -> Self {
        let (port, path) = (ReservedPort::take(), |name: &str| authority.directory().join(name).display().to_string());
        let settings = [
            ("save", "".to_owned()),
            ("tls-port", port.number().to_string()),
            ("tls-cert-file", path("server.pem")),
            ("tls-key-file", path("server.key")),
            ("tls-ca-cert-file", path("ca.pem")),
            ("tls-auth-clients", "no".to_owned()),
        ];
        let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        Self::launch("redis-server", &settings, Some(port))
    }

    /// Begins a Sentinel that watches a master by the name `main`, and takes it for dead after so long.
    ///
    /// # Panics
    /// When it does not serve in time; `apt-get install redis-sentinel` may be what is missing.
    pub fn sentinel(master_port: u16, quorum: usize, dead_after: Duration) -> Self {
        let (monitor, dead_after) = (format!("monitor main 127.0.0.1 {master_port} {quorum}"), dead_after.as_millis());
        let settings = [
            ("sentinel", monitor.as_str()),
            ("sentinel", &format!("down-after-milliseconds main {dead_after}")),
            ("sentinel", "failover-timeout main 5000"),
        ];
        Self::launch("redis-sentinel", &settings, None)
    }

    fn launch(program: &'static str, settings: &[(&str, &str)], tls_port: Option<ReservedPort>) -> Self {
        Self::launch_in(program, settings, tls_port, Vec::new())
    }

    fn launch_in(
        program: &'static str,
        settings: &[(&str, &str)],
        tls_port: Option<ReservedPort>,
        environment: Vec<(String, String)>,
    ) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let port = ReservedPort::take();
        let path = directory.path().display().to_string();
        let common = [("port", port.number().to_string()), ("bind", "127.0.0.1".to_owned()), ("dir", path)];
        let given = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let settings = common.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(given).collect::<Vec<_>>();
        let process = begin(program, &settings, &environment, &directory);
        let server = Self { process, program, settings, port, tls_port, environment, directory };
        assert!(server.wait(), "{program} does not serve:\n{}", server.log());
        server
    }

    /// Whether it serves, once it does or has ended.
    fn wait(&self) -> bool {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.answers() {
                return true;
            }
            if !self.process.is_running() {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }

    fn answers(&self) -> bool {
        let Ok(mut socket) = TcpStream::connect(("127.0.0.1", self.port())) else { return false };
        let mut answer = [0; 8];
        let limit = Some(Duration::from_secs(1));
        // It answers this before it asks for a password, and with `-LOADING` while it reads its data.
        let asked = socket.set_read_timeout(limit).and_then(|()| socket.write_all(b"*1\r\n$4\r\nPING\r\n"));
        let length = asked.and_then(|()| socket.read(&mut answer)).unwrap_or(0);
        let answer = answer.get(..length).unwrap_or_default();
        !answer.is_empty() && !answer.starts_with(b"-LOADING")
    }

    /// The port that it listens on, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// The port for TLS, if it has one.
    pub fn tls_port(&self) -> Option<u16> {
        self.tls_port.as_ref().map(ReservedPort::number)
    }

    /// Changes a setting for the next time that it is begun.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.retain(|(other, _)| other != key);
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    /// The process.
    pub fn process(&mut self) -> &mut Guarded {
        &mut self.process
    }

    /// Begins it again on the same port and folder, after it has ended.
    ///
    /// # Panics
    /// When it does not serve in time.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = begin(self.program, &self.settings, &self.environment, &self.directory);
        assert!(self.wait(), "{} does not serve again:\n{}", self.program, log(&self.directory));
    }

    /// Runs `redis-cli` with these arguments and gives what it prints.
    ///
    /// # Panics
    /// When there is no such program.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let port = self.port().to_string();
        let mut command = std::process::Command::new("redis-cli");
        let output = command.args(["-p", &port]).args(arguments).output();
        String::from_utf8_lossy(&output.unwrap().stdout).trim().to_owned()
    }

    /// Removes the keys that a pattern stands for.
    pub fn empty(&self, pattern: &str) {
        for key in self.cli(&["--scan", "--pattern", pattern]).lines() {
            self.cli(&["del", key]);
        }
    }

    /// Its folder.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        log(&self.directory)
    }
}

fn begin(
    program: &str,
    settings: &[(String, String)],
    environment: &[(String, String)],
    directory: &TempDir,
) -> Guarded {
    let line = |(key, value): &(String, String)| match value.as_str() {
        "" => format!("{key} \"\"\n"),
        value => format!("{key} {value}\n"),
    };
    let path = directory.path().join("redis.conf");
    std::fs::write(&path, settings.iter().map(line).collect::<String>()).unwrap();
    let variables = environment.iter().map(|(name, value)| format!("{name}={value}"));
    let arguments: Vec<_> = variables.chain([program.to_owned(), path.display().to_string()]).collect();
    Guarded::begin("env", &arguments, directory.path(), &directory.path().join("log"))
}

fn log(directory: &TempDir) -> String {
    std::fs::read_to_string(directory.path().join("log")).unwrap_or_default()
}

/// A Redis that all tests of this process share; it keeps nothing. Whoever uses it takes a prefix of their own.
pub fn shared() -> &'static RedisServer {
    static SHARED: OnceLock<RedisServer> = OnceLock::new();
    SHARED.get_or_init(|| RedisServer::start(Persistence::None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_serves_keeps_its_data_and_ends() {
        let mut server = RedisServer::start(Persistence::Always);
        assert_eq!(server.cli(&["set", "a", "1"]), "OK");
        server.process().kill();
        assert!(!server.answers());
        server.restart();
        assert_eq!(server.cli(&["get", "a"]), "1");
        server.process().terminate();
        assert!(!server.answers());
    }

    #[test]
    fn a_sentinel_knows_its_master() {
        let server = RedisServer::start(Persistence::None);
        let sentinel = RedisServer::sentinel(server.port(), 1, Duration::from_secs(1));
        let master = sentinel.cli(&["sentinel", "get-master-addr-by-name", "main"]);
        assert!(master.contains(&server.port().to_string()), "{master}");
    }
}
