//! A private Redis for `cargo xtask dev --nodes N`: on a free port, with its data in a folder that is removed.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::mpsc::Sender,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use super::guarded::{Ended, Guarded, Program};
use crate::{
    project::Project,
    tools::{self, Missing, Tool},
};

/// How long Redis may take to start.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The time between two attempts to reach it.
const INTERVAL: Duration = Duration::from_millis(20);

/// The settings with which nothing that the gateways have confirmed is lost.
const SETTINGS: [&str; 6] = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];

/// Checks that Redis is installed.
///
/// # Errors
/// If it is not; the error says how to install it.
pub(super) fn check(project: &Project) -> anyhow::Result<()> {
    Missing::of(project, [&Tool::REDIS].into_iter()).require(project, "several nodes share a Redis")
}

/// A running Redis.
pub(super) struct Redis {
    process: Guarded,
    address: SocketAddr,
}

impl Redis {
    /// Starts Redis and waits until it answers. Its end is sent to `ended`.
    ///
    /// # Errors
    /// If it does not start.
    pub(super) fn start(ended: Sender<Ended>) -> anyhow::Result<Self> {
        let folder = new_folder()?;
        let address = free_addresses(1)?.first().copied().context("a port for Redis")?;
        let program = tools::program("redis-server").context("find redis-server")?;
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let mut command = vec![program.into(), "--bind".into(), ip.into(), "--port".into(), port.into()];
        command.extend(["--dir".into(), folder.clone().into(), "--loglevel".into(), "warning".into()]);
        command.extend(SETTINGS.map(Into::into));
        let program = Program {
            name: "redis".to_owned(),
            command,
            variables: Vec::new(),
            directory: &folder,
            folder: Some(&folder),
        };
        let process = Guarded::start(program, ended)?;
        let redis = Self { process, address };
        let started = Instant::now();
        while !redis.answers() {
            if started.elapsed() > TIMEOUT {
                bail!("redis-server does not answer at {address}; see its output above");
            }
            // A server sends no event when it begins to listen, so this polls.
            thread::sleep(INTERVAL);
        }
        Ok(redis)
    }

    /// Returns whether Redis answers a `PING`.
    fn answers(&self) -> bool {
        let Ok(mut socket) = TcpStream::connect_timeout(&self.address, TIMEOUT) else { return false };
        let mut reply = [0; 5];
        let asked = socket.set_read_timeout(Some(TIMEOUT)).and_then(|()| socket.write_all(b"PING\r\n"));
        asked.and_then(|()| socket.read_exact(&mut reply)).is_ok() && reply == *b"+PONG"
    }

    /// Returns its URL for `store.url`.
    pub(super) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Returns the process.
    pub(super) fn process(&self) -> &Guarded {
        &self.process
    }
}

/// Creates an empty folder for the data.
fn new_folder() -> anyhow::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("gateway-dev-redis-{}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder)
}

/// Returns different addresses on which no program listens.
///
/// # Errors
/// If the machine has no free port.
pub(super) fn free_addresses(count: usize) -> anyhow::Result<Vec<SocketAddr>> {
    // All are held until the last is chosen, so that no port is chosen twice.
    let listen = |_| TcpListener::bind("127.0.0.1:0").context("choose a free port");
    let listeners = (0..count).map(listen).collect::<anyhow::Result<Vec<_>>>()?;
    listeners.iter().map(|listener| listener.local_addr().context("read the address")).collect()
}
