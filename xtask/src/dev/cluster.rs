//! `cargo xtask dev --nodes N`: several gateways that share a private Redis, behind one port.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, ExitCode},
    sync::mpsc::{self, Sender},
    thread,
};

use anyhow::Context as _;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use super::{
    announce, forward,
    guarded::{Ended, Guarded, Program, ends},
    redis::{Redis, free_addresses},
};
use crate::project::Project;

/// The options of a cluster.
pub(super) struct Setup<'a> {
    /// The address of the port in front of all nodes.
    pub(super) address: SocketAddr,
    /// The number of nodes.
    pub(super) nodes: u8,
    /// The program of the gateway.
    pub(super) program: PathBuf,
    /// Further arguments of each gateway.
    pub(super) arguments: Vec<&'a str>,
    /// Whether the browser SDK is built while the nodes run.
    pub(super) with_sdk: bool,
}

/// An event that ends the cluster or a part of it.
enum Event {
    /// SIGINT (Ctrl-C), SIGTERM or SIGHUP.
    Signal,
    /// A gateway or Redis has ended.
    Ended(Ended),
}

/// Runs Redis and the nodes until a signal arrives or all nodes have ended, and then ends all of them.
///
/// # Errors
/// If one of them cannot be started, or the address is in use.
pub(super) fn run(project: &Project, setup: &Setup<'_>) -> anyhow::Result<ExitCode> {
    let (events, received) = mpsc::channel();
    // Before the first process is started, so that a signal ends all of them.
    send_signals(events.clone())?;
    let ended = forward_ends(events);
    let address = setup.address;
    let listener = TcpListener::bind(address).with_context(|| format!("listen on {address}"))?;
    let redis = Redis::start(ended.clone())?;
    let mut nodes = start_nodes(project, setup, &redis, &ended)?;
    forward::start(listener, nodes.values().map(|node| node.address).collect());
    let announcement = Announcement::start(setup, &redis, &nodes)?;
    let mut out = io::stdout();
    let mut code = ExitCode::SUCCESS;
    while let Ok(Event::Ended(Ended { name, status })) = received.recv() {
        nodes.remove(&name);
        writeln!(out, "{name} has ended ({status}); {} of {} nodes run", nodes.len(), setup.nodes)?;
        if nodes.is_empty() {
            code = ExitCode::FAILURE;
            break;
        }
    }
    drop(announcement);
    // All nodes end at the same time, and Redis after them, because they still write to it.
    nodes.values().for_each(|node| node.process.end());
    drop(nodes);
    drop(redis);
    writeln!(out, "all nodes and Redis have ended")?;
    Ok(code)
}

/// Sends an event for each signal that ends a program.
fn send_signals(events: Sender<Event>) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("handle Ctrl-C")?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if events.send(Event::Signal).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Returns a sender of ends, which become events.
fn forward_ends(events: Sender<Event>) -> Sender<Ended> {
    let (sender, receiver) = ends();
    thread::spawn(move || receiver.into_iter().try_for_each(|ended| events.send(Event::Ended(ended))));
    sender
}

/// A running node.
struct Node {
    address: SocketAddr,
    process: Guarded,
}

/// Starts the nodes `node1`, `node2` and so on.
fn start_nodes(
    project: &Project,
    setup: &Setup<'_>,
    redis: &Redis,
    ended: &Sender<Ended>,
) -> anyhow::Result<BTreeMap<String, Node>> {
    // Each gateway with --dev would otherwise generate a secret and refuse the tokens of the others.
    let secret = random_secret()?;
    let addresses = free_addresses(setup.nodes.into())?;
    let start = |(index, address): (usize, SocketAddr)| {
        let name = format!("node{}", index + 1);
        let arguments = ["serve", "--dev", "--listen", &address.to_string()].map(Into::into);
        let mut command = vec![setup.program.clone().into_os_string()];
        command.extend(arguments.into_iter().chain(setup.arguments.iter().map(Into::into)));
        let variables = vec![
            ("GATEWAY_NODE_ID", name.clone()),
            ("GATEWAY_STORE__URL", redis.url()),
            ("GATEWAY_BUS__URL", "embedded".to_owned()),
            ("GATEWAY_AUTH__JWT_SECRET", secret.clone()),
            // A node drains its clients immediately, so that Ctrl-C takes only a second or two.
            ("GATEWAY_DRAIN__DELAY", "0s".to_owned()),
            ("GATEWAY_DRAIN__SPREAD", "1s".to_owned()),
        ];
        let program = Program { name: name.clone(), command, variables, directory: project.root(), folder: None };
        let process = Guarded::start(program, ended.clone())?;
        Ok((name, Node { address, process }))
    };
    addresses.into_iter().enumerate().map(start).collect()
}

/// Returns 32 random bytes as hexadecimal digits.
fn random_secret() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes)).context("make a secret")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The process that prints the links and builds the browser SDK.
struct Announcement(Child);

impl Announcement {
    fn start(setup: &Setup<'_>, redis: &Redis, nodes: &BTreeMap<String, Node>) -> anyhow::Result<Self> {
        let mut more = Vec::new();
        for (name, Node { address, process }) in nodes {
            more.extend(["--node".to_owned(), address.to_string()]);
            more.push(format!("--line={name:<13} http://{address}  (process {})", process.pid()));
        }
        more.push(format!("--line={:<13} {}  (process {})", "Redis", redis.url(), redis.process().pid()));
        if !setup.with_sdk {
            more.push("--without-sdk".to_owned());
        }
        // A process group of its own, so that the programs that build the SDK can be ended with it.
        let child = announce(setup.address, &more)?.process_group(0).spawn();
        child.map(Self).context("start the process that prints the links")
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // An error means that the group has ended.
            let _ = Command::new("kill").args(["-TERM", "--", &format!("-{}", self.0.id())]).status();
        }
        let _ = self.0.wait();
    }
}
