//! The scenarios that are measured on both servers.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hdrhistogram::Histogram;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    client::{Client, token},
    server::Server,
    table::Row,
};

/// A kind of load.
#[derive(Clone, Copy)]
pub(crate) enum Scenario {
    /// 20 messages a second to 1,000 subscribers.
    FanOut,
    /// 500 rooms of 10, 20,000 deliveries a second.
    Rooms,
    /// The highest rate to 1,000 subscribers.
    Saturation,
    /// One message at a time, from sender to receiver.
    RoundTrip,
    /// The CPU time from a connect to `connected`.
    Connect,
    /// The memory of 10,000 subscribed idle connections.
    Idle,
}

/// The result of a scenario on one server.
#[derive(Default)]
pub(crate) struct Outcome {
    cpu_nanos: u64,
    units: u64,
    writes: u64,
    elapsed: Duration,
    bytes: u64,
    latency: Option<Histogram<u64>>,
}

impl Scenario {
    pub(crate) const ALL: [Self; 6] =
        [Self::FanOut, Self::Rooms, Self::Saturation, Self::RoundTrip, Self::Connect, Self::Idle];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FanOut => "fan-out",
            Self::Rooms => "rooms",
            Self::Saturation => "saturation",
            Self::RoundTrip => "round-trip",
            Self::Connect => "connect",
            Self::Idle => "idle",
        }
    }

    pub(crate) async fn run(self, server: &Server) -> Outcome {
        match self {
            Self::FanOut => steady(server, 1, 1_000, 100, Duration::from_millis(50)).await,
            Self::Rooms => steady(server, 500, 10, 20, Duration::from_millis(250)).await,
            Self::Saturation => saturation(server).await,
            Self::RoundTrip => round_trip(server).await,
            Self::Connect => connect(server).await,
            Self::Idle => idle(server).await,
        }
    }

    pub(crate) fn row(self, ours: &Outcome, bare: &Outcome) -> Row {
        let cpu = |outcome: &Outcome| outcome.cpu_nanos as f64 / outcome.units as f64 / 1_000.0;
        let rate = |outcome: &Outcome| outcome.units as f64 / outcome.elapsed.as_secs_f64() / 1_000.0;
        let writes = format!("{:.3} writes/delivery", ours.writes as f64 / ours.units as f64);
        let quantile =
            |outcome: &Outcome, q| outcome.latency.as_ref().map_or(0, |latency| latency.value_at_quantile(q));
        let (ours_text, bare_text, ratio, notes) = match self {
            Self::FanOut | Self::Rooms => {
                (format!("{:.2} µs", cpu(ours)), format!("{:.2} µs", cpu(bare)), cpu(ours) / cpu(bare), writes)
            }
            Self::Saturation => {
                let notes = format!("{:.2} µs a delivery (bare {:.2}), {writes}", cpu(ours), cpu(bare));
                (format!("{:.0}k/s", rate(ours)), format!("{:.0}k/s", rate(bare)), rate(ours) / rate(bare), notes)
            }
            Self::RoundTrip => {
                let of = |outcome| format!("{}/{} µs", quantile(outcome, 0.5), quantile(outcome, 0.99));
                (of(ours), of(bare), quantile(ours, 0.5) as f64 / quantile(bare, 0.5) as f64, "p50/p99".into())
            }
            Self::Connect => {
                let notes = "CPU until greeted; ours verifies a token".into();
                (format!("{:.1} µs", cpu(ours)), format!("{:.1} µs", cpu(bare)), cpu(ours) / cpu(bare), notes)
            }
            Self::Idle => {
                let each = |outcome: &Outcome| outcome.bytes as f64 / outcome.units as f64;
                let notes = "resident bytes a connection at 10,000; ours authenticated and subscribed".into();
                (format!("{:.0} B", each(ours)), format!("{:.0} B", each(bare)), each(ours) / each(bare), notes)
            }
        };
        Row { name: self.name(), ours: ours_text, bare: bare_text, ratio: format!("{ratio:.2}"), notes }
    }
}

async fn subscribers(server: &Server, count: usize, room: impl Fn(usize) -> String) -> Vec<Client> {
    let mut clients = Vec::with_capacity(count);
    for first in (0..count).step_by(50) {
        let some = (first..count.min(first + 50)).map(|n| {
            let room = room(n);
            async move { Client::subscribed(server, &token(&format!("user{n}")), &room).await }
        });
        clients.extend(join_all(some).await);
    }
    clients
}

