//! Blocks of users and tokens. Each node keeps a copy of the blocks in the store and updates it with every
//! reconciliation. The copy lets the node close the sessions of blocked users, and reject blocked tokens while the
//! store is unavailable.

use std::{collections::HashMap, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::RwLock;
use realtime_gateway_protocol::{CloseCode, Timestamp, UserId, backend::BlockUser};

use super::{Session, Sessions};
use crate::{
    auth::{AuthError, Identity},
    command_error::CommandError,
    config::LiveConfig,
    confirmation::in_time,
    metrics::Metrics,
    node::Node,
    runtime::clock::NodeClock,
    store::{Block, BlockOutcome, BlockedTokens, ControlMessage, Store, StoreError, TokenClaims},
    telemetry::{SecurityEvent, SecurityKind},
};

/// The number of changed users that are read from the store in one page.
const CHANGES_PAGE: usize = 500;
/// The number of users whose blocks are restored concurrently in a store that may have lost them.
const CONCURRENT_RESTORES: usize = 64;
/// The error code when a user already has the maximum number of blocks.
pub(crate) const BLOCK_LIMIT: &str = "block_limit";

/// This node's copy of the blocks in the store.
#[derive(Debug, Default)]
struct KnownBlocks {
    users: HashMap<UserId, Vec<Block>>,
    /// The revision up to which changes have been read. `None` when all blocks have to be read again.
    revision: Option<u64>,
}

impl KnownBlocks {
    /// Returns the block that applies to a token, if there is one.
    fn blocking(&self, user: &UserId, token: &TokenClaims, now: Timestamp) -> Option<Block> {
        self.users.get(user)?.iter().find(|block| block.applies_to(token, now)).cloned()
    }

    /// Applies the changes up to a revision. With `Start::Over`, `changes` are all blocks and replace the copy. Expired
    /// blocks are removed.
    fn update(&mut self, start: Start, changes: HashMap<UserId, Vec<Block>>, revision: u64, now: Timestamp) {
        if start == Start::Over {
            self.users.clear();
        }
        self.users.extend(changes);
        self.users.retain(|_, blocks| blocks.iter().any(|block| block.until > now));
        self.revision = Some(revision);
    }
}

/// The revision after which blocks are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Read the changes after this revision, which was read last.
    Revision(u64),
    /// Read all blocks.
    Over,
}

/// The parts that [`Blocks`] works with.
pub(crate) struct BlockParts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) node: Arc<Node>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) config: LiveConfig,
    pub(crate) clock: NodeClock,
    pub(crate) metrics: Arc<Metrics>,
}

/// The blocks of users: rejects blocked tokens and closes blocked sessions on every node.
pub struct Blocks {
    known: RwLock<KnownBlocks>,
    parts: BlockParts,
}

impl Blocks {
    /// Creates an empty copy. The first reconciliation reads the blocks of the store.
    pub(crate) fn new(parts: BlockParts) -> Self {
        Self { known: RwLock::default(), parts }
    }

    /// Rejects an identity whose token is blocked according to this node's copy.
    ///
    /// # Errors
    /// [`AuthError::Blocked`] with the end of the block.
    pub(crate) fn check(&self, identity: &Identity) -> Result<(), AuthError> {
        match self.known.read().blocking(&identity.user, &identity.token, self.parts.clock.now()) {
            Some(block) => Err(AuthError::Blocked { until: block.until }),
            None => Ok(()),
        }
    }

    /// Closes a session whose token is blocked.
    pub(crate) fn close_if_blocked(&self, session: &Session) {
        if self.check(&session.identity()).is_err() {
            close_blocked(session, &self.parts.metrics);
        }
    }

