//! Presence on all nodes: the number of sessions that each node has of a user in a clan. The presence of a node ends with
//! its lease.

use async_trait::async_trait;
use realtime_gateway_protocol::{ClanId, UserId};

use super::StoreError;

/// How a change on one node changes the presence of a user on all nodes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceChange {
    /// The user is now present and was on no node before.
    Came,
    /// The user is no longer present on any node.
    Left,
    /// The presence of the user has not changed.
    None,
}

/// The users in a clan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Present {
    /// The first users in the order of their ids, with the number of their sessions.
    pub users: Vec<(UserId, u32)>,
    /// The total number of users.
    pub count: u64,
}

/// A user who is no longer in a clan, because the node of the session has stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// The clan.
    pub clan: ClanId,
    /// The user.
    pub user: UserId,
}

/// The users in each clan, on all nodes.
#[async_trait]
pub trait Presence {
    /// Sets the number of sessions that this node has of a user in a clan. Returns how this changes the presence of the
    /// user on all nodes together.
    async fn set_present(&self, clan: &ClanId, user: &UserId, sessions: u32) -> Result<PresenceChange, StoreError>;

    /// Returns the users in a clan: the first `at_most` users in the order of their ids, and the total number.
    async fn present(&self, clan: &ClanId, at_most: usize) -> Result<Present, StoreError>;
}
