//! The consumer at a broker in memory, with services and a store that a test controls.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

use super::{super::dead_letter_publisher::DeadLetterPublisher, *};
use crate::{
    bus::{
        InboundEvents,
        backend_events::backend_health::BackendHealth,
        memory_broker::{MemoryBroker, Poison},
    },
    runtime::tasks::Tasks,
};

/// Whether the store is ready, as a test decides.
#[derive(Debug, Clone, Default)]
struct Ready(Arc<AtomicBool>);

#[async_trait]
impl StoreReadiness for Ready {
    async fn is_ready(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

struct Consuming {
    broker: MemoryBroker,
    events: InboundEvents,
    ready: Ready,
    stop: CancellationToken,
    consumer: JoinHandle<()>,
    metrics: Arc<Metrics>,
    health: Arc<BackendHealth>,
    tasks: Tasks,
}

fn consuming() -> Consuming {
    let (broker, ready, stop) = (MemoryBroker::new(1), Ready::default(), CancellationToken::new());
    let (metrics, health, tasks) = (Arc::new(Metrics::new().unwrap()), Arc::default(), Tasks::default());
    let ((events, received), (dead_letters, submissions)) = (mpsc::channel(1), mpsc::channel(64));
    let consumer = InboundConsumer {
        broker: Arc::new(broker.clone()),
        store: Box::new(ready.clone()),
        metrics: metrics.clone(),
        events,
        dead_letters,
        stop: stop.clone(),
    };
    let consumer = tasks.spawn(consumer.run());
    let health: Arc<BackendHealth> = health;
    tasks.spawn(DeadLetterPublisher { broker: Arc::new(broker.clone()), submissions, health: health.clone() }.run());
    Consuming { broker, events: received, ready, stop, consumer, metrics, health, tasks }
}

impl Consuming {
    async fn next(&mut self) -> InboundEvent {
        self.events.recv().await.unwrap()
    }

    /// Answers the next event, and returns its key.
    async fn answer(&mut self, verdict: Verdict) -> String {
        let event = self.next().await;
        // The channel of the event may have failed meanwhile.
        let _ = event.verdict.send(verdict);
        event.key
    }

    /// Waits until this holds. Time passes only while everything else waits.
    async fn until(&self, mut holds: impl FnMut(&Self) -> bool) {
        for _ in 0..1_000 {
            if holds(self) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("it does not happen");
    }

    fn consumed(&self, outcome: &str) -> u64 {
        self.metrics.bus_consumed_total.with_label_values(&[outcome]).get()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.consumer.await.unwrap();
        assert!(self.tasks.stop(Duration::from_secs(30)).await, "the publisher of the dead letters ends with it");
    }
}

fn refused() -> Verdict {
    Verdict::Refused { reason: "unknown_key", detail: "no kind of event has this routing key".into() }
}

#[tokio::test(start_paused = true)]
async fn acknowledges_an_event_only_when_it_is_stored() {
    let mut consuming = consuming();
    consuming.broker.publish("notification.alice", Some("m"), b"{}");
    let event = consuming.next().await;
    assert_eq!(
        (event.key.as_str(), event.id.as_deref(), &event.body[..]),
        ("notification.alice", Some("m"), &b"{}"[..])
    );
    assert_eq!(consuming.broker.waiting(), 1);
    event.verdict.send(Verdict::Stored).unwrap();
    consuming.until(|consuming| consuming.broker.waiting() == 0).await;
    assert_eq!(consuming.consumed("stored"), 1);
    consuming.stop().await;
}

#[tokio::test(start_paused = true)]
async fn handles_topics_together_and_the_events_of_a_topic_one_after_the_other() {
    let mut consuming = consuming();
    for key in ["notification.alice", "notification.alice", "notification.bob"] {
        consuming.broker.publish(key, None, b"{}");
    }
    let first = consuming.next().await;
    let other = consuming.next().await;
    assert_eq!((first.key.as_str(), other.key.as_str()), ("notification.alice", "notification.bob"));
    sleep(Duration::from_secs(1)).await;
    assert!(consuming.events.try_recv().is_err(), "the second of alice waits");
    first.verdict.send(Verdict::Stored).unwrap();
    assert_eq!(consuming.next().await.key, "notification.alice");
    consuming.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn waits_for_the_store_and_gets_the_events_again_in_their_order() {
    let mut consuming = consuming();
    for n in 0..5 {
        consuming.broker.publish("notification.alice", Some(&n.to_string()), b"{}");
    }
    assert_eq!(consuming.answer(Verdict::Stored).await, "notification.alice");
    assert_eq!(consuming.answer(Verdict::Retry).await, "notification.alice");
    sleep(Duration::from_secs(60)).await;
    assert!(consuming.events.try_recv().is_err(), "no event is taken while the store is away");
    assert_eq!((consuming.broker.waiting(), consuming.consumed("returned")), (4, 1));
    consuming.ready.0.store(true, Ordering::SeqCst);
    for expected in 1..5 {
        let event = consuming.next().await;
        assert_eq!(event.id, Some(expected.to_string()));
        event.verdict.send(Verdict::Stored).unwrap();
    }
    consuming.until(|consuming| consuming.broker.waiting() == 0).await;
    consuming.stop().await;
}

#[tokio::test(start_paused = true)]
async fn waits_for_the_store_even_if_the_connection_is_lost_meanwhile() {
    let mut consuming = consuming();
    for key in ["notification.alice", "notification.bob"] {
        consuming.broker.publish(key, None, b"{}");
    }
    let (alice, bob) = (consuming.next().await, consuming.next().await);
    alice.verdict.send(Verdict::Retry).unwrap();
    consuming.until(|consuming| consuming.consumed("returned") == 1).await;
    consuming.broker.disconnect();
    sleep(Duration::from_secs(60)).await;
    assert!(consuming.events.try_recv().is_err(), "no event is taken while the store is away");
    drop(bob);
    consuming.ready.0.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        consuming.answer(Verdict::Stored).await;
    }
    consuming.until(|consuming| consuming.broker.waiting() == 0).await;
    consuming.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_is_dropped_means_to_deliver_again() {
    let mut consuming = consuming();
    consuming.ready.0.store(true, Ordering::SeqCst);
    consuming.broker.publish("notification.alice", None, b"{}");
    drop(consuming.next().await);
    assert_eq!(consuming.answer(Verdict::Stored).await, "notification.alice");
    consuming.until(|consuming| consuming.broker.waiting() == 0).await;
    consuming.stop().await;
}

#[tokio::test(start_paused = true)]
async fn moves_refused_events_to_the_dead_letters_with_their_reason() {
    let mut consuming = consuming();
    consuming.broker.publish("weather.today", Some("m"), b"{\"a\":1}");
    consuming.answer(refused()).await;
    consuming.until(|consuming| consuming.broker.waiting() == 0).await;
    let letters = consuming.broker.dead_letters();
    let letter = &letters[0];
    assert_eq!((letter.key.as_str(), &letter.body[..]), ("weather.today", &b"{\"a\":1}"[..]));
    assert_eq!((letter.reason, letter.detail.as_str()), ("unknown_key", "no kind of event has this routing key"));
    assert_eq!(consuming.metrics.dead_lettered_total.with_label_values(&["unknown_key"]).get(), 1);
    consuming.stop().await;
}

#[tokio::test(start_paused = true)]
async fn refused_events_wait_for_the_dead_letters_and_others_do_not() {
    let mut consuming = consuming();
    consuming.broker.lose_dead_letters(true);
    consuming.broker.publish("weather.today", None, b"{}");
    consuming.answer(refused()).await;
    consuming.until(|consuming| !consuming.health.warnings().is_empty()).await;
    consuming.broker.publish("notification.alice", None, b"{}");
    consuming.answer(Verdict::Stored).await;
    consuming.until(|consuming| consuming.broker.waiting() == 1).await;
    consuming.broker.lose_dead_letters(false);
    consuming.until(|consuming| consuming.broker.waiting() == 0).await;
    assert!(consuming.health.warnings().is_empty());
    assert_eq!(consuming.broker.dead_letters().len(), 1);
    consuming.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_ends_channels_or_connections_goes_without_its_properties() {
    for poison in [Poison::Channel, Poison::Connection] {
        let mut consuming = consuming();
        consuming.ready.0.store(true, Ordering::SeqCst);
        consuming.broker.poison("weather.bad", poison);
        for key in ["weather.1", "weather.bad", "weather.2", "weather.3"] {
            consuming.broker.publish(key, None, b"{}");
        }
        let mut waited = 0;
        while consuming.broker.waiting() > 0 {
            tokio::select! {
                _ = consuming.answer(refused()) => {}
                () = sleep(Duration::from_secs(1)) => waited += 1,
            }
            assert!(waited < 1_000, "{poison:?}: {} dead letters", consuming.broker.dead_letters().len());
        }
        let letters = consuming.broker.dead_letters();
        let forms = |key: &str| -> Vec<_> {
            letters.iter().filter(|letter| letter.key == key).map(|letter| letter.form).collect()
        };
        for key in ["weather.1", "weather.2", "weather.3"] {
            assert_eq!(forms(key), [DeadLetterForm::Complete], "{poison:?}: {letters:?}");
        }
        assert_eq!(forms("weather.bad"), [DeadLetterForm::Plain], "{poison:?}");
        consuming.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn delivers_events_again_however_often_connections_are_lost() {
    let mut consuming = consuming();
    consuming.ready.0.store(true, Ordering::SeqCst);
    for n in 0..3 {
        consuming.broker.publish("notification.alice", Some(&n.to_string()), b"{}");
    }
    for _ in 0..25 {
        let event = consuming.next().await;
        assert_eq!(event.id.as_deref(), Some("0"));
        consuming.broker.disconnect();
    }
    for n in 0..3 {
        loop {
            let event = consuming.next().await;
            let id = event.id.clone();
            // The last of the lost connections may have left an event in the queue.
            if event.verdict.send(Verdict::Stored).is_ok() {
                assert_eq!(id, Some(n.to_string()));
                break;
            }
        }
    }
    consuming.until(|consuming| consuming.broker.waiting() == 0).await;
    assert!(consuming.broker.dead_letters().is_empty());
    consuming.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_what_is_under_way_and_leaves_the_rest() {
    let mut consuming = consuming();
    for _ in 0..3 {
        consuming.broker.publish("notification.alice", None, b"{}");
    }
    let event = consuming.next().await;
    consuming.stop.cancel();
    sleep(Duration::from_secs(1)).await;
    assert!(!consuming.consumer.is_finished());
    event.verdict.send(Verdict::Stored).unwrap();
    let broker = consuming.broker.clone();
    consuming.stop().await;
    assert_eq!(broker.waiting(), 2);
}
