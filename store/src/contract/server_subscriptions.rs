//! Server-side subscriptions: topics to which every session of a user is subscribed without a command of the client.

use async_trait::async_trait;
use realtime_gateway_protocol::{ServiceName, Timestamp, TopicName, UserId};

use super::StoreError;

/// A topic to which the sessions of a user are subscribed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSubscription {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
    /// When it was added.
    pub since: Timestamp,
    /// When it ends. `None` when it ends only by its removal.
    pub until: Option<Timestamp>,
}

impl ServerSubscription {
    /// The maximum number of server-side subscriptions of a user.
    pub const MAX_PER_USER: usize = 100;

    /// Returns whether the subscription has ended at the time `now`.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// Selects server-side subscriptions of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionFilter {
    /// The service.
    pub service: ServiceName,
    /// The topic. `None` for all topics of the service.
    pub topic: Option<TopicName>,
}

impl SubscriptionFilter {
    /// Returns whether the filter selects a subscription.
    pub fn selects(&self, subscription: &ServerSubscription) -> bool {
        subscription.service == self.service && self.topic.as_ref().is_none_or(|topic| *topic == subscription.topic)
    }
}

/// The result of adding a server-side subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionOutcome {
    /// The subscription was added.
    Kept,
    /// The user already has [`ServerSubscription::MAX_PER_USER`] others. Nothing was changed.
    TooMany,
}

/// Server-side subscriptions of all users.
///
/// In a store that nodes share, the step that changes the subscriptions of a user also puts
/// [`ControlMessage::SubscriptionsChanged`](super::ControlMessage) into the mailbox of every node on which the user has a
/// session. A session that is admitted later reads the subscriptions after its admission, so no session misses a change.
#[async_trait]
pub trait ServerSubscriptions {
    /// Adds a subscription of a user. It replaces an earlier one to the same topic. A store without space for new entries
    /// may refuse it.
    async fn keep_subscription(
        &self,
        user: &UserId,
        subscription: ServerSubscription,
    ) -> Result<SubscriptionOutcome, StoreError>;

    /// Removes subscriptions of a user, and returns the number of those that had not ended.
    async fn remove_subscriptions(&self, user: &UserId, filter: &SubscriptionFilter) -> Result<u64, StoreError>;

    /// Returns the subscriptions of a user that have not ended, in the order in which they were added.
    async fn subscriptions_of(&self, user: &UserId) -> Result<Vec<ServerSubscription>, StoreError>;
}
