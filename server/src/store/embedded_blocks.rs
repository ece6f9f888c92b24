//! Blocks of a store that one process has to itself, in memory. The data file follows (`redb/blocks.rs`).

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound::{Excluded, Unbounded},
    time::Duration,
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{Timestamp, UserId};

use super::{Block, BlockChanges, BlockOutcome, TokenClaims, clock::after};

/// How long it is remembered that a user was unblocked.
pub(super) const REMEMBERED: Duration = Duration::from_secs(3_600);

/// The blocks of all users.
#[derive(Debug, Default)]
pub struct EmbeddedBlocks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    revision: u64,
    users: HashMap<UserId, Blocked>,
    /// The users by the revision of their last change.
    changed: BTreeMap<u64, UserId>,
    /// The users by the time at which they may be forgotten.
    ends: BTreeMap<(Timestamp, UserId), ()>,
}

/// The blocks of one user; none after an end of all of them.
#[derive(Debug)]
struct Blocked {
    blocks: Vec<Block>,
    revision: u64,
    ends: Timestamp,
}

impl EmbeddedBlocks {
    /// Takes what a data file holds of a user.
    pub fn load(&self, user: UserId, blocks: Vec<Block>, now: Timestamp) {
        self.0.lock().set(user, blocks, now);
    }

    /// Keeps a block. Returns all of the user's blocks then.
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

    /// Ends all blocks of a user. Returns how many there were.
    pub fn unblock(&self, user: &UserId, now: Timestamp) -> u64 {
        let mut state = self.0.lock();
        let count = state.of(user, now).len() as u64;
        if state.users.contains_key(user) {
            state.set(user.clone(), Vec::new(), now);
        }
        count
    }

    /// The blocks of a user that have not ended.
    pub fn of(&self, user: &UserId, now: Timestamp) -> Vec<Block> {
        self.0.lock().of(user, now)
    }

    /// The block that keeps a token out.
    pub fn blocking(&self, user: &UserId, token: &TokenClaims, now: Timestamp) -> Option<Block> {
        let state = self.0.lock();
        state.users.get(user)?.blocks.iter().find(|block| block.applies_to(token, now)).cloned()
    }

    /// The revision of the last change.
    pub fn revision(&self) -> u64 {
        self.0.lock().revision
    }

    /// What changed after a revision.
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

    /// Forgets users whose blocks have ended, so many at most, and returns them.
    pub fn sweep(&self, now: Timestamp, at_most: usize) -> Vec<UserId> {
        let mut state = self.0.lock();
        let mut forgotten = Vec::new();
        while forgotten.len() < at_most && state.ends.first_key_value().is_some_and(|((ends, _), ())| *ends <= now) {
            let Some(((_, user), ())) = state.ends.pop_first() else { break };
            if let Some(gone) = state.users.remove(&user) {
                state.changed.remove(&gone.revision);
            }
            forgotten.push(user);
        }
        forgotten
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
        let ends = after(now, REMEMBERED).max(last.unwrap_or_default());
        if let Some(before) = self.users.insert(user.clone(), Blocked { blocks, revision: self.revision, ends }) {
            self.changed.remove(&before.revision);
            self.ends.remove(&(before.ends, user.clone()));
        }
        self.changed.insert(self.revision, user.clone());
        self.ends.insert((ends, user), ());
    }
}
