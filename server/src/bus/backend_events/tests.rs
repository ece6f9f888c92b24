//! The publisher of the outbox at a broker in memory, with an outbox that a test controls.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use proptest::prelude::*;
use realtime_gateway_protocol::Timestamp;
use tokio::{sync::watch, time::timeout};

use super::*;
use crate::{
    bus::memory_broker::MemoryBroker,
    store::{Event, EventDetail, EventSource, Outbox, OutboxEntry, OutboxStatus, StoreError},
};

/// An outbox in memory.
#[derive(Debug, Default)]
struct FakeOutbox {
    entries: Mutex<BTreeMap<u64, OutboxEntry>>,
    appended: watch::Sender<u64>,
    failing: Mutex<bool>,
    taken: Mutex<bool>,
    released: Mutex<bool>,
}

impl FakeOutbox {
    fn append(&self) {
        self.appended.send_modify(|appended| {
            *appended += 1;
            let (sequence, id) = (*appended, format!("e{appended}").into());
            let event = Event {
                id,
                key: "chat.message.a".into(),
                at: Timestamp::from_millis(1),
                body: "{}".into(),
                source: EventSource::Client,
            };
            let entry = OutboxEntry { sequence, node: "n".into(), event, detail: EventDetail::None };
            self.entries.lock().insert(sequence, entry);
        });
    }

    fn check(&self) -> Result<(), StoreError> {
        if *self.failing.lock() { Err(StoreError::Unavailable("a test".into())) } else { Ok(()) }
    }

    fn is_empty(&self) -> bool {
        self.entries.lock().is_empty()
    }
}

#[async_trait]
impl Outbox for FakeOutbox {
    async fn lease_outbox(&self, _ttl: Duration) -> Result<bool, StoreError> {
        self.check()?;
        Ok(!*self.taken.lock())
    }

    async fn release_outbox(&self) -> Result<(), StoreError> {
        *self.released.lock() = true;
        Ok(())
    }

    async fn read_outbox(&self, after: u64, at_most: usize, wait: Duration) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut appended = self.appended.subscribe();
        // Without an event in time the answer is empty.
        let is_there = |_: &u64| self.entries.lock().range(after + 1..).next().is_some();
        let _ = timeout(wait, appended.wait_for(is_there)).await;
        self.check()?;
        Ok(self.entries.lock().range(after + 1..).take(at_most).map(|(_, entry)| entry.clone()).collect())
    }

    async fn remove_from_outbox(&self, sequences: &[u64]) -> Result<(), StoreError> {
        self.check()?;
        sequences.iter().for_each(|sequence| drop(self.entries.lock().remove(sequence)));
        Ok(())
    }

    async fn outbox_status(&self) -> Result<OutboxStatus, StoreError> {
        Ok(OutboxStatus::default())
    }
}

struct Publishing {
    broker: MemoryBroker,
    outbox: Arc<FakeOutbox>,
    health: Arc<BackendHealth>,
    metrics: Arc<Metrics>,
    finish: CancellationToken,
    publisher: JoinHandle<()>,
}

fn publishing(seed: u64) -> Publishing {
    let (broker, outbox, health) = (MemoryBroker::new(seed), Arc::<FakeOutbox>::default(), Arc::default());
    let (metrics, finish) = (Arc::new(Metrics::new().unwrap()), CancellationToken::new());
    let publisher = OutboxPublisher {
        broker: Arc::new(broker.clone()),
        store: outbox.clone(),
        health: Arc::clone(&health),
        metrics: metrics.clone(),
        finish: finish.clone(),
    };
    let publisher = Tasks::default().spawn(publisher.run());
    Publishing { broker, outbox, health, metrics, finish, publisher }
}

impl Publishing {
    async fn until_empty(&self) {
        self.until(|publishing| publishing.outbox.is_empty()).await;
    }

    /// Waits until this holds. Time passes only while everything else waits.
    async fn until(&self, mut holds: impl FnMut(&Self) -> bool) {
        for _ in 0..2_000 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it does not happen");
    }

    async fn finish(self) {
        self.finish.cancel();
        timeout(Duration::from_secs(60), self.publisher).await.unwrap().unwrap();
        assert!(*self.outbox.released.lock(), "the lease is released");
    }

    fn published(&self, outcome: &str) -> u64 {
        self.metrics.bus_published_total.with_label_values(&[outcome]).get()
    }
}

