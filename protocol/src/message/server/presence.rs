//! Who is present in a clan.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClanId, UserId, open_enum::open_enum};

/// A user who is present in a clan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct PresentUser {
    /// Who.
    pub user_id: UserId,
    /// How many of their sessions subscribe to the clan; 0 during the grace after the last.
    pub sessions: u32,
}

/// Who is present in a clan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "Presence")]
pub struct Presence {
    /// The clan.
    pub clan_id: ClanId,
    /// The first 200.
    #[schemars(length(max = 200))]
    #[serde(deserialize_with = "crate::decode::objects")]
    pub users: Vec<PresentUser>,
    /// How many users in all.
    pub count: u64,
}

open_enum! {
    /// Whether somebody is present.
    pub enum PresenceStatus {
        /// Came.
        Online = "online",
        /// Went, announced after a grace.
        Offline = "offline",
    }
}

/// Somebody came or went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "PresenceChanged")]
pub struct PresenceChanged {
    /// The clan.
    pub clan_id: ClanId,
    /// Who.
    pub user_id: UserId,
    /// Which of the two.
    pub status: PresenceStatus,
}
