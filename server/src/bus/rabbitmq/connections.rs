//! The two connections to the broker: opened at the start, kept by their supervisors, closed in order.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    RabbitError, Shared,
    address::addresses,
    connection_state::Role,
    connection_tasks::{ConsumeTasks, PublishTasks},
    error::AmqpError,
    supervisor::{Outcome, Supervisor},
    tls,
    topology::Names,
};
use crate::{
    bus::{BrokerStatus, BrokerWarning},
    config,
    metrics::Metrics,
    runtime::{supervision, tasks::Tasks},
};

/// How long the start waits for the broker. The gateway starts without it all the same.
const FIRST_ATTEMPT: Duration = Duration::from_secs(6);
/// How long it waits where there must be no other gateway, for a broker that is connected and busy.
const FIRST_ANSWER: Duration = Duration::from_secs(15);
/// How long the start waits for another gateway with a store of its own, which may be shutting down.
const SINGLE_PATIENCE: Duration = Duration::from_secs(3);

/// Who uses the store. Gateways that consume the same inbound events have to share one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bus) enum StoreUse {
    /// The store is this node's own, so no other gateway may use the broker with the same prefix.
    Own,
    /// Any number of nodes share the store and the broker.
    Shared,
}

/// What the connections are made of.
pub(in crate::bus) struct Parts<'a> {
    /// `bus.*`
    pub(in crate::bus) config: &'a config::Bus,
    /// `node_id`
    pub(in crate::bus) node: Arc<str>,
    /// Who uses the store.
    pub(in crate::bus) store_use: StoreUse,
    /// Counts events and reconnections.
    pub(in crate::bus) metrics: Arc<Metrics>,
    /// Owns the tasks.
    pub(in crate::bus) tasks: &'a Tasks,
    /// Watches them.
    pub(in crate::bus) supervisor: &'a supervision::Supervisor,
}

/// The two connections of a node.
pub(in crate::bus) struct Connections {
    pub(super) shared: Shared,
    running: Mutex<Option<Running>>,
}

/// The supervisors, which are stopped in this order.
struct Running {
    stop_consuming: CancellationToken,
    consuming: JoinHandle<()>,
    stop_publishing: CancellationToken,
    publishing: JoinHandle<()>,
}

impl Connections {
    /// Connects, or begins to try indefinitely.
    ///
    /// # Errors
    /// [`RabbitError`] for what waiting does not repair. A broker that cannot be reached is not an error.
    pub(in crate::bus) async fn open(parts: Parts<'_>) -> Result<Self, RabbitError> {
        let Parts { config, node, store_use, metrics, tasks, supervisor: parts } = parts;
        let addresses = addresses(&config.url.0)?;
        let tls = tls(config, &addresses)?;
        let shared = Shared {
            names: Arc::new(Names::new(&config.prefix)),
            node,
            states: Arc::default(),
            metrics,
            publish: Arc::new(watch::Sender::new(None)),
            consume: Arc::new(watch::Sender::new(None)),
            prefetch: config.prefetch,
        };
        let (stop_consuming, stop_publishing) = (CancellationToken::new(), CancellationToken::new());
        let supervisor = |role, stop: &CancellationToken| Supervisor {
            role,
            shared: shared.clone(),
            addresses: addresses.clone(),
            tls: tls.clone(),
            outcome: watch::Sender::new(Outcome::None),
            stop: stop.clone(),
        };
        let consumer = supervisor(Role::Consume, &stop_consuming);
        let outcome = consumer.outcome.subscribe();
        let consume_tasks = ConsumeTasks { shared: shared.clone(), store_use, stop: stop_consuming.clone() };
        let consuming = tasks.spawn_until_stopped(parts.watch_until(
            "rabbitmq consumer",
            stop_consuming.clone(),
            consumer.keep(consume_tasks),
        ));
        if let Err(error) = first_attempt(outcome, store_use).await {
            stop_consuming.cancel();
            // It was asked to stop, and closes its connection; a panic was reported by its supervisor.
            let _ = consuming.await;
            return Err(error);
        }
        let publish_tasks = PublishTasks { shared: shared.clone(), stop: stop_publishing.clone() };
        let publishing = tasks.spawn_until_stopped(parts.watch_until(
            "rabbitmq publisher",
            stop_publishing.clone(),
            supervisor(Role::Publish, &stop_publishing).keep(publish_tasks),
        ));
        let running = Mutex::new(Some(Running { stop_consuming, consuming, stop_publishing, publishing }));
        Ok(Self { shared, running })
    }

    /// Returns the state of the worse connection.
    pub(in crate::bus) fn status(&self) -> BrokerStatus {
        self.shared.states.status()
    }

    /// Returns what is wrong with the topology.
    pub(in crate::bus) fn warnings(&self) -> Vec<BrokerWarning> {
        self.shared.states.topology.warnings()
    }

    /// Closes both.
    pub(in crate::bus) async fn close(&self) {
        let Some(running) = self.running.lock().take() else { return };
        // A supervisor that has panicked was reported.
        running.stop_consuming.cancel();
        let _ = running.consuming.await;
        running.stop_publishing.cancel();
        let _ = running.publishing.await;
    }
}

/// Waits for the result of the first attempts to connect.
async fn first_attempt(mut outcome: watch::Receiver<Outcome>, store_use: StoreUse) -> Result<(), RabbitError> {
    let begun = Instant::now();
    let patience = if store_use == StoreUse::Own { FIRST_ANSWER } else { FIRST_ATTEMPT };
    while let Ok(Ok(())) = timeout_at(begun + patience, outcome.changed()).await {
        let latest = outcome.borrow_and_update().clone();
        match latest {
            Outcome::Failed(AmqpError::Locked(_)) if begun.elapsed() < SINGLE_PATIENCE => {}
            Outcome::Failed(AmqpError::Locked(reason)) => return Err(RabbitError::NotAlone(reason)),
            // A broker that answers a little later may say that this node is not alone.
            Outcome::Failed(_) if store_use == StoreUse::Own && begun.elapsed() < FIRST_ATTEMPT => {}
            Outcome::Ready | Outcome::Failed(_) | Outcome::None => return Ok(()),
        }
    }
    Ok(())
}
