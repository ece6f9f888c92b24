//! Sends the events of one webhook: reads them from the store, does what `delivery.rs` decides, and settles them.

use std::{collections::HashSet, pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::yield_now,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    backoff,
    delivery::{Delivery, MAX_BODY_BYTES},
    lease::SendingLease,
    outcome::Outcome,
    settings::WebhookSettings,
};
use crate::{
    bus::random_share,
    metrics::Metrics,
    runtime::clock::NodeClock,
    store::{Death, PageLimit, Settlement, Store, StoreError, WebhookName},
    telemetry::log_limited,
};

/// How long a read waits for an event.
const READ_WAIT: Duration = Duration::from_secs(5);
/// How often the number of waiting events is compared with its bound.
const CHECK: Duration = Duration::from_secs(1);
/// How long to wait after the store has failed.
const PAUSE: Duration = Duration::from_secs(1);
/// The most events that are given up together because too many wait.
const MAX_OVERFLOW: usize = 500;

/// What a sender needs.
pub(super) struct SenderParts {
    pub(super) webhook: WebhookName,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: NodeClock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) lease: Arc<SendingLease>,
    /// The settings. The sender of the channel is dropped when the webhook is removed.
    pub(super) settings: watch::Receiver<Arc<WebhookSettings>>,
    /// Requests to end.
    pub(super) stop: CancellationToken,
}

/// Sends the events of one webhook while this node has its lease.
pub(super) struct Sender {
    parts: SenderParts,
    delivery: Delivery,
    /// Whether the receiver wants no more requests, until a reload.
    is_paused: bool,
    is_removed: bool,
    /// When to repeat a request that has failed.
    retry_at: Option<Instant>,
    /// When to compare the number of waiting events with its bound.
    check_at: Instant,
}

impl Sender {
    pub(super) fn new(parts: SenderParts) -> Self {
        let delivery = Delivery::new(parts.webhook.clone());
        Self { parts, delivery, is_paused: false, is_removed: false, retry_at: None, check_at: Instant::now() }
    }

    /// Sends until it is stopped or the webhook is removed.
    pub(super) async fn run(mut self) {
        let lease = self.parts.lease.clone();
        tokio::select! {
            () = lease.keep() => {}
            () = self.send_until_ended() => {}
        }
        self.parts.metrics.webhooks.forget(self.parts.webhook.as_str());
        lease.release().await;
    }

    fn has_ended(&self) -> bool {
        self.is_removed || self.parts.stop.is_cancelled()
    }

    async fn send_until_ended(&mut self) {
        let lease = self.parts.lease.clone();
        while !self.has_ended() {
            if !lease.is_held() {
                self.parts.metrics.webhooks.forget(self.parts.webhook.as_str());
                self.until(lease.acquired()).await;
                // Another node may have sent the events that were read earlier.
                self.delivery = Delivery::new(self.parts.webhook.clone());
                self.retry_at = None;
                continue;
            }
            if let Err(error) = self.step().await {
                tracing::debug!(webhook = %self.parts.webhook, %error, "the webhook waits for the store");
                self.until(sleep(PAUSE)).await;
            }
            // A store in memory never waits, and the event loop has to serve clients between two steps.
            yield_now().await;
        }
    }

    /// Waits for a future. A reload, a request to end and the removal of the webhook end the wait.
    async fn until(&mut self, done: impl Future<Output = ()>) {
        let SenderParts { stop, settings, .. } = &mut self.parts;
        tokio::select! {
            () = done => {}
            () = stop.cancelled() => {}
            changed = settings.changed() => {
                self.is_removed = changed.is_err();
                self.is_paused = false;
                self.retry_at = None;
            }
        }
    }

    /// Does the next thing: keeps the bounds, reads events, waits, or sends a request.
    async fn step(&mut self) -> Result<(), StoreError> {
        let settings = self.parts.settings.borrow().clone();
        if Instant::now() >= self.check_at {
            self.keep_bound(&settings, &HashSet::new()).await?;
            self.check_at = Instant::now() + CHECK;
        }
        if self.delivery.is_empty() {
            return self.read(&settings).await;
        }
        let mut wake_at = self.check_at;
        if self.parts.clock.may_delete() {
            let now = self.parts.clock.now();
            let (expired, next) = self.delivery.expired(now, settings.config.retry_for);
            if !expired.is_empty() {
                return self.give_up(&settings, expired).await;
            }
            let until_next = next.map(|next| Duration::from_millis(next.millis().saturating_sub(now.millis())));
            wake_at = until_next.map_or(wake_at, |wait| wake_at.min(Instant::now() + wait));
        }
        if let Some(retry_at) = self.retry_at.filter(|retry_at| Instant::now() < *retry_at) {
            wake_at = wake_at.min(retry_at);
        } else if !self.is_paused {
            return self.send(&settings).await;
        }
        self.until(sleep_until(wake_at)).await;
        Ok(())
    }

    /// Reads the oldest events.
    async fn read(&mut self, settings: &WebhookSettings) -> Result<(), StoreError> {
        let (store, webhook) = (self.parts.store.clone(), self.parts.webhook.clone());
        let limit = PageLimit { entries: settings.config.max_batch, bytes: MAX_BODY_BYTES };
        let mut found = Ok(Vec::new());
        self.until(async { found = store.read_webhook(&webhook, limit, READ_WAIT).await }).await;
        let found = found?;
        if !found.is_empty() && self.parts.lease.is_held() {
            self.delivery.load(found, settings.config.max_batch);
        }
        Ok(())
    }

