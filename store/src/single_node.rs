//! The common parts of stores that only one process uses. Sessions, presence and the lease end with the
//! process, so they are kept in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{
    Timestamp, UserId,
    topic::{Shard, Topic},
};

use super::{
    Admission, LeaseRenewal, NodeName, NodeRecord, PresenceChange, Present, PresentUser, Reconciled, SessionRecord,
    UserPresence, embedded_blocks::EmbeddedBlocks, embedded_sessions::EmbeddedSessions, shards::ShardCounts,
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
    present: Mutex<HashMap<Topic, BTreeMap<UserId, UserPresence>>>,
    record: Mutex<Option<NodeRecord>>,
}

impl SingleNode {
    /// Creates a node without sessions.
    pub fn new(name: NodeName) -> Self {
        let (sessions, blocks) = (EmbeddedSessions::default(), EmbeddedBlocks::default());
        Self { name, sessions, blocks, present: Mutex::default(), record: Mutex::default() }
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

    /// Sets the presence of a user in a topic.
    pub fn set_present(&self, topic: &Topic, user: &UserId, presence: UserPresence) -> PresenceChange {
        let mut present = self.present.lock();
        let users = present.entry(topic.clone()).or_default();
        let change = match (users.get_mut(user), presence.sessions > 0) {
            (None, false) => PresenceChange::None,
            (None, true) => {
                users.insert(user.clone(), presence);
                PresenceChange::Came
            }
            (Some(_), false) => {
                users.remove(user);
                PresenceChange::Left
            }
            (Some(stored), true) => {
                stored.sessions = presence.sessions;
                if presence.data.is_some() && presence.data != stored.data {
                    stored.data = presence.data;
                    PresenceChange::Updated
                } else {
                    PresenceChange::None
                }
            }
        };
        if users.is_empty() {
            present.remove(topic);
        }
        change
    }

    /// Returns the users in a topic.
    pub fn present(&self, topic: &Topic, at_most: usize) -> Present {
        let present = self.present.lock();
        let Some(users) = present.get(topic) else { return Present::default() };
        let first = users.iter().take(at_most).map(|(user, UserPresence { sessions, data })| PresentUser {
            user: user.clone(),
            sessions: *sessions,
            data: data.clone(),
        });
        Present { users: first.collect(), count: users.len() as u64 }
    }
}

impl NodeName {
    /// Creates the name of a node that starts now, with a new incarnation.
    pub fn new(id: &str) -> Self {
        Self { id: Arc::from(id), incarnation: uuid::Uuid::now_v7().to_string().into() }
    }
}
