//! The server-side subscriptions of one user: the rules for changes, and their stored form, a JSON list.

use realtime_gateway_protocol::{ServiceName, Timestamp, TopicName};
use serde::{Deserialize, Serialize};

use super::{ServerSubscription, SubscriptionFilter, SubscriptionOutcome};

/// The stored form of a subscription. Times are strings of milliseconds, because Lua writes numbers with 14 digits only.
#[derive(Serialize, Deserialize)]
pub(super) struct SubscriptionRow {
    #[serde(rename = "s")]
    service: ServiceName,
    #[serde(rename = "t")]
    topic: TopicName,
    #[serde(rename = "a")]
    since: String,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl SubscriptionRow {
    /// Creates the stored form of a subscription.
    pub(super) fn of(subscription: &ServerSubscription) -> Self {
        let text = |time: Timestamp| time.millis().to_string();
        let (service, topic) = (subscription.service.clone(), subscription.topic.clone());
        Self { service, topic, since: text(subscription.since), until: subscription.until.map(text) }
    }

    /// Returns the subscription, or `None` if the row is damaged.
    fn subscription(self) -> Option<ServerSubscription> {
        let time = |text: &str| text.parse().ok().map(Timestamp::from_millis);
        let until = match &self.until {
            Some(until) => Some(time(until)?),
            None => None,
        };
        Some(ServerSubscription { service: self.service, topic: self.topic, since: time(&self.since)?, until })
    }
}

/// Encodes the subscriptions of a user.
pub(super) fn encode(subscriptions: &[ServerSubscription]) -> String {
    let rows: Vec<SubscriptionRow> = subscriptions.iter().map(SubscriptionRow::of).collect();
    // A list of strings can always be encoded as JSON.
    serde_json::to_string(&rows).unwrap_or_default()
}

/// Decodes the subscriptions of a user. Returns `None` if they are damaged.
pub(super) fn decode(text: &str) -> Option<Vec<ServerSubscription>> {
    let rows: Vec<SubscriptionRow> = serde_json::from_str(text).ok()?;
    rows.into_iter().map(SubscriptionRow::subscription).collect()
}

/// Adds a subscription at the time `now`, in place of one to the same topic, and removes those that have ended.
pub(super) fn keep(
    subscriptions: &mut Vec<ServerSubscription>,
    new: ServerSubscription,
    now: Timestamp,
) -> SubscriptionOutcome {
    let is_same = |other: &ServerSubscription| other.service == new.service && other.topic == new.topic;
    subscriptions.retain(|other| !other.has_ended(now));
    let at = subscriptions.iter().position(is_same);
    if at.is_none() && subscriptions.len() >= ServerSubscription::MAX_PER_USER {
        return SubscriptionOutcome::TooMany;
    }
    if let Some(at) = at {
        subscriptions.remove(at);
    }
    subscriptions.push(new);
    SubscriptionOutcome::Kept
}

/// Removes subscriptions, and those that have ended. Returns the number of removed ones that had not ended.
pub(super) fn remove(subscriptions: &mut Vec<ServerSubscription>, filter: &SubscriptionFilter, now: Timestamp) -> u64 {
    subscriptions.retain(|subscription| !subscription.has_ended(now));
    let before = subscriptions.len();
    subscriptions.retain(|subscription| !filter.selects(subscription));
    (before - subscriptions.len()) as u64
}

/// Returns when the first of the subscriptions ends.
pub(super) fn first_end(subscriptions: &[ServerSubscription]) -> Option<Timestamp> {
    subscriptions.iter().filter_map(|subscription| subscription.until).min()
}
