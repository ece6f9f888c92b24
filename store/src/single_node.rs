//! The common parts of stores that only one process uses. Sessions, presence and the lease end with the
//! process, so they are kept in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{ClanId, Timestamp, UserId, topic::Shard};

use super::{
    Admission, LeaseRenewal, NodeName, NodeRecord, PresenceChange, Present, Reconciled, SessionRecord,
    embedded_blocks::EmbeddedBlocks, embedded_sessions::EmbeddedSessions, shards::ShardCounts,
};
use crate::ReconcileRequest;

/// The state of the only node of such a store.
#[derive(Debug)]
pub struct SingleNode {
    /// The node.
    pub name: NodeName,
    /// The live sessions.
    pub sessions: EmbeddedSessions,
    /// The blocks of users.
    pub blocks: EmbeddedBlocks,
    clans: Mutex<HashMap<ClanId, BTreeMap<UserId, u32>>>,
    record: Mutex<Option<NodeRecord>>,
}

impl SingleNode {
    /// Creates a node without sessions.
    pub fn new(name: NodeName) -> Self {
        let (sessions, blocks) = (EmbeddedSessions::default(), EmbeddedBlocks::default());
        Self { name, sessions, blocks, clans: Mutex::default(), record: Mutex::default() }
    }

    /// Handles a reconciliation: stores the state of the node and returns the counters. The lease cannot be lost.
    pub fn reconcile(&self, request: ReconcileRequest, shards: &ShardCounts) -> Reconciled {
        let counts = request.shards.iter().map(|shard: &Shard| shards.get(*shard)).collect();
        *self.record.lock() = Some(request.node.clone());
        let block_revision = self.blocks.revision();
        Reconciled {
            counts,
            control_messages: Vec::new(),
            read: request.read,
            lease: LeaseRenewal::Renewed,
            time: None,
            block_revision,
        }
    }

    /// Returns the decision of `decide` about a session, or `Blocked` if its token is blocked.
    pub fn admit(&self, record: &SessionRecord, now: Timestamp, decide: impl FnOnce() -> Admission) -> Admission {
        match self.blocks.blocking(&record.user, &record.token, now) {
            Some(block) => Admission::Blocked(block),
            None => decide(),
        }
    }

    /// Returns the node, after its first reconciliation.
    pub fn nodes(&self) -> Vec<NodeRecord> {
        self.record.lock().iter().cloned().collect()
    }

    /// Sets the number of sessions that a user has in a clan.
    pub fn set_present(&self, clan: &ClanId, user: &UserId, sessions: u32) -> PresenceChange {
        let mut clans = self.clans.lock();
        let users = clans.entry(clan.clone()).or_default();
        let before =
            if sessions == 0 { users.remove(user).is_some() } else { users.insert(user.clone(), sessions).is_some() };
        if users.is_empty() {
            clans.remove(clan);
        }
        match (before, sessions > 0) {
            (false, true) => PresenceChange::Came,
            (true, false) => PresenceChange::Left,
            _ => PresenceChange::None,
        }
    }

    /// Returns the users in a clan.
    pub fn present(&self, clan: &ClanId, at_most: usize) -> Present {
        let clans = self.clans.lock();
        let Some(users) = clans.get(clan) else { return Present::default() };
        let first = users.iter().take(at_most).map(|(user, sessions)| (user.clone(), *sessions)).collect();
        Present { users: first, count: users.len() as u64 }
    }
}

impl NodeName {
    /// Creates the name of a node that starts now, with a new incarnation.
    pub fn new(id: &str) -> Self {
        Self { id: Arc::from(id), incarnation: uuid::Uuid::now_v7().to_string().into() }
    }
}