fn ids(broker: &MemoryBroker) -> Vec<String> {
    broker.take("chat.").iter().map(|event| event.id.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn publishes_in_order_and_removes_what_is_confirmed() {
    let publishing = publishing(7);
    publishing.broker.bind("chat.", None);
    (0..2_000).for_each(|_| publishing.outbox.append());
    publishing.until_empty().await;
    assert_eq!(ids(&publishing.broker), (1..=2_000).map(|n| format!("e{n}")).collect::<Vec<_>>());
    assert_eq!(publishing.published("confirmed"), 2_000);
    publishing.finish().await;
}

#[tokio::test(start_paused = true)]
async fn publishes_at_most_the_window_without_confirmations() {
    let publishing = publishing(7);
    publishing.broker.bind("chat.", None);
    publishing.broker.hold(true);
    (0..2_000).for_each(|_| publishing.outbox.append());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ids(&publishing.broker).len(), 512);
    assert_eq!(publishing.outbox.entries.lock().len(), 2_000);
    publishing.broker.hold(false);
    publishing.until_empty().await;
    publishing.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_confirms_nothing_is_given_up() {
    let publishing = publishing(7);
    publishing.broker.bind("chat.", None);
    publishing.broker.hold(true);
    publishing.outbox.append();
    tokio::time::sleep(Duration::from_secs(15)).await;
    publishing.broker.hold(false);
    publishing.until_empty().await;
    assert_eq!(ids(&publishing.broker), ["e1", "e1"], "it comes again on the next connection");
    publishing.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_keeps_the_order_and_is_tried_again() {
    let publishing = publishing(7);
    publishing.broker.bind("chat.", Some(2));
    (0..6).for_each(|_| publishing.outbox.append());
    let mut received = Vec::new();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        received.extend(ids(&publishing.broker));
    }
    publishing.until_empty().await;
    assert_eq!(received, ["e1", "e2", "e3", "e4", "e5", "e6"]);
    assert!(publishing.published("refused") > 0);
    publishing.finish().await;
}

#[tokio::test(start_paused = true)]
async fn warns_of_events_that_reach_no_queue_any_more() {
    let publishing = publishing(7);
    publishing.outbox.append();
    publishing.until_empty().await;
    assert!(publishing.health.warnings().is_empty(), "no queue was ever bound");
    publishing.broker.bind("chat.", None);
    publishing.outbox.append();
    publishing.until_empty().await;
    publishing.broker.unbind("chat.");
    publishing.outbox.append();
    publishing.until_empty().await;
    assert!(publishing.health.warnings()[0].text.contains("chat.message"));
    assert_eq!(publishing.broker.redeclared(), 1);
    assert_eq!((publishing.published("unroutable"), publishing.metrics.bus_unroutable_total.get()), (2, 2));
    publishing.broker.bind("chat.", None);
    publishing.outbox.append();
    publishing.until_empty().await;
    assert!(publishing.health.warnings().is_empty());
    publishing.finish().await;
}

#[tokio::test(start_paused = true)]
async fn publishes_nothing_while_another_node_does() {
    let publishing = publishing(7);
    publishing.broker.bind("chat.", None);
    *publishing.outbox.taken.lock() = true;
    publishing.outbox.append();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(ids(&publishing.broker).len(), 0);
    *publishing.outbox.taken.lock() = false;
    publishing.until_empty().await;
    publishing.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_publishes_what_is_there_and_waits_for_no_broker_that_is_away() {
    let connected = publishing(7);
    connected.broker.bind("chat.", None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    (0..700).for_each(|_| connected.outbox.append());
    let (broker, outbox) = (connected.broker.clone(), connected.outbox.clone());
    connected.finish().await;
    assert!(outbox.is_empty());
    assert_eq!(ids(&broker).len(), 700);

    for away in [true, false] {
        let publishing = publishing(7);
        publishing.outbox.append();
        if away {
            publishing.broker.set_connected(false);
        } else {
            publishing.broker.set_blocked(true);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let began = tokio::time::Instant::now();
        let outbox = publishing.outbox.clone();
        publishing.finish().await;
        assert!(began.elapsed() < Duration::from_secs(1));
        assert!(!outbox.is_empty(), "the event stays in the outbox");
    }
}

/// What happens to the broker and the store.
#[derive(Debug, Clone)]
enum Operation {
    Append(u8),
    Pass(u16),
    Disconnect,
    Connect(bool),
    Hold(bool),
    Refuse(bool),
    Block(bool),
    FailStore(bool),
    TakeLease(bool),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        4 => (0_u8..40).prop_map(Operation::Append),
        4 => (0_u16..5_000).prop_map(Operation::Pass),
        1 => Just(Operation::Disconnect),
        1 => any::<bool>().prop_map(Operation::Connect),
        1 => any::<bool>().prop_map(Operation::Hold),
        1 => any::<bool>().prop_map(Operation::Refuse),
        1 => any::<bool>().prop_map(Operation::Block),
        1 => any::<bool>().prop_map(Operation::FailStore),
        1 => any::<bool>().prop_map(Operation::TakeLease),
    ];
    prop::collection::vec(operation, 1..40)
}

async fn apply(publishing: &Publishing, operation: Operation) {
    match operation {
        Operation::Append(count) => (0..count).for_each(|_| publishing.outbox.append()),
        Operation::Pass(millis) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
        Operation::Disconnect => publishing.broker.disconnect(),
        Operation::Connect(connected) => publishing.broker.set_connected(connected),
        Operation::Hold(holding) => publishing.broker.hold(holding),
        Operation::Refuse(refusing) => publishing.broker.refuse(refusing),
        Operation::Block(blocked) => publishing.broker.set_blocked(blocked),
        Operation::FailStore(failing) => *publishing.outbox.failing.lock() = failing,
        Operation::TakeLease(taken) => *publishing.outbox.taken.lock() = taken,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn loses_no_event_and_keeps_the_order_whatever_fails(operations in operations(), seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        // An event behind a refused one may have been published already, and accepted.
        let keeps_order = !operations.iter().any(|operation| matches!(operation, Operation::Refuse(true)));
        let (received, appended) = runtime.block_on(async {
            let publishing = publishing(seed);
            publishing.broker.bind("chat.", None);
            for operation in operations {
                apply(&publishing, operation).await;
            }
            for operation in [
                Operation::Connect(true),
                Operation::Hold(false),
                Operation::Refuse(false),
                Operation::Block(false),
                Operation::FailStore(false),
                Operation::TakeLease(false),
                Operation::Append(1),
            ] {
                apply(&publishing, operation).await;
            }
            publishing.until_empty().await;
            let (received, appended) = (ids(&publishing.broker), *publishing.outbox.appended.borrow());
            publishing.finish().await;
            (received, appended)
        });
        let (mut newest, mut seen) = (0, HashSet::new());
        for id in &received {
            let number: u64 = id[1..].parse().unwrap();
            prop_assert!(!keeps_order || number <= newest + 1, "{} is followed by {}", newest, number);
            newest = newest.max(number);
            seen.insert(number);
        }
        prop_assert_eq!(seen.len() as u64, appended);
    }
}
