//! The compared servers: two nodes of one kind with the Redis that they share.

use std::{fs, path::Path};

use realtime_gateway_brokers::{
    rabbitmq::RabbitServer,
    redis::{Persistence, RedisServer},
};

use crate::server::{Gateway, Programs, Server};

/// The program of RabbitMQ that `tests/brokers` starts.
const RABBITMQ: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// The ticks a second of the times in `/proc/PID/stat`; Linux shows 100 on every architecture that it runs on.
const TICKS_PER_SECOND: u64 = 100;

/// A kind of compared server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Centrifugo with Redis.
    Centrifugo,
    /// The gateway with Redis.
    Redis,
    /// The gateway with Redis, and with RabbitMQ for an event of each message. RabbitMQ has one scheduler thread, which
    /// does not wait actively, so that its CPU time is that of its work.
    RedisAndRabbit,
}

impl Kind {
    /// All kinds; the first is the one that the others are compared with.
    pub(crate) const ALL: [Self; 3] = [Self::Centrifugo, Self::Redis, Self::RedisAndRabbit];

    /// Returns the name for the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Centrifugo => "Centrifugo, Redis",
            Self::Redis => "gateway, Redis",
            Self::RedisAndRabbit => "gateway, Redis and RabbitMQ",
        }
    }
}

/// Returns whether RabbitMQ is installed.
pub(crate) fn has_rabbitmq() -> bool {
    Path::new(RABBITMQ).is_file()
}

/// Two running nodes. The fields are dropped in their order, so the nodes end before what they use.
pub(crate) struct Peer {
    /// The node of the subscribers.
    pub(crate) near: Server,
    /// The node of the publishers.
    pub(crate) far: Server,
    _redis: RedisServer,
    _rabbit: Option<RabbitServer>,
    servers: Vec<u32>,
}

impl Peer {
    /// Starts a Redis, and what else the nodes need, and the nodes.
    pub(crate) fn start(kind: Kind, programs: &Programs) -> Self {
        let mut redis = RedisServer::start(Persistence::Always);
        let mut rabbit = (kind == Kind::RedisAndRabbit).then(RabbitServer::start);
        let bus = rabbit.as_ref().map_or_else(|| "embedded".to_owned(), RabbitServer::url);
        let node = |name: &str| match (kind, &programs.centrifugo) {
            (Kind::Centrifugo, Some(program)) => Server::centrifugo_node(program, &redis.url()),
            _ => {
                let node = Gateway::node(name, &redis.url(), &bus).start(programs);
                node.wait_until_ready();
                node
            }
        };
        let (near, far) = (node("near"), node("far"));
        let pids = [redis.process().pid()].into_iter().chain(rabbit.as_mut().map(|rabbit| rabbit.process().pid()));
        let servers = pids.map(i32::unsigned_abs).collect();
        Self { near, far, _redis: redis, _rabbit: rabbit, servers }
    }

    /// Returns the CPU time so far.
    pub(crate) fn cpu(&self) -> Cpu {
        let nodes = cpu_micros(self.near.pid()) + cpu_micros(self.far.pid());
        Cpu { nodes, all: nodes + self.servers.iter().copied().map(cpu_micros).sum::<u64>() }
    }
}

/// CPU time in microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    /// Of the two nodes.
    pub(crate) nodes: u64,
    /// Of the nodes, Redis and RabbitMQ.
    pub(crate) all: u64,
}

/// Returns the user and system time of a process, including threads that have ended.
fn cpu_micros(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the server runs");
    // The name of the program, in parentheses, may contain spaces.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    // `utime` and `stime` are the fields 14 and 15 of the line, and the first one here is the third.
    let ticks: u64 = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    ticks * 1_000_000 / TICKS_PER_SECOND
}
