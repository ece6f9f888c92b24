//! The metrics of webhooks.

use prometheus::{IntCounterVec, IntGaugeVec};

use super::families::Maker;

/// Counts the events of webhooks.
pub struct WebhookMetrics {
    events_total: IntCounterVec,
    waiting: IntGaugeVec,
    dead: IntGaugeVec,
}

impl WebhookMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            events_total: make.counters_of(
                "webhook_events_total",
                "Events of webhooks: taken by the receiver, to be repeated, dead letters, and deleted dead letters",
                &["webhook", "outcome"],
            )?,
            waiting: make.gauges(
                "webhook_waiting",
                "Events that wait for the receiver of a webhook, on the node that sends them",
                &["webhook"],
            )?,
            dead: make.gauges(
                "webhook_dead",
                "Dead letters of a webhook, on the node that sends its events",
                &["webhook"],
            )?,
        })
    }

    /// Counts events of a webhook by what became of them.
    pub fn count(&self, webhook: &str, outcome: &str, count: u64) {
        if count > 0 {
            self.events_total.with_label_values(&[webhook, outcome]).inc_by(count);
        }
    }

    /// Records how many events of a webhook wait, and how many are dead letters.
    pub fn set_held(&self, webhook: &str, waiting: u64, dead: u64) {
        let shown = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.waiting.with_label_values(&[webhook]).set(shown(waiting));
        self.dead.with_label_values(&[webhook]).set(shown(dead));
    }

    /// Removes these numbers, because another node sends the events of the webhook.
    pub fn forget(&self, webhook: &str) {
        // An error means that there were none.
        let _ = self.waiting.remove_label_values(&[webhook]);
        let _ = self.dead.remove_label_values(&[webhook]);
    }
}