    /// Creates the block that an operator or a backend service requests.
    ///
    /// # Errors
    /// A [`CommandError`] that names the invalid field.
    pub(crate) fn new_block(&self, request: BlockUser) -> Result<Block, CommandError> {
        let BlockUser { until, issued_before, jti, reason } = request;
        let since = self.parts.clock.now();
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

    /// Blocks all or some tokens of a user on every node, and closes the sessions to which the block applies.
    ///
    /// # Errors
    /// `block_limit` when the user has too many blocks, `unavailable` when the store does not answer in time.
    pub(crate) async fn block(&self, user: &UserId, block: Block) -> Result<(), CommandError> {
        if in_time(self.parts.store.block(user, block.clone())).await? == BlockOutcome::TooMany {
            let message = format!("the user has {} blocks; end them first", Block::MAX_PER_USER);
            return Err(CommandError::new(BLOCK_LIMIT.into(), message));
        }
        let now = self.parts.clock.now();
        for session in self.parts.sessions.table().of_user(user) {
            if block.applies_to(&session.identity().token, now) {
                close_blocked(&session, &self.parts.metrics);
            }
        }
        self.notify_nodes().await;
        Ok(())
    }

    /// Returns the blocks of a user.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer in time.
    pub(crate) async fn of_user(&self, user: &UserId) -> Result<Vec<Block>, CommandError> {
        in_time(self.parts.store.blocks_of(user)).await
    }

    /// Removes all blocks of a user and returns their number.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn unblock(&self, user: &UserId) -> Result<u64, StoreError> {
        let count = self.parts.store.unblock(user).await?;
        self.notify_nodes().await;
        Ok(count)
    }

    /// Asks every node to read the changes immediately. A node to which the control message cannot be posted reads them
    /// with its next reconciliation.
    async fn notify_nodes(&self) {
        self.parts.node.request_reconciliation();
        if !self.parts.config.get().store.is_shared() {
            return;
        }
        if let Err(error) = self.post_to_other_nodes(&ControlMessage::BlocksChanged).await {
            tracing::debug!(%error, "other nodes read a changed block with their next reconciliation");
        }
    }

    async fn post_to_other_nodes(&self, message: &ControlMessage) -> Result<(), StoreError> {
        let nodes = self.parts.store.nodes().await?;
        for node in nodes.iter().filter(|node| node.id != *self.parts.node.name.id) {
            self.parts.store.post(&node.id, message).await?;
        }
        Ok(())
    }

    /// Updates this node's copy if the store has another revision, and closes the sessions that are blocked now.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn read_changes(&self, revision: u64) -> Result<(), StoreError> {
        let start = match self.known.read().revision {
            Some(known) if known == revision => return Ok(()),
            Some(known) if known < revision => Start::Revision(known),
            _ => Start::Over,
        };
        let (mut after, mut changes) = (if let Start::Revision(known) = start { known } else { 0 }, HashMap::new());
        loop {
            let page = self.parts.store.block_changes(after, CHANGES_PAGE).await?;
            changes.extend(page.users);
            after = page.revision;
            if !page.more {
                break;
            }
        }
        let users: Vec<UserId> = changes.keys().cloned().collect();
        self.known.write().update(start, changes, after, self.parts.clock.now());
        for session in users.iter().flat_map(|user| self.parts.sessions.table().of_user(user)) {
            self.close_if_blocked(&session);
        }
        Ok(())
    }

    /// Makes the next reconciliation read all blocks, because this node may have missed the removal of some.
    pub(crate) fn reset_revision(&self) {
        self.known.write().revision = None;
    }

    /// Restores the blocks of this node's copy in a store that may have lost them.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(crate) async fn restore(&self) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let known: Vec<_> = self.known.read().users.clone().into_iter().collect();
        let restore = stream::iter(known).map(|(user, blocks)| async move {
            let stored = self.parts.store.blocks_of(&user).await?;
            let is_lost = |block: &Block| block.until > now && !stored.iter().any(|other| other.is_same_kind(block));
            for block in blocks.into_iter().filter(is_lost) {
                // The store rejects a block beyond the limit per user. That is no error: the user has the maximum
                // number of other blocks then.
                self.parts.store.block(&user, block).await?;
            }
            Ok::<(), StoreError>(())
        });
        restore.buffer_unordered(CONCURRENT_RESTORES).try_collect::<Vec<()>>().await?;
        Ok(())
    }
}

/// Closes a session to which a block applies.
pub(super) fn close_blocked(session: &Session, metrics: &Metrics) {
    if session.outbound().is_closed() {
        return;
    }
    let reason = "the session was closed by a block";
    let (address, user) = (session.client.address, Some(session.user()));
    metrics.security_event(SecurityEvent { kind: SecurityKind::RevokedUser, address, user, reason });
    session.outbound().close(CloseCode::DISCONNECTED, "blocked by an operator");
}
