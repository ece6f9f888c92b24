//! Presence on all nodes: the number of sessions that each node has of a user in a topic, and the data that the user
//! shows there. The presence of a node ends with its lease.

use async_trait::async_trait;
use realtime_gateway_protocol::{RawJson, UserId, topic::Topic};

use super::StoreError;

/// The presence of a user of this node in a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct UserPresence {
    /// The number of the user's sessions on this node. 0 when the user has left.
    pub sessions: u32,
    /// The new data of the user. `None` keeps the data of before. It is removed when the user is on no node any more.
    pub data: Option<RawJson>,
}

impl UserPresence {
    /// Returns the presence of a user with sessions and no new data.
    pub fn of_sessions(sessions: u32) -> Self {
        Self { sessions, data: None }
    }
}

/// How a change on one node changes the presence of a user on all nodes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceChange {
    /// The user is now present and was on no node before.
    Came,
    /// The user is no longer present on any node.
    Left,
    /// The user was present before, and has other data now.
    Updated,
    /// The presence of the user has not changed.
    None,
}

/// A user who is present in a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct PresentUser {
    /// The user.
    pub user: UserId,
    /// The number of the user's sessions, on all nodes.
    pub sessions: u32,
    /// The data of the user, if it has any.
    pub data: Option<RawJson>,
}

/// The users in a topic.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Present {
    /// The first users in the order of their ids.
    pub users: Vec<PresentUser>,
    /// The total number of users.
    pub count: u64,
}

/// A user who is no longer in a topic, because the node of the session has stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// The topic.
    pub topic: Topic,
    /// The user.
    pub user: UserId,
}

/// The users in each topic, on all nodes.
#[async_trait]
pub trait Presence {
    /// Sets the presence of a user of this node in a topic. Returns how this changes the presence of the user on all
    /// nodes together. Data is compared as text.
    async fn set_present(
        &self,
        topic: &Topic,
        user: &UserId,
        presence: UserPresence,
    ) -> Result<PresenceChange, StoreError>;

    /// Returns the users in a topic: the first `at_most` users in the order of their ids, and the total number.
    async fn present(&self, topic: &Topic, at_most: usize) -> Result<Present, StoreError>;
}
