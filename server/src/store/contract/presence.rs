//! Presence over all nodes: how many sessions each node has of a user in a clan. It ends with its node's lease.

use async_trait::async_trait;
use realtime_gateway_protocol::{ClanId, UserId};

use super::StoreError;

/// What a change on one node means for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresenceChange {
    /// The user was in the clan nowhere before.
    Came,
    /// The user is in the clan nowhere any more.
    Left,
    /// The user was there before and is still, or was not and is not.
    None,
}

/// Who is in a clan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Present {
    /// The first users by their id, with the number of their sessions.
    pub users: Vec<(UserId, u32)>,
    /// How many users there are.
    pub count: u64,
}

/// A user who is in a clan no longer, because their node is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// The clan.
    pub clan: ClanId,
    /// Who.
    pub user: UserId,
}

/// Who is in which clan, on all nodes.
#[async_trait]
pub trait Presence {
    /// Sets how many sessions this node has of a user in a clan, and tells what that changes for all nodes together.
    async fn set_present(&self, clan: &ClanId, user: &UserId, sessions: u32) -> Result<PresenceChange, StoreError>;

    /// Who is in a clan: the first users by their id, at most so many, and how many there are.
    async fn present(&self, clan: &ClanId, at_most: usize) -> Result<Present, StoreError>;
}
