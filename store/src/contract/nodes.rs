//! The nodes of a cluster. Once a second each node reconciles with the store: it renews its lease, reads its mailbox of
//! control messages, and reads the shard counters.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use realtime_gateway_protocol::{NotificationId, ServiceName, SessionId, Timestamp, TopicName, UserId, topic::Shard};
use serde::{Deserialize, Serialize};

use super::{Absent, StoreError};

/// The duration of a lease. A node that could not renew its lease for this time suspends itself, and other nodes may
/// remove its sessions.
pub const LEASE: Duration = Duration::from_secs(30);

/// Identifies one process of a node. A node that restarts keeps its id and gets a new incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeName {
    /// `node_id`.
    pub id: Arc<str>,
    /// Unique for each process.
    pub incarnation: Arc<str>,
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)
    }
}

/// The state that a node reports in every reconciliation. Fields are only added and never removed, so that nodes of
/// different versions can run at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRecord {
    /// `node_id`.
    pub id: String,
    /// Unique for each process.
    pub incarnation: String,
    /// The address on which it listens.
    pub address: String,
    /// The version of the gateway.
    pub version: String,
    /// When the process started.
    pub started: Timestamp,
    /// The number of open connections.
    pub connections: u64,
    /// Whether the node is shutting down.
    pub draining: bool,
    /// The settings that all nodes must agree on, as `key=value` lines without secrets.
    #[serde(default)]
    pub settings: Vec<String>,
}

/// A message from one node to another. It is put into the node's mailbox in the store and announced over the channel between
/// nodes ([`ClusterChannel`](super::ClusterChannel)). A node receives it once, and seldom twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ControlMessage {
    /// Close a session's connection.
    Close {
        /// The user.
        user_id: UserId,
        /// The session.
        session_id: SessionId,
        /// The close code.
        code: u16,
    },
    /// End a user's subscriptions to a service, or to one topic of the service.
    Unsubscribe {
        /// The user.
        user_id: UserId,
        /// The service.
        service: ServiceName,
        /// The topic. Absent for all topics of the service.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topic: Option<TopicName>,
    },
    /// A user has acknowledged notifications on another node.
    Acknowledged {
        /// The user.
        user_id: UserId,
        /// The notifications.
        notification_ids: Vec<NotificationId>,
    },
    /// The server-side subscriptions of a user have changed. The node reads them for its sessions of the user.
    SubscriptionsChanged {
        /// The user.
        user_id: UserId,
    },
    /// Another node asks what this node's sessions do. The node replies with [`ControlMessage::Inspected`].
    Inspect {
        /// The number of the question, for its answer.
        request: String,
        /// The node that asks.
        reply_to: String,
        /// The question, as JSON of the gateway.
        question: String,
    },
    /// The answer of another node to a question.
    Inspected {
        /// The number of the question.
        request: String,
        /// The node that answers.
        node: String,
        /// The answer, as JSON of the gateway. Empty if the node does not know the question.
        answer: String,
    },
    /// An operator follows all nodes on another node. This node sends what its sessions do to the others for a time.
    ActivityWanted {
        /// For how long, in milliseconds.
        milliseconds: u64,
    },
    /// Blocks of users have changed. The node reads the changes now instead of with its next reconciliation.
    BlocksChanged,
}

impl ControlMessage {
    /// The version of the format of control messages. Messages with another version are ignored.
    pub const VERSION: u32 = 1;
}

/// The request of a reconciliation.
#[derive(Debug, Clone)]
pub struct ReconcileRequest {
    /// The state of the node.
    pub node: NodeRecord,
    /// The shards whose counters are requested.
    pub shards: Vec<Shard>,
    /// The position up to which the node has handled its mailbox. Messages up to it may be removed.
    pub read: u64,
}

/// The effect of a reconciliation on the lease of its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseRenewal {
    /// The node held its lease without interruption since its previous reconciliation.
    Renewed,
    /// The node did not hold the lease before: this is its first reconciliation, or the lease had expired and other nodes
    /// may have removed this node's sessions, or the epoch is new. The node has to register its sessions and presence
    /// again.
    Acquired,
}

/// The time of a store that has its own clock. All nodes follow this clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreTime {
    /// The current time of the store.
    pub at: Timestamp,
    /// The number of times an operator has confirmed the clock ([`Store::accept_clock`](super::Store::accept_clock)).
    pub accepted: u64,
}

/// The result of a reconciliation.
#[derive(Debug, Clone)]
pub struct Reconciled {
    /// The counters of the requested shards, in the same order.
    pub counts: Vec<u64>,
    /// The control messages in the mailbox after [`ReconcileRequest::read`].
    pub control_messages: Vec<ControlMessage>,
    /// The position of the last of these messages, for the next request.
    pub read: u64,
    /// Whether the lease was renewed, or acquired after an interruption.
    pub lease: LeaseRenewal,
    /// The revision of the latest change of a block, see [`Blocks`](super::Blocks).
    pub block_revision: u64,
    /// The time of the store's own clock, if it has one.
    pub time: Option<StoreTime>,
}

/// The state of stopped nodes that was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reaped {
    /// The number of removed sessions. Each was reported to the outbox as closed (1006) in the same step.
    pub sessions: u64,
    /// Users who are no longer in a clan on any node.
    pub absent: Vec<Absent>,
    /// Whether more can be removed now.
    pub more: bool,
}

/// Leases, mailboxes, and the removal of the state of stopped nodes.
#[async_trait]
pub trait Nodes {
    /// Renews this node's lease, reads its mailbox, and reads shard counters, in one round trip.
    async fn reconcile(&self, request: ReconcileRequest) -> Result<Reconciled, StoreError>;

    /// Puts a control message into the mailbox of another node. Does nothing if the node has stopped.
    async fn post(&self, node: &str, message: &ControlMessage) -> Result<(), StoreError>;

    /// Returns the nodes that hold their leases, ordered by id.
    async fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError>;

    /// Removes sessions and presence of nodes whose leases have expired, a few hundred at a time. Only a node that has
    /// held its own lease for [`LEASE`] without interruption may call this.
    async fn reap(&self) -> Result<Reaped, StoreError>;

    /// Releases this node's lease when the node shuts down.
    async fn resign(&self) -> Result<(), StoreError>;
}
