//! Blocks of users in memory, for a store that only one process uses. `redb/blocks.rs` also writes them to the data
//! file.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound::{Excluded, Unbounded},
    time::Duration,
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{Timestamp, UserId};

use super::{Block, BlockChanges, BlockOutcome, TokenClaims, clock::after};

/// How long the row of an unblocked user is kept, so that [`EmbeddedBlocks::changes`] reports the change.
pub(super) const CHANGE_KEPT: Duration = Duration::from_secs(3_600);

/// The blocks of all users.
#[derive(Debug, Default)]
pub struct EmbeddedBlocks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    revision: u64,
    users: HashMap<UserId, Blocked>,
    /// The users by the revision of their last change.
    changed: BTreeMap<u64, UserId>,
    /// The users by the time at which their row may be removed.
    ends: BTreeMap<(Timestamp, UserId), ()>,
}

/// The blocks of one user. The list is empty after the user was unblocked.
#[derive(Debug)]
struct Blocked {
    blocks: Vec<Block>,
    revision: u64,
    ends: Timestamp,
}

impl EmbeddedBlocks {
    /// Adds the blocks of a user that were read from the data file.
    pub fn load(&self, user: UserId, blocks: Vec<Block>, now: Timestamp) {
        self.0.lock().set(user, blocks, now);
    }

    /// Adds a block. Returns the result and all blocks of the user after it.
    pub fn block(&self, user: &UserId, block: Block, now: Timestamp) -> (BlockOutcome, Vec<Block>) {
        let mut state = self.0.lock();
        let mut blocks = state.of(user, now);
        blocks.retain(|other| !other.is_same_kind(&block));
        if blocks.len() >= Block::MAX_PER_USER {
            return (BlockOutcome::TooMany, state.of(user, now));
        }
        blocks.push(block);
        state.set(user.clone(), blocks.clone(), now);
        (BlockOutcome::Kept, blocks)
    }

    /// Removes all blocks of a user and returns their number.
    pub fn unblock(&self, user: &UserId, now: Timestamp) -> u64 {
        let mut state = self.0.lock();
        let count = state.of(user, now).len() as u64;
        if state.users.contains_key(user) {
            state.set(user.clone(), Vec::new(), now);
        }
        count
    }

    /// Returns the blocks of a user that have not ended.
    pub fn of(&self, user: &UserId, now: Timestamp) -> Vec<Block> {
        self.0.lock().of(user, now)
    }

    /// Returns a block that applies to a token, if there is one.
    pub fn blocking(&self, user: &UserId, token: &TokenClaims, now: Timestamp) -> Option<Block> {
        let state = self.0.lock();
        state.users.get(user)?.blocks.iter().find(|block| block.applies_to(token, now)).cloned()
    }

    /// Returns the revision of the latest change.
    pub fn revision(&self) -> u64 {
        self.0.lock().revision
    }

    /// Returns the changes after a revision.
    pub fn changes(&self, after: u64, at_most: usize, now: Timestamp) -> BlockChanges {
        let state = self.0.lock();
        let mut changed = state.changed.range((Excluded(after), Unbounded));
        let (mut users, mut revision) = (Vec::new(), state.revision);
        for (at, user) in changed.by_ref().take(at_most) {
            users.push((user.clone(), state.of(user, now)));
            revision = *at;
        }
        let more = changed.next().is_some();
        BlockChanges { users, revision: if more { revision } else { state.revision }, more }
    }

    /// Removes at most `at_most` users whose blocks have ended, and returns them.
    pub fn sweep(&self, now: Timestamp, at_most: usize) -> Vec<UserId> {
        let mut state = self.0.lock();
        let mut removed_users = Vec::new();
        while removed_users.len() < at_most && state.ends.first_key_value().is_some_and(|((ends, _), ())| *ends <= now)
        {
            let Some(((_, user), ())) = state.ends.pop_first() else { break };
            if let Some(removed) = state.users.remove(&user) {
                state.changed.remove(&removed.revision);
            }
            removed_users.push(user);
        }
        removed_users
    }
}

impl State {
    fn of(&self, user: &UserId, now: Timestamp) -> Vec<Block> {
        let blocks = self.users.get(user).map(|blocked| blocked.blocks.as_slice()).unwrap_or_default();
        blocks.iter().filter(|block| block.until > now).cloned().collect()
    }

    fn set(&mut self, user: UserId, blocks: Vec<Block>, now: Timestamp) {
        self.revision += 1;
        let last = blocks.iter().map(|block| block.until).max();
        let ends = after(now, CHANGE_KEPT).max(last.unwrap_or_default());
        if let Some(before) = self.users.insert(user.clone(), Blocked { blocks, revision: self.revision, ends }) {
            self.changed.remove(&before.revision);
            self.ends.remove(&(before.ends, user.clone()));
        }
        self.changed.insert(self.revision, user.clone());
        self.ends.insert((ends, user), ());
    }
}