/// Measures rooms in which one member sends messages at a steady rate.
async fn steady(server: &Server, rooms: usize, members: usize, messages: u64, every: Duration) -> Outcome {
    let mut clients = subscribers(server, rooms * members, |n| format!("room{}", n % rooms)).await;
    let speakers = clients.split_off(clients.len() - rooms);
    let (cpu, writes, started) = (server.cpu(), server.writes(), Instant::now());
    let reading = join_all(clients.iter_mut().map(|client| client.receive(messages)));
    let offset = every / u32::try_from(rooms).unwrap();
    let speaking = join_all(speakers.into_iter().enumerate().map(|(n, mut speaker)| async move {
        tokio::time::sleep(offset * u32::try_from(n).unwrap()).await;
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        // The sender receives its own message, and from the gateway also a confirmation.
        let each = if server.is_ours() { 2 } else { 1 };
        for _ in 0..messages {
            ticks.tick().await;
            speaker.send_chat().await;
            speaker.receive(each).await;
        }
    }));
    tokio::join!(reading, speaking);
    let units = messages * (rooms * members) as u64;
    let (cpu_nanos, writes) = (server.cpu() - cpu, server.writes() - writes);
    Outcome { cpu_nanos, units, writes, elapsed: started.elapsed(), ..Outcome::default() }
}

/// Measures one sender that sends the next batch as soon as the previous one has been delivered.
async fn saturation(server: &Server) -> Outcome {
    const BATCH: u64 = 64;
    let mut clients = subscribers(server, 1_000, |_| "room".into()).await;
    let mut speaker = clients.pop().unwrap();
    let messages = if server.is_ours() { 4_096 } else { 1_024 };
    let each = if server.is_ours() { 2 } else { 1 };
    let (cpu, writes, started) = (server.cpu(), server.writes(), Instant::now());
    let reading = join_all(clients.iter_mut().map(|client| client.receive(messages)));
    let speaking = async {
        for _ in 0..messages / BATCH {
            for _ in 0..BATCH {
                speaker.send_chat().await;
            }
            speaker.receive(BATCH * each).await;
        }
    };
    tokio::join!(reading, speaking);
    let (cpu_nanos, writes) = (server.cpu() - cpu, server.writes() - writes);
    Outcome { cpu_nanos, units: messages * 1_000, writes, elapsed: started.elapsed(), ..Outcome::default() }
}

async fn round_trip(server: &Server) -> Outcome {
    let mut listener = Client::subscribed(server, &token("listener"), "room").await;
    let mut speaker = Client::subscribed(server, &token("speaker"), "room").await;
    let mut latency = Histogram::new(3).unwrap();
    for _ in 0..5_000 {
        let started = Instant::now();
        speaker.send_chat().await;
        listener.receive(1).await;
        latency.record(u64::try_from(started.elapsed().as_micros()).unwrap()).unwrap();
        speaker.receive(if server.is_ours() { 2 } else { 1 }).await;
    }
    Outcome { latency: Some(latency), units: 5_000, ..Outcome::default() }
}

async fn connect(server: &Server) -> Outcome {
    let tokens: Vec<String> = (0..2_000).map(|n| token(&format!("user{n}"))).collect();
    let mut clients = Vec::with_capacity(tokens.len());
    let cpu = server.cpu();
    for some in tokens.chunks(20) {
        let connecting = some.iter().map(|token| async move {
            let mut client = Client::connect(server, token, "room").await;
            if server.is_ours() {
                client.receive(1).await;
            }
            client
        });
        clients.extend(join_all(connecting).await);
    }
    Outcome { cpu_nanos: server.cpu() - cpu, units: clients.len() as u64, ..Outcome::default() }
}

async fn idle(server: &Server) -> Outcome {
    let warm = subscribers(server, 200, |_| "warm".into()).await;
    let before = server.resident();
    let clients = subscribers(server, 10_000, |n| format!("room{}", n % 100)).await;
    let bytes = server.resident().saturating_sub(before);
    drop(warm);
    Outcome { bytes, units: clients.len() as u64, ..Outcome::default() }
}
