//! Remembers up to which offset each user was sent notifications, so that a replay can mark earlier ones as
//! `redelivered`.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use realtime_gateway_protocol::UserId;

use super::hub::Hub;
use crate::topic::Topic;

/// The maximum number of remembered users. `redelivered` is only a hint, so forgetting a user is safe.
const REMEMBERED_USERS: usize = 65_536;

/// The offset up to which each user without a subscription was sent notifications.
pub(crate) struct Delivered {
    hub: Arc<Hub>,
    users: Mutex<HashMap<UserId, u64>>,
}

impl Delivered {
    /// Creates an empty table.
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, users: Mutex::default() }
    }

    /// Returns the offset up to which the user of a notification topic is known to have been sent notifications, or 0.
    pub(crate) fn before(&self, topic: &Topic) -> u64 {
        let Topic::User(user) = topic else { return 0 };
        let before = self.users.lock().get(user).copied().unwrap_or(0);
        before.max(self.hub.cursor(topic).unwrap_or(0))
    }

    /// Remembers the current offset of the topic's user. Call it before the user's subscription ends.
    pub(crate) fn remember(&self, topic: &Topic) {
        let (Topic::User(user), Some(cursor @ 1..)) = (topic, self.hub.cursor(topic)) else { return };
        let mut users = self.users.lock();
        if users.len() >= REMEMBERED_USERS && !users.contains_key(user) {
            users.clear();
        }
        users.insert(user.clone(), cursor);
    }
}
