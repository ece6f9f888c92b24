//! The loads: round trips between pairs, and rooms with a steady rate of messages.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::{
    delivery::{Delivery, Faults, Subscriber, content},
    peer::Peer,
};
use crate::{client::Client, statistics::quantile, token::token};

/// The time before the measurement, in which nodes create what they need.
const WARM_UP: Duration = Duration::from_secs(1);
/// The time of the measurement.
const MEASURED: Duration = Duration::from_secs(5);
/// How long deliveries may take after the last message is sent.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time for second deliveries of a message that has already arrived.
const SECOND_DELIVERIES: Duration = Duration::from_millis(100);

const PAIRS: usize = 16;
const ROOMS: usize = 200;
const MEMBERS: usize = 10;
const MESSAGES_PER_SECOND: u32 = 2_000;

/// A kind of load. Subscribers are on one node, publishers on the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// 16 pairs; each publisher sends the next message when its subscriber has the one before.
    RoundTrip,
    /// 200 rooms of 10 subscribers, 2,000 messages a second.
    Rooms,
}

/// What was measured in one round.
pub(crate) struct Figures {
    /// Deliveries a second.
    pub(crate) per_second: f64,
    /// CPU time of the nodes for each delivery, in microseconds.
    pub(crate) nodes_micros: f64,
    /// The same with Redis and RabbitMQ.
    pub(crate) all_micros: f64,
    /// The median time from sending to receiving, in milliseconds.
    pub(crate) p50: f64,
    /// The time within which 99 % arrive, in milliseconds.
    pub(crate) p99: f64,
    /// What was wrong with the deliveries.
    pub(crate) faults: Faults,
}

impl Load {
    pub(crate) const ALL: [Self; 2] = [Self::RoundTrip, Self::Rooms];

    /// Puts the load on two nodes.
    pub(crate) async fn run(self, peer: &Peer) -> Figures {
        match self {
            Self::RoundTrip => round_trip(peer).await,
            Self::Rooms => rooms(peer).await,
        }
    }
}

async fn round_trip(peer: &Peer) -> Figures {
    let subscribers = subscribers(peer, "pair", PAIRS, 1).await;
    let publishers = publishers(peer, "pair", PAIRS).await;
    let start = Instant::now();
    let mut pairs = JoinSet::new();
    for (mut subscriber, mut publisher) in subscribers.into_iter().zip(publishers) {
        pairs.spawn(async move {
            let mut sent = 0;
            while start.elapsed() < WARM_UP + MEASURED {
                sent += 1;
                publisher.send(start.elapsed(), sent);
                let until = start.elapsed() + PATIENCE;
                subscriber.receive(sent as usize, start, until).await;
            }
            // More than were sent: only second deliveries.
            subscriber.receive(usize::MAX, start, start.elapsed() + SECOND_DELIVERIES).await;
            (subscriber.deliveries, sent)
        });
    }
    let cpu = cpu_of_measurement(peer, start).await;
    figures(&pairs.join_all().await, cpu)
}

async fn rooms(peer: &Peer) -> Figures {
    let subscribers = subscribers(peer, "room", ROOMS, MEMBERS).await;
    let mut publishers = publishers(peer, "room", ROOMS).await;
    let each = MESSAGES_PER_SECOND * u32::try_from((WARM_UP + MEASURED).as_secs()).unwrap() / ROOMS as u32;
    let start = Instant::now();
    // A thread of its own, because the timers of Tokio have a resolution of a millisecond.
    let publishing = std::thread::spawn(move || {
        for sequence in 1..=each {
            for (room, publisher) in (0..).zip(&mut publishers) {
                let due = Duration::from_secs(1) / MESSAGES_PER_SECOND * ((sequence - 1) * ROOMS as u32 + room);
                std::thread::sleep(due.saturating_sub(start.elapsed()));
                // The time at which it was due, so that a late message counts as a slow one.
                publisher.send(due, sequence);
            }
        }
        // The connections stay open: closing them could discard messages that the server has not read.
        publishers
    });
    let mut receiving = JoinSet::new();
    for mut subscriber in subscribers {
        receiving.spawn(async move {
            subscriber.receive(each as usize, start, WARM_UP + MEASURED + PATIENCE).await;
            subscriber.receive(usize::MAX, start, start.elapsed() + SECOND_DELIVERIES).await;
            (subscriber.deliveries, each)
        });
    }
    let cpu = cpu_of_measurement(peer, start).await;
    let received = receiving.join_all().await;
    drop(publishing.join().expect("the publishers"));
    figures(&received, cpu)
}

