//! A broker in memory, for tests of what stands above a broker: a model that delivers, confirms and fails on request, and
//! settles publications in an order that a seed determines.

mod channels;

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

pub use self::channels::{MemoryConsumer, MemoryPublisher, Publication};
use super::broker::{Broker, DeadLetter, OutboundEvent};

/// A broker in memory. All clones are one.
#[derive(Debug, Clone)]
pub struct MemoryBroker(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Counts changes of the state, for those who wait for one.
    changes: watch::Sender<u64>,
    blocked: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    connected: bool,
    /// Which connection that publishes this is. Channels of others have failed.
    publishing: u64,
    /// The same for the connection that consumes.
    consuming: u64,
    seed: u64,
    channels: u64,
    queues: BTreeMap<String, Queue>,
    holding: bool,
    refusing: bool,
    dead_letters: Vec<DeadLetter<()>>,
    losing_dead_letters: bool,
    poison: Option<(String, Poison)>,
    inbound: VecDeque<Message>,
    messages: u64,
    unacknowledged: BTreeMap<(u64, u64), Message>,
    redeclared: u64,
}

/// A queue that backend services have bound to events.
#[derive(Debug, Default)]
struct Queue {
    capacity: Option<usize>,
    events: VecDeque<OutboundEvent>,
}

/// An inbound event.
#[derive(Debug, Clone)]
struct Message {
    number: u64,
    key: String,
    id: Option<String>,
    body: Bytes,
}

/// What a dead letter ends that is published whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poison {
    /// Its channel.
    Channel,
    /// The connection that publishes.
    Connection,
}

impl MemoryBroker {
    /// Returns a connected broker. The seed determines in which order it settles publications.
    pub fn new(seed: u64) -> Self {
        let state = State {
            connected: true,
            publishing: 0,
            consuming: 0,
            seed: seed | 1,
            channels: 0,
            queues: BTreeMap::new(),
            holding: false,
            refusing: false,
            dead_letters: Vec::new(),
            losing_dead_letters: false,
            poison: None,
            inbound: VecDeque::new(),
            messages: 0,
            unacknowledged: BTreeMap::new(),
            redeclared: 0,
        };
        let (changes, blocked) = (watch::Sender::new(0), watch::Sender::new(false));
        Self(Arc::new(Shared { state: Mutex::new(state), changes, blocked }))
    }

    /// Binds a queue to events whose routing key begins with this; with a capacity, it refuses events when it is full.
    pub fn bind(&self, prefix: &str, capacity: Option<usize>) {
        self.change(|state| state.queues.entry(prefix.to_owned()).or_default().capacity = capacity);
    }

    /// Deletes a queue and its binding.
    pub fn unbind(&self, prefix: &str) {
        self.change(|state| state.queues.remove(prefix));
    }

    /// Takes everything out of a queue.
    pub fn take(&self, prefix: &str) -> Vec<OutboundEvent> {
        self.change(|state| state.queues.get_mut(prefix).map(|queue| std::mem::take(&mut queue.events).into()))
            .unwrap_or_default()
    }

    /// Takes the next event out of a queue.
    pub fn take_next(&self, prefix: &str) -> Option<OutboundEvent> {
        self.change(|state| state.queues.get_mut(prefix).and_then(|queue| queue.events.pop_front()))
    }

    /// Publishes an event as a backend service does.
    pub fn publish(&self, key: &str, id: Option<&str>, body: &[u8]) {
        self.change(|state| {
            state.messages += 1;
            let (number, body) = (state.messages, Bytes::copy_from_slice(body));
            state.inbound.push_back(Message { number, key: key.to_owned(), id: id.map(str::to_owned), body });
        });
    }

    /// Ends both connections. The next are made immediately, unless the broker was stopped.
    pub fn disconnect(&self) {
        self.change(State::disconnect);
    }

    /// Stops or starts the broker.
    pub fn set_connected(&self, connected: bool) {
        self.change(|state| {
            if !connected {
                state.disconnect();
            }
            state.connected = connected;
        });
    }

