//! Server-side subscriptions in Redis: the scripts that change them also notify the nodes of the user's sessions.

use async_trait::async_trait;
use realtime_gateway_protocol::UserId;

use super::{RedisStore, arguments::Digits, fault::Fault, scripts};
use crate::{
    ControlMessage, ServerSubscription, ServerSubscriptions, StoreError, SubscriptionFilter, SubscriptionOutcome,
    subscription_row::{self, SubscriptionRow},
};

#[async_trait]
impl ServerSubscriptions for RedisStore {
    async fn keep_subscription(
        &self,
        user: &UserId,
        subscription: ServerSubscription,
    ) -> Result<SubscriptionOutcome, StoreError> {
        let row = serde_json::to_string(&SubscriptionRow::of(&subscription)).map_err(|_| Fault::UnexpectedReply)?;
        let now = self.script_time();
        let request = |_: &_| {
            self.link.request(&scripts::KeepSubscription {
                database: &self.database,
                version: Digits(ControlMessage::VERSION.into()),
                user_id: user.as_str(),
                now,
                max_subscriptions: ServerSubscription::MAX_PER_USER as u64,
                row: &row,
            })
        };
        let (_, mut reply) = self.link.run_script(request).await?;
        Ok(if reply.number()? == 1 { SubscriptionOutcome::Kept } else { SubscriptionOutcome::TooMany })
    }

    async fn remove_subscriptions(&self, user: &UserId, filter: &SubscriptionFilter) -> Result<u64, StoreError> {
        let now = self.script_time();
        let request = |_: &_| {
            self.link.request(&scripts::RemoveSubscriptions {
                database: &self.database,
                version: Digits(ControlMessage::VERSION.into()),
                user_id: user.as_str(),
                now,
                service: filter.service.as_str(),
                // No topic is empty.
                topic: filter.topic.as_ref().map_or("", |topic| topic.as_str()),
            })
        };
        Ok(self.link.run_script(request).await?.1.number()?)
    }

    async fn subscriptions_of(&self, user: &UserId) -> Result<Vec<ServerSubscription>, StoreError> {
        let request = |_: &_| self.link.request(&scripts::SubscriptionsOf { user_id: user.as_str() });
        let row = self.link.run_script(request).await?.1.text()?;
        let mut subscriptions = subscription_row::decode(&row).ok_or(Fault::UnexpectedReply)?;
        let now = self.clock.now();
        subscriptions.retain(|subscription| !subscription.has_ended(now));
        Ok(subscriptions)
    }
}
