//! Nodes: each holds a lease, reads the inbox that others write to, and compares counters, in one pulse a second.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use realtime_gateway_protocol::{NotificationId, ServiceName, SessionId, Timestamp, TopicName, UserId};
use serde::{Deserialize, Serialize};

use super::{Absent, StoreError};
use crate::topic::Shard;

/// How long a lease lasts: a node that could not renew it for so long freezes, and others may remove its sessions.
pub const LEASE: Duration = Duration::from_secs(30);

/// Names one life of a node: a node that is started again under the same name is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeName {
    /// `node_id`.
    pub id: Arc<str>,
    /// Made anew by each process.
    pub incarnation: Arc<str>,
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)
    }
}

/// What a node tells of itself with every pulse. Fields are only ever added, so that versions can stand side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRecord {
    /// `node_id`.
    pub id: String,
    /// Made anew by each process.
    pub incarnation: String,
    /// Where it listens.
    pub address: String,
    /// Its version.
    pub version: String,
    /// When it began.
    pub started: Timestamp,
    /// Its open connections.
    pub connections: u64,
    /// Whether it is on its way out.
    pub draining: bool,
    /// The settings that all nodes must agree on, as `key=value` lines without secrets.
    #[serde(default)]
    pub settings: Vec<String>,
}

/// What one node is told by another, through its inbox in the store and, sooner, by the bus. It may come twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Note {
    /// Close a session's connection.
    Close {
        /// Whose.
        user_id: UserId,
        /// Which session.
        session_id: SessionId,
        /// With which close code.
        code: u16,
    },
    /// End a user's subscriptions to a service, or to one topic of it.
    Unsubscribe {
        /// Whose.
        user_id: UserId,
        /// The service.
        service: ServiceName,
        /// The topic; all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topic: Option<TopicName>,
    },
    /// A user has acknowledged notifications elsewhere.
    Acknowledged {
        /// Whose.
        user_id: UserId,
        /// Which notifications.
        notification_ids: Vec<NotificationId>,
    },
    /// Blocks of users have changed: read the changes now, and not only with the next pulse.
    BlocksChanged,
}

impl Note {
    /// The version that notes of this kind are written with; a reader ignores any other.
    pub const VERSION: u32 = 1;
}

/// What a pulse brings to the store.
#[derive(Debug, Clone)]
pub struct Beat {
    /// The node, as others may see it.
    pub node: NodeRecord,
    /// The shards whose counters are wanted.
    pub shards: Vec<Shard>,
    /// Up to where the node has read its inbox: what is at or below it may go.
    pub read: u64,
}

/// Whether a node's lease went on without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseHeld {
    /// It was held until now.
    Held,
    /// It was not there: this is the first pulse, or others may have removed this node's sessions meanwhile, or the
    /// epoch is new. The node registers its sessions and presence again.
    Anew,
}

/// The time of a store that has a clock of its own, which all nodes follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreTime {
    /// The time.
    pub at: Timestamp,
    /// How often an operator has confirmed the clock ([`Store::accept_clock`](super::Store::accept_clock)).
    pub accepted: u64,
}

/// What a pulse brings back.
#[derive(Debug, Clone)]
pub struct Pulse {
    /// The counters of the shards, in the order asked.
    pub counts: Vec<u64>,
    /// What others told this node, after [`Beat::read`].
    pub notes: Vec<Note>,
    /// Up to where the inbox has been read with these.
    pub read: u64,
    /// Whether the lease went on.
    pub lease: LeaseHeld,
    /// The revision of the last change of a block, see [`Blocks`](super::Blocks).
    pub block_revision: u64,
    /// The time by the clock of the store, where it has one.
    pub time: Option<StoreTime>,
}

/// What was left behind by nodes that are gone, and is now removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Sessions that were removed; each was reported to the outbox as closed (1006) in the same step.
    pub sessions: u64,
    /// Users who are nowhere any more.
    pub absent: Vec<Absent>,
    /// Whether there is more to remove now.
    pub more: bool,
}

/// Leases, inboxes and what dead nodes leave behind.
#[async_trait]
pub trait Nodes {
    /// Renews this node's lease, takes what is in its inbox, and reads counters, in one round trip.
    async fn pulse(&self, beat: Beat) -> Result<Pulse, StoreError>;

    /// Puts a note into another node's inbox. A node that is gone has none: nothing happens.
    async fn post(&self, node: &str, note: &Note) -> Result<(), StoreError>;

    /// The nodes whose leases hold, by their ids.
    async fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError>;

    /// Removes sessions and presence of nodes whose leases have ended, some hundred at a time. Only a node that has
    /// itself held its lease for [`LEASE`] without a break may ask.
    async fn reap(&self) -> Result<Reaped, StoreError>;

    /// Gives this node's lease back, when it goes.
    async fn resign(&self) -> Result<(), StoreError>;
}