    /// Accepts no publications, or accepts them again.
    pub fn set_blocked(&self, blocked: bool) {
        self.0.blocked.send_replace(blocked);
        self.change(|_| ());
    }

    /// Accepts publications and settles none of them, or settles them again.
    pub fn hold(&self, holding: bool) {
        self.change(|state| state.holding = holding);
    }

    /// Refuses every publication, or none that has room.
    pub fn refuse(&self, refusing: bool) {
        self.change(|state| state.refusing = refusing);
    }

    /// Has no queue for dead letters, or has one.
    pub fn lose_dead_letters(&self, losing: bool) {
        self.change(|state| state.losing_dead_letters = losing);
    }

    /// Lets whole dead letters with this routing key end something.
    pub fn poison(&self, key: &str, poison: Poison) {
        self.change(|state| state.poison = Some((key.to_owned(), poison)));
    }

    /// Returns the dead letters.
    pub fn dead_letters(&self) -> Vec<DeadLetter<()>> {
        self.0.state.lock().dead_letters.clone()
    }

    /// Returns how many events of backend services are not acknowledged.
    pub fn waiting(&self) -> usize {
        let state = self.0.state.lock();
        state.inbound.len() + state.unacknowledged.len()
    }

    /// Returns how often [`Broker::redeclare`] was called.
    pub fn redeclared(&self) -> u64 {
        self.0.state.lock().redeclared
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.0.state.lock());
        self.0.changes.send_modify(|count| *count += 1);
        result
    }

    /// Waits until this returns something. It is called again after each change.
    async fn wait<T>(&self, mut poll: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changes = self.0.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let ready = poll(&mut self.0.state.lock());
            match ready {
                Some(ready) => return ready,
                // The sender lives in `self`.
                None => drop(changes.changed().await),
            }
        }
    }

    async fn publisher<M>(&self) -> MemoryPublisher<M> {
        let connection = self.wait(|state| state.connected.then_some(state.publishing)).await;
        MemoryPublisher { broker: self.clone(), connection, queue: VecDeque::new(), accepted: Vec::new() }
    }
}

impl State {
    fn disconnect(&mut self) {
        self.publishing += 1;
        self.consuming += 1;
        let channels: HashSet<_> = self.unacknowledged.keys().map(|(channel, _)| *channel).collect();
        channels.into_iter().for_each(|channel| self.close_consumer(channel));
    }

    /// Delivers again what a channel has not acknowledged, in its order.
    fn close_consumer(&mut self, channel: u64) {
        let of_channel = (channel, 0)..=(channel, u64::MAX);
        let tags: Vec<_> = self.unacknowledged.range(of_channel).map(|(tag, _)| *tag).collect();
        for message in tags.iter().filter_map(|tag| self.unacknowledged.remove(tag)).collect::<Vec<_>>() {
            let position = self.inbound.partition_point(|other| other.number < message.number);
            self.inbound.insert(position, message);
        }
    }

    /// xorshift: any sequence that depends on the seed will do.
    fn random(&mut self, below: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        usize::try_from(self.seed % (below as u64).max(1)).unwrap_or(0)
    }
}

impl Broker for MemoryBroker {
    type Original = ();
    type Events = MemoryPublisher<OutboundEvent>;
    type DeadLetters = MemoryPublisher<DeadLetter<()>>;
    type Inbound = MemoryConsumer;

    async fn open_events(&self) -> MemoryPublisher<OutboundEvent> {
        self.publisher().await
    }

    async fn open_dead_letters(&self) -> MemoryPublisher<DeadLetter<()>> {
        self.publisher().await
    }

    async fn open_inbound(&self) -> MemoryConsumer {
        let open = |state: &mut State| {
            state.channels += 1;
            (state.consuming, state.channels)
        };
        let (connection, channel) = self.wait(|state| state.connected.then(|| open(state))).await;
        MemoryConsumer { broker: self.clone(), connection, channel, tags: 0, cancelled: false }
    }

    fn watch_blocked(&self) -> watch::Receiver<bool> {
        self.0.blocked.subscribe()
    }

    fn redeclare(&self) {
        self.change(|state| state.redeclared += 1);
    }
}
