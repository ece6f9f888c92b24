//! Events between the gateway and backend services, above any broker: publishing the outbox, consuming inbound events and
//! publishing those that are refused to the dead letters. `bus/broker.rs` is the contract of what is below.
//!
//! The decisions are made without I/O in `outbox_window.rs`, `lanes.rs` and `dead_letter_window.rs`; the files next to
//! them do what these decide.

mod backend_health;
mod dead_letter_publisher;
mod dead_letter_window;
mod event_body;
mod inbound_consumer;
mod lanes;
mod outbox_publisher;
mod outbox_window;
mod routes;
#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub(crate) use self::event_body::event_body;
use self::{
    backend_health::BackendHealth, dead_letter_publisher::DeadLetterPublisher, inbound_consumer::InboundConsumer,
    outbox_publisher::OutboxPublisher,
};
use super::{BrokerWarning, InboundEvents, broker::Broker};
use crate::{
    metrics::Metrics,
    runtime::{supervision::Supervisor, tasks::Tasks},
    store::Store,
};

/// How many dead letters may wait to be published.
const DEAD_LETTERS: usize = 64;

/// The events between this node and backend services.
pub(super) struct BackendEvents {
    health: Arc<BackendHealth>,
    stop_consuming: CancellationToken,
    finish_publishing: CancellationToken,
    running: Mutex<Option<Running>>,
}

/// The parts that end in order.
struct Running {
    consumer: JoinHandle<()>,
    publisher: JoinHandle<()>,
}

/// What the events between this node and backend services are made of.
pub(super) struct Parts<'a, B> {
    /// The broker.
    pub(super) broker: Arc<B>,
    /// Holds the outbox, and what inbound events lead to.
    pub(super) store: Arc<dyn Store>,
    /// Counts events.
    pub(super) metrics: Arc<Metrics>,
    /// Owns the tasks.
    pub(super) tasks: &'a Tasks,
    /// Watches them.
    pub(super) supervisor: &'a Supervisor,
}

impl BackendEvents {
    /// Begins to publish and to consume.
    pub(super) fn start<B: Broker>(parts: Parts<'_, B>) -> (Self, InboundEvents) {
        let Parts { broker, store, metrics, tasks, supervisor } = parts;
        let health = Arc::new(BackendHealth::default());
        let (stop_consuming, finish_publishing) = (CancellationToken::new(), CancellationToken::new());
        let (dead_letters, submissions) = mpsc::channel(DEAD_LETTERS);
        let (events, inbound) = mpsc::channel(1);
        let consumer = InboundConsumer {
            broker: broker.clone(),
            store: Box::new(store.clone()),
            metrics: metrics.clone(),
            events,
            dead_letters,
            stop: stop_consuming.clone(),
        };
        let publisher = OutboxPublisher {
            broker: broker.clone(),
            store,
            health: health.clone(),
            metrics,
            finish: finish_publishing.clone(),
        };
        let letters = DeadLetterPublisher { broker, submissions, health: health.clone() };
        let watch = |part, stop: &CancellationToken, task| {
            tasks.spawn_until_stopped(supervisor.watch_until(part, stop.clone(), task))
        };
        let consumer = watch("inbound consumer", &stop_consuming, boxed(consumer.run()));
        // It ends when the consumer has.
        watch("dead letter publisher", &stop_consuming, boxed(letters.run()));
        let publisher = watch("outbox publisher", &finish_publishing, boxed(publisher.run()));
        let running = Mutex::new(Some(Running { consumer, publisher }));
        (Self { health, stop_consuming, finish_publishing, running }, inbound)
    }

    /// Takes no more events from backend services. Those under way are finished; another node takes the others.
    pub(super) fn stop_consuming(&self) {
        self.stop_consuming.cancel();
    }

    /// Finishes what is under way: first what comes in, then what that leads to and goes out. Resolves when both have
    /// ended, which the caller limits.
    pub(super) async fn finish(&self) {
        let Some(running) = self.running.lock().take() else { return };
        self.stop_consuming.cancel();
        // A part that has panicked was reported by its supervisor.
        let _ = running.consumer.await;
        self.finish_publishing.cancel();
        let _ = running.publisher.await;
    }

    /// Returns what an operator should look at.
    pub(super) fn warnings(&self) -> Vec<BrokerWarning> {
        self.health.warnings()
    }
}

/// Gives the tasks one type.
fn boxed(task: impl Future<Output = ()> + Send + 'static) -> BoxFuture<'static, ()> {
    Box::pin(task)
}
