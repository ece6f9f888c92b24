//! Counts the live subscriptions by service.

use prometheus::IntGauge;

use super::Metrics;
use crate::topic::Topic;

impl Metrics {
    /// Counts a subscription that has started.
    pub fn subscription_began(&self, topic: &Topic) {
        self.subscriptions(topic).inc();
    }

    /// Counts a subscription that has ended.
    pub fn subscription_ended(&self, topic: &Topic) {
        self.subscriptions(topic).dec();
    }

    fn subscriptions(&self, topic: &Topic) -> IntGauge {
        match topic {
            Topic::User(_) => self.notification_subscriptions.clone(),
            Topic::Clan(_) => self.clan_subscriptions.clone(),
            Topic::Service(service, _) => self.subscriptions_active.with_label_values(&[service.as_str()]),
        }
    }
}