    /// Gives up the oldest events if more than `max_waiting` wait, except those of the request that is under way.
    async fn keep_bound(&mut self, settings: &WebhookSettings, in_request: &HashSet<u64>) -> Result<(), StoreError> {
        let (store, webhook) = (self.parts.store.clone(), self.parts.webhook.clone());
        loop {
            let status = store.webhook_status(&webhook).await?;
            self.parts.metrics.webhooks.set_held(webhook.as_str(), status.waiting, status.dead);
            let excess = status.waiting.saturating_sub(settings.config.max_waiting);
            if excess == 0 || !self.parts.lease.is_held() {
                return Ok(());
            }
            let excess = usize::try_from(excess).unwrap_or(MAX_OVERFLOW).min(MAX_OVERFLOW);
            // The request and the events that are read have at most this size each.
            let limit = PageLimit { entries: excess + in_request.len(), bytes: 2 * MAX_BODY_BYTES };
            let oldest = store.read_webhook(&webhook, limit, Duration::ZERO).await?;
            let others =
                oldest.iter().map(|event| event.entry.sequence).filter(|sequence| !in_request.contains(sequence));
            let dead = self.delivery.overflowing(others.take(excess));
            if dead.is_empty() {
                return Ok(());
            }
            self.give_up(settings, dead).await?;
            yield_now().await;
        }
    }

    /// Makes events dead letters.
    async fn give_up(&mut self, settings: &WebhookSettings, dead: Vec<Death>) -> Result<(), StoreError> {
        self.settle(settings, Vec::new(), dead.clone()).await?;
        self.delivery.remove(&dead);
        if let Some(death) = dead.first() {
            log_limited!(
                WARN,
                { webhook = %self.parts.webhook, events = dead.len(), reason = death.reason.as_str() },
                "events of a webhook became dead letters"
            );
        }
        Ok(())
    }

    /// Sends a request.
    async fn send(&mut self, settings: &WebhookSettings) -> Result<(), StoreError> {
        let batch = self.delivery.next();
        let mut request = pin!(settings.receiver.send(&batch, self.parts.clock.wall()));
        let lease = self.parts.lease.clone();
        let outcome = loop {
            tokio::select! {
                outcome = &mut request => break outcome,
                // Another node may send these events now. This request may still arrive, and is a repeat then.
                () = lease.lost() => return Ok(()),
                // A receiver may be slow, and many events may come meanwhile.
                () = sleep_until(self.check_at) => {
                    let in_request = self.delivery.in_request();
                    if let Err(error) = self.keep_bound(settings, &in_request).await {
                        tracing::debug!(webhook = %self.parts.webhook, %error, "the bound of the webhook waits for the store");
                    }
                    self.check_at = Instant::now() + CHECK;
                }
            }
        };
        self.retry_at = None;
        match outcome {
            Outcome::Taken => {
                let taken = self.delivery.taken();
                self.parts.metrics.webhooks.count(self.parts.webhook.as_str(), "taken", taken.len() as u64);
                self.settle_surely(settings, taken, Vec::new()).await;
            }
            Outcome::Refused => {
                if let Some(refused) = self.delivery.refused() {
                    log_limited!(
                        WARN,
                        { webhook = %self.parts.webhook, attempts = refused.attempts },
                        "the receiver of a webhook refuses an event; it became a dead letter"
                    );
                    self.settle_surely(settings, Vec::new(), vec![refused]).await;
                }
            }
            Outcome::Gone => {
                self.is_paused = true;
                tracing::error!(
                    webhook = %self.parts.webhook,
                    "the receiver of a webhook answers 410 Gone: nothing is sent until the configuration is reloaded"
                );
            }
            Outcome::Failed { retry_after, problem } => {
                let failures = self.delivery.failed();
                self.keep_attempts().await;
                let wait = match retry_after {
                    Some(retry_after) => backoff::bounded(retry_after),
                    None => backoff::wait(failures, random_share()),
                };
                self.retry_at = Some(Instant::now() + wait);
                self.parts.metrics.webhooks.count(self.parts.webhook.as_str(), "repeated", batch.events as u64);
                log_limited!(
                    WARN,
                    { webhook = %self.parts.webhook, problem, failures, retry_in = ?wait },
                    "the receiver of a webhook has not taken events; they are sent again"
                );
            }
        }
        Ok(())
    }

    /// Remembers how often the events of the request were sent. Without an answer of the store, only the number of attempts of
    /// a dead letter may be too low.
    async fn keep_attempts(&self) {
        let SenderParts { store, webhook, .. } = &self.parts;
        if let Err(error) = store.keep_attempts(webhook, &self.delivery.attempts()).await {
            tracing::debug!(%webhook, %error, "the attempts of a webhook were not recorded");
        }
    }

    /// Settles events that were sent. While the store does not answer, this is repeated, because the events would be
    /// sent again otherwise.
    async fn settle_surely(&mut self, settings: &WebhookSettings, taken: Vec<u64>, dead: Vec<Death>) {
        while let Err(error) = self.settle(settings, taken.clone(), dead.clone()).await {
            log_limited!(
                WARN,
                { webhook = %self.parts.webhook, %error },
                "the store cannot record that events of a webhook were sent"
            );
            if self.parts.stop.is_cancelled() || !self.parts.lease.is_held() {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    async fn settle(&self, settings: &WebhookSettings, taken: Vec<u64>, dead: Vec<Death>) -> Result<(), StoreError> {
        let SenderParts { store, webhook, clock, metrics, .. } = &self.parts;
        let max_dead = settings.config.max_dead;
        let reasons: Vec<_> = dead.iter().map(|death| death.reason).collect();
        let settled = store.settle_webhook(webhook, Settlement { taken, dead, max_dead, at: clock.now() }).await?;
        reasons.iter().for_each(|reason| metrics.webhooks.count(webhook.as_str(), reason.as_str(), 1));
        metrics.webhooks.count(webhook.as_str(), "deleted", settled.deleted);
        Ok(())
    }
}
