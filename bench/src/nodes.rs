//! Benchmarks nodes on RabbitMQ and Redis: confirmed chat, delivery between two nodes, catching up, and handshakes.
//! Each figure is compared with a round trip to the same Redis in the same run.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use hdrhistogram::Histogram;
use realtime_gateway_brokers::{
    rabbitmq::RabbitServer,
    redis::{Persistence, RedisServer},
};

use super::{
    client::Client,
    generator::Usage as _,
    server::{Gateway, Programs, Server},
    table::Row,
    token::token,
};

/// Measures two nodes on one RabbitMQ and one Redis that syncs every write.
pub(crate) async fn run(programs: &Programs) -> Vec<Row> {
    let (redis, rabbit) = (RedisServer::start(Persistence::Always), RabbitServer::start());
    let node = |name| Gateway::node(name, &redis.url(), &rabbit.url()).start(programs);
    let (near, far) = (node("near"), node("far"));
    let round_trip = redis_round_trip(redis.port());
    vec![
        confirmed(&near, round_trip).await,
        one_writer(&near, round_trip).await,
        between_nodes(&near, &far, round_trip).await,
        catching_up(&near, &far, round_trip).await,
        handshakes(&near, round_trip).await,
    ]
}

/// Measures messages per second and CPU per message with a hundred writers in separate clans.
async fn confirmed(node: &Server, round_trip: f64) -> Row {
    const EACH: u64 = 100;
    let mut writers = connected(node, 100, "writer").await;
    let (cpu, started) = (node.cpu(), Instant::now());
    join_all(writers.iter_mut().map(|writer| async move {
        for _ in 0..EACH {
            writer.send_chat().await;
            writer.receive(1).await;
        }
    }))
    .await;
    let messages = (EACH * 100) as f64;
    let (elapsed, cpu) = (started.elapsed().as_secs_f64(), (node.cpu() - cpu).as_secs_f64() * 1e6 / messages);
    Row {
        name: "nodes: chat confirmed, 100 writers",
        ours: format!("{:.0}/s", messages / elapsed),
        baseline: format!("{round_trip:.0} µs"),
        ratio: format!("{:.2}", elapsed * 1_000_000.0 / messages / round_trip),
        notes: format!("{cpu:.0} µs of the node's CPU a message; the ratio is time a message to one synced write"),
    }
}

/// Measures the latency of a confirmed message with one writer.
async fn one_writer(node: &Server, round_trip: f64) -> Row {
    let mut writer = connected(node, 1, "alone").await.remove(0);
    let mut times = Histogram::<u64>::new(3).unwrap();
    for _ in 0..500 {
        let started = Instant::now();
        writer.send_chat().await;
        writer.receive(1).await;
        times.record(micros(started)).unwrap();
    }
    quantiles("nodes: chat confirmed, one writer", &times, round_trip, "over the socket, p50/p99")
}

/// Measures the latency from a writer on one node to a reader on the other.
async fn between_nodes(near: &Server, far: &Server, round_trip: f64) -> Row {
    let mut reader = Client::subscribed(far, &token("far-reader"), "between").await;
    let mut writer = Client::connect(near, &token("near-writer"), "between").await;
    writer.receive(1).await;
    let mut times = Histogram::<u64>::new(3).unwrap();
    for turn in 0..600 {
        let started = Instant::now();
        writer.send_chat().await;
        reader.receive(1).await;
        // The first messages are a warm-up, which subscribes and fills caches.
        if turn >= 100 {
            times.record(micros(started)).unwrap();
        }
        writer.receive(1).await;
    }
    quantiles("nodes: delivery to the other node", &times, round_trip, "from the command to the reader, p50/p99")
}

/// Measures how a hundred clients recover a thousand missed messages each.
async fn catching_up(near: &Server, far: &Server, round_trip: f64) -> Row {
    const MISSED: u64 = 1_000;
    let mut writer = Client::connect(near, &token("busy-writer"), "missed").await;
    writer.receive(1).await;
    for _ in 0..MISSED / 50 {
        for _ in 0..50 {
            writer.send_chat().await;
        }
        writer.receive(50).await;
    }
    let mut readers = connected(far, 100, "late").await;
    let (epoch, started) = (&far.epoch(), Instant::now());
    join_all(readers.iter_mut().map(|reader| async move {
        reader.recover("missed", epoch).await;
        reader.receive(1 + MISSED).await;
    }))
    .await;
    let (entries, elapsed) = ((MISSED * 100) as f64, started.elapsed().as_secs_f64());
    Row {
        name: "nodes: catching up, 100 clients",
        ours: format!("{:.0}k/s", entries / elapsed / 1_000.0),
        baseline: format!("{round_trip:.0} µs"),
        ratio: format!("{:.3}", elapsed * 1_000_000.0 / entries / round_trip),
        notes: "entries replayed from Redis, a thousand to each client".into(),
    }
}

/// Measures connections, each with a verified token, a session record in Redis and an event for backend services.
async fn handshakes(node: &Server, round_trip: f64) -> Row {
    let started = Instant::now();
    let cpu = node.cpu();
    let clients = connected(node, 2_000, "client").await;
    let (count, elapsed) = (clients.len() as f64, started.elapsed().as_secs_f64());
    Row {
        name: "nodes: handshakes",
        ours: format!("{:.0}/s", count / elapsed),
        baseline: format!("{round_trip:.0} µs"),
        ratio: format!("{:.2}", elapsed * 1_000_000.0 / count / round_trip),
        notes: format!("{:.0} µs of the node's CPU each", (node.cpu() - cpu).as_secs_f64() * 1e6 / count),
    }
}

/// Connects `count` clients, each to a room of its own, and waits for `connected`.
pub(crate) async fn connected(node: &Server, count: usize, name: &str) -> Vec<Client> {
    let mut clients = Vec::with_capacity(count);
    for first in (0..count).step_by(50) {
        let some = (first..count.min(first + 50)).map(|n| async move {
            let name = format!("{name}{n}");
            let mut client = Client::connect(node, &token(&name), &name).await;
            client.receive(1).await;
            client
        });
        clients.extend(join_all(some).await);
    }
    clients
}

/// Returns the median time of a synced `SET` on one connection, in microseconds.
fn redis_round_trip(port: u16) -> f64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let value = "x".repeat(128);
    let command = format!("*3\r\n$3\r\nSET\r\n$5\r\nbench\r\n${}\r\n{value}\r\n", value.len());
    let mut times = Histogram::<u64>::new(3).unwrap();
    for _ in 0..500 {
        let started = Instant::now();
        stream.write_all(command.as_bytes()).unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        times.record(micros(started)).unwrap();
    }
    times.value_at_quantile(0.5) as f64
}

fn quantiles(name: &'static str, times: &Histogram<u64>, round_trip: f64, notes: &str) -> Row {
    let (middle, last) = (times.value_at_quantile(0.5), times.value_at_quantile(0.99));
    Row {
        name,
        ours: format!("{middle}/{last} µs"),
        baseline: format!("{round_trip:.0} µs"),
        ratio: format!("{:.2}", middle as f64 / round_trip),
        notes: notes.into(),
    }
}

fn micros(started: Instant) -> u64 {
    u64::try_from(Duration::as_micros(&started.elapsed())).unwrap()
}
