//! The blocks of users on this node: a copy of what the store holds, which each reconciliation brings up to date. It closes
//! sessions, and it keeps blocked tokens out also while the store is away.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::RwLock;
use realtime_gateway_protocol::{CloseCode, Timestamp, UserId, backend::BlockUser};

use super::{Node, in_time};
use crate::{
    auth::{AuthError, Identity},
    command_error::CommandError,
    session::Session,
    store::{Block, BlockOutcome, BlockedTokens, Note, StoreError, TokenClaims},
    telemetry::{SecurityEvent, SecurityKind},
};

/// How many users whose blocks changed are read at once.
const READ_AT_ONCE: usize = 500;
/// How many users' blocks are put back at once into a store that may have lost them.
const PUT_BACK_AT_ONCE: usize = 64;
/// The code of the refusal of one block more than a user may have.
pub(crate) const BLOCK_LIMIT: &str = "block_limit";

/// The blocks that this node knows of.
#[derive(Debug, Default)]
pub(crate) struct KnownBlocks {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    users: HashMap<UserId, Vec<Block>>,
    /// Up to which revision changes have been read; `None` when all blocks have to be read again.
    revision: Option<u64>,
}

impl KnownBlocks {
    /// The block that keeps a token out.
    fn blocking(&self, user: &UserId, token: &TokenClaims, now: Timestamp) -> Option<Block> {
        let state = self.state.read();
        state.users.get(user)?.iter().find(|block| block.applies_to(token, now)).cloned()
    }

    /// Takes what changed up to a revision, or with `Start::Over` all there is. Blocks that have ended are forgotten.
    fn update(&self, start: Start, changes: HashMap<UserId, Vec<Block>>, revision: u64, now: Timestamp) {
        let mut state = self.state.write();
        if start == Start::Over {
            state.users.clear();
        }
        state.users.extend(changes);
        state.users.retain(|_, blocks| blocks.iter().any(|block| block.until > now));
        state.revision = Some(revision);
    }
}

/// From where blocks are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// From the revision that was read last.
    Revision(u64),
    /// All of them.
    Over,
}

impl Node {
    /// Refuses an identity whose token is blocked, as far as this node knows.
    ///
    /// # Errors
    /// [`AuthError::Blocked`].
    pub(crate) fn check_block(&self, identity: &Identity) -> Result<(), AuthError> {
        match self.blocks.blocking(&identity.user, &identity.token, self.now()) {
            Some(block) => Err(AuthError::Blocked { until: block.until }),
            None => Ok(()),
        }
    }

    /// Closes a session whose token is blocked.
    pub(crate) fn close_if_blocked(&self, session: &Session) {
        if self.check_block(&session.identity()).is_err() {
            self.close_blocked(session);
        }
    }

    /// Closes a session that a block is about.
    pub(super) fn close_blocked(&self, session: &Session) {
        if session.outbound.is_closed() {
            return;
        }
        let reason = "the session was closed by a block";
        let (address, user) = (session.comer.address, Some(&session.user));
        self.metrics.security_event(SecurityEvent { kind: SecurityKind::RevokedUser, address, user, reason });
        session.outbound.close(CloseCode::DISCONNECTED, "blocked by an operator");
    }

    /// The block that an operator or a backend service asks for.
    ///
    /// # Errors
    /// [`CommandError`] names the field that cannot be.
    pub(crate) fn new_block(&self, asked: BlockUser) -> Result<Block, CommandError> {
        let BlockUser { until, issued_before, jti, reason } = asked;
        let since = self.now();
        if until <= since {
            return Err(CommandError::field("until", "it is not in the future"));
        }
        let tokens = match (issued_before, jti) {
            (None, None) => BlockedTokens::All,
            (Some(time), None) => BlockedTokens::IssuedBefore(time),
            (None, Some(jti)) => BlockedTokens::Id(jti),
            (Some(_), Some(_)) => return Err(CommandError::field("jti", "give issuedBefore or jti, not both")),
        };
        Ok(Block { tokens, until, since, reason })
    }

    /// Blocks a user, or some of the user's tokens, on every node.
    ///
    /// # Errors
    /// When the user has too many blocks, or the store does not answer in time.
    pub(crate) async fn block(&self, user: &UserId, block: Block) -> Result<(), CommandError> {
        if in_time(self.store.block(user, block.clone())).await? == BlockOutcome::TooMany {
            let message = format!("the user has {} blocks; end them first", Block::MAX_PER_USER);
            return Err(CommandError::new(BLOCK_LIMIT.into(), message));
        }
        let now = self.now();
        for session in self.sessions.of_user(user) {
            if block.applies_to(&session.identity().token, now) {
                self.close_blocked(&session);
            }
        }
        self.tell_blocks_changed().await;
        Ok(())
    }

    /// Ends every block of a user, and returns how many there were.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn unblock(&self, user: &UserId) -> Result<u64, StoreError> {
        let count = self.store.unblock(user).await?;
        self.tell_blocks_changed().await;
        Ok(count)
    }

    /// Has every node read the changes now. A node that gets no message reads them with its next reconciliation.
    async fn tell_blocks_changed(&self) {
        self.reconcile_soon.notify_one();
        if !self.config().store.is_shared() {
            return;
        }
        match self.store.nodes().await {
            Ok(nodes) => {
                for node in nodes.iter().filter(|node| node.id != *self.name.id) {
                    self.bus.tell(&node.id, &Note::BlocksChanged);
                }
            }
            Err(error) => tracing::debug!(%error, "other nodes read a changed block with their next reconciliation"),
        }
    }

    /// Brings this node's copy up to date, if the store has another revision, and closes sessions that are blocked.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn read_blocks(&self, revision: u64) -> Result<(), StoreError> {
        let start = match self.blocks.state.read().revision {
            Some(known) if known == revision => return Ok(()),
            Some(known) if known < revision => Start::Revision(known),
            _ => Start::Over,
        };
        let (mut after, mut changes) = (if let Start::Revision(known) = start { known } else { 0 }, HashMap::new());
        loop {
            let page = self.store.block_changes(after, READ_AT_ONCE).await?;
            changes.extend(page.users);
            after = page.revision;
            if !page.more {
                break;
            }
        }
        let users: Vec<UserId> = changes.keys().cloned().collect();
        self.blocks.update(start, changes, after, self.now());
        for session in users.iter().flat_map(|user| self.sessions.of_user(user)) {
            self.close_if_blocked(&session);
        }
        Ok(())
    }

    /// Has all blocks read again: this node may have missed that some of them ended.
    pub(crate) fn forget_block_revision(&self) {
        self.blocks.state.write().revision = None;
    }

    /// Puts the blocks that this node knows of back into a store that may have lost them.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn put_blocks_back(&self) -> Result<(), StoreError> {
        let now = self.now();
        let known: Vec<_> = self.blocks.state.read().users.clone().into_iter().collect();
        let put_back = stream::iter(known).map(|(user, blocks)| async move {
            let kept = self.store.blocks_of(&user).await?;
            let is_lost = |block: &Block| block.until > now && !kept.iter().any(|other| other.is_same_kind(block));
            for block in blocks.into_iter().filter(is_lost) {
                // One beyond the bound cannot be kept; the store has as many others of this user.
                self.store.block(&user, block).await?;
            }
            Ok::<(), StoreError>(())
        });
        put_back.buffer_unordered(PUT_BACK_AT_ONCE).try_collect::<Vec<()>>().await?;
        Ok(())
    }
}