/// CPU time of the measurement, in microseconds.
struct CpuOfMeasurement {
    nodes: u64,
    all: u64,
}

async fn cpu_of_measurement(peer: &Peer, start: Instant) -> CpuOfMeasurement {
    tokio::time::sleep_until((start + WARM_UP).into()).await;
    let before = peer.cpu();
    tokio::time::sleep_until((start + WARM_UP + MEASURED).into()).await;
    let after = peer.cpu();
    CpuOfMeasurement { nodes: after.nodes - before.nodes, all: after.all - before.all }
}

/// Computes the figures from the deliveries of each subscriber and the number of messages that its publisher sent.
fn figures(received: &[(Vec<Delivery>, u32)], cpu: CpuOfMeasurement) -> Figures {
    let measured = WARM_UP..WARM_UP + MEASURED;
    let all = || received.iter().flat_map(|(deliveries, _)| deliveries);
    let count = all().filter(|delivery| measured.contains(&delivery.received)).count().max(1) as f64;
    let latencies = all().filter(|delivery| measured.contains(&delivery.sent));
    let mut millis: Vec<f64> = latencies.map(|it| (it.received.saturating_sub(it.sent)).as_secs_f64() * 1e3).collect();
    millis.sort_by(f64::total_cmp);
    Figures {
        per_second: count / MEASURED.as_secs_f64(),
        nodes_micros: cpu.nodes as f64 / count,
        all_micros: cpu.all as f64 / count,
        p50: quantile(&millis, 0.5),
        p99: quantile(&millis, 0.99),
        faults: received
            .iter()
            .map(|(deliveries, sent)| Faults::of(deliveries, *sent))
            .fold(Faults::default(), Faults::and),
    }
}

async fn subscribers(peer: &Peer, name: &str, rooms: usize, members: usize) -> Vec<Subscriber> {
    let mut all = Vec::with_capacity(rooms * members);
    for room in 0..rooms {
        let some = (0..members).map(|member| async move {
            let token = token(&format!("{name}{room}-{member}"));
            Subscriber::new(Client::subscribed(&peer.near, &token, &format!("{name}{room}")).await.stream)
        });
        all.extend(join_all(some).await);
    }
    all
}

async fn publishers(peer: &Peer, name: &str, rooms: usize) -> Vec<Publisher> {
    join_all((0..rooms).map(|room| async move {
        let token = token(&format!("{name}{room}-publisher"));
        Publisher::new(Client::greeted(&peer.far, &token, &format!("{name}{room}")).await)
    }))
    .await
}

/// A client that sends to its room and discards the replies.
struct Publisher {
    client: Client,
    replies: Vec<u8>,
    was_refused: bool,
}

impl Publisher {
    fn new(client: Client) -> Self {
        Self { client, replies: Vec::with_capacity(4096), was_refused: false }
    }

    /// Sends a message, and reads the replies that have arrived so far. Waits for nothing, so that a thread outside the
    /// runtime can use it.
    ///
    /// # Panics
    /// If the server does not read.
    fn send(&mut self, sent: Duration, sequence: u32) {
        let frame = self.client.frame_of(&content(sent, sequence));
        // The buffers of a connection hold some hundred messages, and the server is not that late.
        let written = self.client.stream.try_write(&frame).expect("the server reads");
        assert_eq!(written, frame.len(), "the server does not read");
        self.replies.clear();
        // An error means that there is no reply yet.
        let _ = self.client.stream.try_read_buf(&mut self.replies);
        let replies = String::from_utf8_lossy(&self.replies);
        if !self.was_refused && replies.contains(r#""error""#) {
            // A refused message counts as lost, because it is not delivered.
            println!("the server refused a message: {replies}");
            self.was_refused = true;
        }
    }
}
