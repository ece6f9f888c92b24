//! Server-side subscriptions in memory. They are lost when the process ends.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use realtime_gateway_protocol::{Timestamp, UserId};

use super::MemoryStore;
use crate::{
    ServerSubscription, ServerSubscriptions, StoreError, SubscriptionFilter, SubscriptionOutcome, subscription_row,
};

/// The approximate memory of one subscription, in bytes.
const BYTES: u64 = 256;

/// The server-side subscriptions of all users.
#[derive(Debug, Default)]
pub(super) struct MemorySubscriptions {
    users: HashMap<UserId, Vec<ServerSubscription>>,
    /// When the first subscription of each user ends, for users with one that ends.
    ends: BTreeSet<(Timestamp, UserId)>,
}

impl MemorySubscriptions {
    fn of(&self, user: &UserId) -> Vec<ServerSubscription> {
        self.users.get(user).cloned().unwrap_or_default()
    }

    /// Replaces the subscriptions of a user, and returns by how many they have increased.
    fn set(&mut self, user: &UserId, subscriptions: Vec<ServerSubscription>) -> i64 {
        let count = subscriptions.len();
        if let Some(end) = subscription_row::first_end(&subscriptions) {
            self.ends.insert((end, user.clone()));
        }
        let before = if subscriptions.is_empty() {
            self.users.remove(user)
        } else {
            self.users.insert(user.clone(), subscriptions)
        };
        let before = before.unwrap_or_default();
        if let Some(end) = subscription_row::first_end(&before)
            && self.users.get(user).and_then(|now| subscription_row::first_end(now)) != Some(end)
        {
            self.ends.remove(&(end, user.clone()));
        }
        count as i64 - before.len() as i64
    }

    /// Removes subscriptions that have ended, of at most `rows` users. Returns by how many they have increased.
    pub(super) fn sweep(&mut self, now: Timestamp, rows: &mut usize) -> i64 {
        let mut increase = 0;
        while *rows > 0 && self.ends.first().is_some_and(|(end, _)| *end <= now) {
            let Some((_, user)) = self.ends.pop_first() else { break };
            *rows -= 1;
            let mut left = self.of(&user);
            left.retain(|subscription| !subscription.has_ended(now));
            increase += self.set(&user, left);
        }
        increase
    }

    /// Returns the memory of a number of subscriptions, in bytes.
    pub(super) fn bytes(count: i64) -> i64 {
        count.saturating_mul(BYTES as i64)
    }
}

#[async_trait]
impl ServerSubscriptions for MemoryStore {
    async fn keep_subscription(
        &self,
        user: &UserId,
        subscription: ServerSubscription,
    ) -> Result<SubscriptionOutcome, StoreError> {
        let now = self.clock.now();
        self.step(|state| {
            self.reserve(state, 0)?;
            let mut subscriptions = state.subscriptions.of(user);
            let outcome = subscription_row::keep(&mut subscriptions, subscription, now);
            if outcome == SubscriptionOutcome::Kept {
                let increase = state.subscriptions.set(user, subscriptions);
                state.bytes = state.bytes.saturating_add_signed(MemorySubscriptions::bytes(increase));
            }
            Ok(outcome)
        })
    }

    async fn remove_subscriptions(&self, user: &UserId, filter: &SubscriptionFilter) -> Result<u64, StoreError> {
        let now = self.clock.now();
        self.step(|state| {
            let mut subscriptions = state.subscriptions.of(user);
            let removed = subscription_row::remove(&mut subscriptions, filter, now);
            let increase = state.subscriptions.set(user, subscriptions);
            state.bytes = state.bytes.saturating_add_signed(MemorySubscriptions::bytes(increase));
            Ok(removed)
        })
    }

    async fn subscriptions_of(&self, user: &UserId) -> Result<Vec<ServerSubscription>, StoreError> {
        let now = self.clock.now();
        self.step(|state| {
            let mut subscriptions = state.subscriptions.of(user);
            subscriptions.retain(|subscription| !subscription.has_ended(now));
            Ok(subscriptions)
        })
    }
}
