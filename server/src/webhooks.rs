//! Webhooks: sends events to receivers over HTTP, as Standard Webhooks defines requests.
//!
//! The store keeps the events of each webhook separately (`store/src/contract/webhooks.rs`), so a receiver that is slow or
//! away delays neither another one nor the broker. One node at a time sends the events of a webhook, one request after the
//! other, which keeps their order. `delivery.rs` decides without I/O what the next request contains and what a response
//! means; `sender.rs` does it.

mod backoff;
mod dead_letters;
mod delivery;
mod event;
mod lease;
mod outcome;
mod receiver;
mod sender;
mod settings;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use parking_lot::Mutex;
use realtime_gateway_protocol::Timestamp;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

pub use self::{
    dead_letters::{DeadPage, Replayed},
    event::{event_type, webhook_event},
    settings::{WebhookError, WebhookSettings, read_webhooks},
};
use self::{
    lease::SendingLease,
    sender::{Sender, SenderParts},
};
use crate::{
    metrics::Metrics,
    runtime::{clock::NodeClock, supervision::Supervisor, tasks::Tasks},
    store::{Store, WebhookName},
};

/// The name under which the supervisor watches senders.
const PART: &str = "webhook sender";
/// How long a request that is under way may take to end at a shutdown.
const FINISH: Duration = Duration::from_secs(5);

/// The webhooks that are configured, by name.
pub type WebhookTable = BTreeMap<WebhookName, Arc<WebhookSettings>>;

/// The senders of all webhooks.
pub struct Webhooks {
    parts: WebhookParts,
    stop: CancellationToken,
    tasks: Tasks,
    senders: Mutex<HashMap<WebhookName, Running>>,
}

/// What senders need.
#[derive(Clone)]
pub struct WebhookParts {
    /// Keeps the events.
    pub store: Arc<dyn Store>,
    /// The time of signatures and of expiry.
    pub clock: NodeClock,
    /// Counts events.
    pub metrics: Arc<Metrics>,
    /// Watches the senders.
    pub supervisor: Supervisor,
}

/// The sender of one webhook.
struct Running {
    /// The settings, which a reload replaces. `None` after the webhook was removed.
    settings: Option<watch::Sender<Arc<WebhookSettings>>>,
    task: JoinHandle<()>,
}

impl Webhooks {
    /// Starts a sender for each webhook.
    pub fn start(parts: WebhookParts, webhooks: &WebhookTable) -> Self {
        let (stop, tasks) = (CancellationToken::new(), Tasks::supervised_by(&parts.supervisor));
        let senders = Self { parts, stop, tasks, senders: Mutex::default() };
        senders.reload(webhooks);
        senders
    }

    /// Replaces the settings of all webhooks. A webhook that is paused continues. The events of a webhook that is
    /// removed stay in the store.
    pub fn reload(&self, webhooks: &WebhookTable) {
        let mut senders = self.senders.lock();
        for (name, running) in senders.iter_mut().filter(|(name, _)| !webhooks.contains_key(*name)) {
            if running.settings.take().is_some() {
                tracing::info!(webhook = %name, "the webhook was removed; its events stay in the store");
            }
        }
        for (name, settings) in webhooks {
            let running = senders.remove(name);
            let running = match running {
                Some(Running { settings: Some(current), task }) => {
                    current.send_replace(settings.clone());
                    Running { settings: Some(current), task }
                }
                // The sender of the webhook before its removal may still wait for a response.
                Some(Running { settings: None, task }) => self.spawn(name, settings, Some(task)),
                None => self.spawn(name, settings, None),
            };
            senders.insert(name.clone(), running);
        }
    }

    fn spawn(&self, name: &WebhookName, settings: &Arc<WebhookSettings>, earlier: Option<JoinHandle<()>>) -> Running {
        let (sender, settings) = watch::channel(settings.clone());
        let WebhookParts { store, clock, metrics, supervisor } = self.parts.clone();
        let parts = SenderParts {
            lease: Arc::new(SendingLease::new(store.clone(), name.clone())),
            webhook: name.clone(),
            store,
            clock,
            metrics,
            settings,
            stop: self.stop.clone(),
        };
        let task = async move {
            if let Some(earlier) = earlier {
                // A sender that has panicked was reported by its supervisor.
                let _ = earlier.await;
            }
            Sender::new(parts).run().await;
        };
        let task = self.tasks.spawn_until_stopped(supervisor.watch_panics(PART, task));
        Running { settings: Some(sender), task }
    }

    /// Returns the names of the configured webhooks.
    fn configured(&self) -> Vec<WebhookName> {
        let senders = self.senders.lock();
        let mut names: Vec<_> =
            senders.iter().filter(|(_, running)| running.settings.is_some()).map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// Returns `max_waiting` of a webhook, if it is configured.
    fn max_waiting(&self, webhook: &WebhookName) -> Option<u64> {
        let senders = self.senders.lock();
        let settings = senders.get(webhook)?.settings.as_ref()?;
        Some(settings.borrow().config.max_waiting)
    }

    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// Ends all senders. A request that is under way may end for some seconds; other nodes send the rest, or this one
    /// after its next start.
    pub async fn close(&self) {
        self.stop.cancel();
        let running: Vec<_> = self.senders.lock().drain().map(|(_, running)| running.task).collect();
        let ended = timeout(FINISH, join_all(running)).await;
        if ended.is_err() {
            tracing::info!("a receiver of a webhook did not answer in time; its events are sent again later");
        }
        self.tasks.stop(Duration::from_secs(1)).await;
    }
}

impl Drop for Webhooks {
    /// Ends the senders of a gateway whose start was given up.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
