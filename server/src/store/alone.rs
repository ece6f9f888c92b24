//! What is easy for a store that one process has to itself: its sessions, presence and lease die with it, so they live
//! in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{ClanId, Timestamp, UserId};

use super::{
    Admission, LeaseHeld, NodeName, NodeRecord, PresenceChange, Present, Pulse, SessionRecord,
    embedded_blocks::EmbeddedBlocks, embedded_sessions::EmbeddedSessions, shards::ShardCounts,
};
use crate::{store::Beat, topic::Shard};

/// The one node of an embedded store.
#[derive(Debug)]
pub struct Alone {
    /// The node.
    pub name: NodeName,
    /// The live sessions.
    pub sessions: EmbeddedSessions,
    /// The blocks of users.
    pub blocks: EmbeddedBlocks,
    clans: Mutex<HashMap<ClanId, BTreeMap<UserId, u32>>>,
    record: Mutex<Option<NodeRecord>>,
}

impl Alone {
    /// A node without sessions.
    pub fn new(name: NodeName) -> Self {
        let (sessions, blocks) = (EmbeddedSessions::default(), EmbeddedBlocks::default());
        Self { name, sessions, blocks, clans: Mutex::default(), record: Mutex::default() }
    }

    /// Notes how the node is; its lease cannot be lost.
    pub fn pulse(&self, beat: Beat, shards: &ShardCounts) -> Pulse {
        let counts = beat.shards.iter().map(|shard: &Shard| shards.get(*shard)).collect();
        *self.record.lock() = Some(beat.node.clone());
        let block_revision = self.blocks.revision();
        Pulse { counts, notes: Vec::new(), read: beat.read, lease: LeaseHeld::Held, time: None, block_revision }
    }

    /// Admits a session by a decision, unless a block keeps its token out.
    pub fn admit(&self, record: &SessionRecord, now: Timestamp, decide: impl FnOnce() -> Admission) -> Admission {
        match self.blocks.blocking(&record.user, &record.token, now) {
            Some(block) => Admission::Blocked(block),
            None => decide(),
        }
    }

    /// The node, once it had a pulse.
    pub fn nodes(&self) -> Vec<NodeRecord> {
        self.record.lock().iter().cloned().collect()
    }

    /// Sets how many sessions a user has in a clan.
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

    /// Who is in a clan.
    pub fn present(&self, clan: &ClanId, at_most: usize) -> Present {
        let clans = self.clans.lock();
        let Some(users) = clans.get(clan) else { return Present::default() };
        let first = users.iter().take(at_most).map(|(user, sessions)| (user.clone(), *sessions)).collect();
        Present { users: first, count: users.len() as u64 }
    }
}

impl NodeName {
    /// A new life of a node.
    pub fn new(id: &str) -> Self {
        Self { id: Arc::from(id), incarnation: uuid::Uuid::now_v7().to_string().into() }
    }
}
