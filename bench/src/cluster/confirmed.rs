//! Confirmed messages a second of one node, compared with what Redis reaches with the same script in the same round.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use realtime_gateway_brokers::redis::{Persistence, RedisServer};

use super::redis_benchmark::{DIGITS, ROOMS, Recorder, appends_per_second};
use crate::{
    client::Client,
    nodes::connected,
    server::{Gateway, Programs, Server},
    token::token,
};

/// The number of connections, each with a room of its own and one message at a time.
const WRITERS: usize = 100;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(4);

/// The rates of one round.
pub(crate) struct Confirmed {
    /// Confirmed messages a second.
    pub(crate) node: f64,
    /// Calls of the append script a second by `redis-benchmark`.
    pub(crate) redis: f64,
}

/// Measures one node on a Redis of its own.
pub(crate) async fn run(programs: &Programs) -> Confirmed {
    let redis = RedisServer::start(Persistence::Always);
    let node = Gateway::node("alone", &redis.url(), "embedded").start(programs);
    node.wait_until_ready();
    let room = format!("benchmark-{DIGITS}");
    let mut client = Client::greeted(&node, &token("recorded"), &room).await;
    let recorder = Recorder::start(&redis);
    client.send_chat().await;
    client.receive(1).await;
    let call = recorder.script_call_with(&room);
    // The first message of a room takes another script, which creates its log.
    for number in 0..ROOMS {
        let room = format!("benchmark-{number:0width$}", width = DIGITS.len());
        let mut client = Client::greeted(&node, &token(&room), &room).await;
        client.send_chat().await;
        client.receive(1).await;
    }
    let rate = messages_per_second(&node).await;
    Confirmed { node: rate, redis: appends_per_second(&redis, &call) }
}

async fn messages_per_second(node: &Server) -> f64 {
    let mut writers = connected(node, WRITERS, "writer").await;
    let start = Instant::now();
    let counts = join_all(writers.iter_mut().map(|writer| async move {
        let mut count = 0;
        while start.elapsed() < WARM_UP + MEASURED {
            writer.send_chat().await;
            writer.receive(1).await;
            count += u32::from(start.elapsed() >= WARM_UP);
        }
        count
    }));
    f64::from(counts.await.iter().sum::<u32>()) / (start.elapsed() - WARM_UP).as_secs_f64()
}
