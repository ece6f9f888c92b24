//! RabbitMQ from Debian's packages, apart from the machine's own: with an epmd, a cookie and folders of its own.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Guarded, ReservedPort};

/// The variable that names a broker which several processes share.
pub const SHARED: &str = "GATEWAY_TEST_AMQP";

/// The programs themselves: Debian's wrappers would change to another user.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
/// How long a broker may take to begin on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// The authority of the certificate that a broker with TLS shows, for `localhost` and 127.0.0.1.
pub const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/certificate/TEST_ONLY_ca.pem");

/// A broker on ports of its own.
#[derive(Debug)]
pub struct RabbitServer {
    process: Guarded,
    /// Erlang's port mapper, which would otherwise be the machine's, and stay behind.
    _epmd: Guarded,
    ports: Ports,
    _tls_port: Option<ReservedPort>,
    directory: Arc<TempDir>,
}

/// The ports of a broker, which are its own also while it restarts.
#[derive(Debug)]
struct Ports {
    /// For AMQP.
    amqp: ReservedPort,
    /// For `rabbitmqctl`, which speaks to the broker as one Erlang node to another.
    distribution: ReservedPort,
    /// For its own port mapper.
    epmd: ReservedPort,
}

impl Ports {
    fn take() -> Self {
        Self { amqp: ReservedPort::take(), distribution: ReservedPort::take(), epmd: ReservedPort::take() }
    }
}

impl RabbitServer {
    /// Begins one.
    ///
    /// # Panics
    /// When it does not serve in time; `apt-get install rabbitmq-server` may be what is missing.
    pub fn start() -> Self {
        Self::with("", None)
    }

    /// Begins one that listens with TLS too, and tells the port for that.
    pub fn with_tls() -> (Self, u16) {
        let (reserved, folder) = (ReservedPort::take(), concat!(env!("CARGO_MANIFEST_DIR"), "/certificate"));
        let port = reserved.number();
        let settings = format!(
            "listeners.ssl.default = 127.0.0.1:{port}\nssl_options.cacertfile = {CA}\n\
             ssl_options.certfile = {folder}/TEST_ONLY_certificate.pem\nssl_options.keyfile = {folder}/TEST_ONLY_key.pem\n"
        );
        (Self::with(&settings, Some(reserved)), port)
    }

    fn with(more: &str, tls_port: Option<ReservedPort>) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let ports = Ports::take();
        let settings = format!(
            "{more}listeners.tcp.default = 127.0.0.1:{}\nlog.console = true\nlog.console.level = info\n\
             vm_memory_high_watermark.absolute = 2GB\ndisk_free_limit.absolute = 10MB\n",
            ports.amqp.number()
        );
        fs::write(directory.path().join("rabbitmq.conf"), settings).unwrap();
        fs::write(directory.path().join("plugins"), "[].\n").unwrap();
        let arguments = ["-port".into(), ports.epmd.number().to_string(), "-address".into(), "127.0.0.1".into()];
        let epmd = Guarded::begin("epmd", &arguments, directory.path(), &directory.path().join("epmd"));
        wait_for(&ports.epmd, &epmd, || "epmd does not begin".into());
        let process = begin(&directory, &ports);
        let server = Self { process, _epmd: epmd, ports, _tls_port: tls_port, directory };
        server.wait_until_it_serves();
        server
    }

    fn wait_until_it_serves(&self) {
        // The listener is the last thing that a broker begins.
        wait_for(&self.ports.amqp, &self.process, || format!("RabbitMQ does not begin:\n{}", self.log()));
    }

    /// The port that it listens on, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.ports.amqp.number()
    }

    /// `amqp://guest:guest@127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.port())
    }

    /// The process.
    pub fn process(&mut self) -> &mut Guarded {
        &mut self.process
    }

    /// Begins it again on the same ports and folder, after it has ended.
    ///
    /// # Panics
    /// When it does not serve in time.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = begin(&self.directory, &self.ports);
        self.wait_until_it_serves();
    }

    /// Runs `rabbitmqctl` with these arguments and gives what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(Path::new(PROGRAMS).join("rabbitmqctl"));
        let environment = environment(&self.directory, &self.ports);
        let output = command.arg("-q").args(arguments).envs(environment).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let problem = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {text}{problem}");
        text
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(log(&self.directory)).unwrap_or_default()
    }
}

fn begin(directory: &TempDir, ports: &Ports) -> Guarded {
    let assignments = environment(directory, ports).into_iter().map(|(key, value)| format!("{key}={value}"));
    let program = Path::new(PROGRAMS).join("rabbitmq-server").display().to_string();
    let arguments: Vec<String> = assignments.chain([program]).collect();
    Guarded::begin("env", &arguments, directory.path(), &log(directory))
}

/// Waits until a process listens on its port, and not longer than it runs.
fn wait_for(port: &ReservedPort, process: &Guarded, problem: impl Fn() -> String) {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port.number())).is_err() {
        assert!(process.is_running() && began.elapsed() < PATIENCE, "{}", problem());
        thread::sleep(Duration::from_millis(50));
    }
}

fn log(directory: &TempDir) -> PathBuf {
    directory.path().join("output")
}

/// What keeps a broker apart from every other on this machine.
fn environment(directory: &TempDir, ports: &Ports) -> Vec<(&'static str, String)> {
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (port, distribution) = (ports.amqp.number(), ports.distribution.number());
    vec![
        ("HOME", path("")),
        ("RABBITMQ_NODENAME", format!("test{port}@localhost")),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".into()),
        ("RABBITMQ_NODE_PORT", port.to_string()),
        // Without it, the port is the one for AMQP plus 20,000, where another broker's client or server may be.
        ("RABBITMQ_DIST_PORT", distribution.to_string()),
        ("ERL_EPMD_PORT", ports.epmd.number().to_string()),
        ("RABBITMQ_CONF_ENV_FILE", path("no-such-file")),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("plugins")),
        ("RABBITMQ_GENERATED_CONFIG_DIR", path("generated")),
        ("RABBITMQ_MNESIA_BASE", path("mnesia")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_PID_FILE", path("pid")),
        // The process that is begun is the broker, and not a script that waits for it.
        ("RUNNING_UNDER_SYSTEMD", "true".into()),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none".into()),
    ]
}

/// A broker that tests share: the one that [`SHARED`] names, or else one of this process. Whoever uses it takes a prefix
/// of their own, and does it no harm.
pub fn shared() -> String {
    static OWN: OnceLock<RabbitServer> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "a test is told by its environment what was begun for it")]
    let begun = std::env::var(SHARED);
    begun.unwrap_or_else(|_| OWN.get_or_init(RabbitServer::start).url())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_ends_and_begins_again() {
        let mut server = RabbitServer::start();
        assert!(server.ctl(&["list_queues", "name"]).trim().is_empty() || !server.log().is_empty());
        server.ctl(&["stop_app"]);
        server.ctl(&["start_app"]);
        server.process().kill();
        assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
        server.restart();
        server.ctl(&["list_connections"]);
    }
}
