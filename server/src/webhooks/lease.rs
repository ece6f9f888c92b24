//! The lease of a webhook, which lets one node at a time send its events.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::store::{Store, WebhookName};

/// How long the lease holds. When a node is killed, another one takes over after at most this and [`RENEWAL`].
const LEASE: Duration = Duration::from_secs(15);
/// How often the lease is renewed, or requested while another node holds it.
const RENEWAL: Duration = Duration::from_secs(5);
/// How soon the store is asked again after it did not answer.
const RETRY: Duration = Duration::from_secs(1);

/// The lease of one webhook.
pub(super) struct SendingLease {
    store: Arc<dyn Store>,
    webhook: WebhookName,
    /// Until when this node may send.
    until: watch::Sender<Option<Instant>>,
}

impl SendingLease {
    /// Creates a lease that this node does not hold.
    pub(super) fn new(store: Arc<dyn Store>, webhook: WebhookName) -> Self {
        Self { store, webhook, until: watch::Sender::new(None) }
    }

    /// Acquires and renews the lease, until the future is dropped.
    pub(super) async fn keep(&self) {
        loop {
            // The time of the request counts, so that this node never holds the lease for longer than the store.
            let sent = Instant::now();
            let wait = match timeout(RENEWAL, self.store.lease_webhook(&self.webhook, LEASE)).await {
                Ok(Ok(is_held)) => {
                    self.until.send_replace(is_held.then(|| sent + LEASE));
                    RENEWAL
                }
                Ok(Err(error)) => {
                    tracing::debug!(webhook = %self.webhook, %error, "the lease of the webhook waits for the store");
                    RETRY
                }
                Err(_) => RETRY,
            };
            sleep(wait).await;
        }
    }

    /// Returns whether this node may send now.
    pub(super) fn is_held(&self) -> bool {
        self.until.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Waits until this node may send.
    pub(super) async fn acquired(&self) {
        let mut until = self.until.subscribe();
        let is_held = |until: &Option<Instant>| until.is_some_and(|until| Instant::now() < until);
        // The sender of this channel lives as long as the lease.
        let _ = until.wait_for(is_held).await;
    }

    /// Waits until this node may not send any more.
    pub(super) async fn lost(&self) {
        let mut changes = self.until.subscribe();
        loop {
            let Some(until) = *changes.borrow_and_update() else { return };
            tokio::select! {
                () = sleep_until(until) => {
                    if !self.is_held() {
                        return;
                    }
                }
                _ = changes.changed() => {}
            }
        }
    }

    /// Releases the lease, so that another node need not wait.
    pub(super) async fn release(&self) {
        if self.until.send_replace(None).is_some()
            && let Ok(Err(error)) = timeout(RETRY, self.store.release_webhook(&self.webhook)).await
        {
            tracing::debug!(webhook = %self.webhook, %error, "the lease of the webhook was not released; it expires");
        }
    }
}
