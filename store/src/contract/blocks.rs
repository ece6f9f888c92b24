//! Blocks: users, or some of their tokens, that are not admitted until a time. The step that admits a session checks them.

use async_trait::async_trait;
use realtime_gateway_protocol::{Timestamp, TokenId, UserId};

use super::StoreError;

/// The claims of a token that a block checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenClaims {
    /// The claim `iat`.
    pub issued_at: Option<Timestamp>,
    /// The claim `jti`, if it is an identifier of 1 to 128 bytes.
    pub id: Option<TokenId>,
}

/// The tokens of a user that are blocked. A user has at most one block of all tokens, one by time, and one for each `jti`.
/// A new block replaces the earlier one of the same kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockedTokens {
    /// All tokens.
    All,
    /// Tokens whose `iat` is before this time, and tokens without `iat`.
    IssuedBefore(Timestamp),
    /// The token with this `jti`.
    Id(TokenId),
}

/// A block of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The blocked tokens.
    pub tokens: BlockedTokens,
    /// When the block ends.
    pub until: Timestamp,
    /// When the block was created.
    pub since: Timestamp,
    /// The reason, for operators.
    pub reason: Option<realtime_gateway_protocol::BlockReason>,
}

impl Block {
    /// The maximum number of blocks of a user. Only blocks of single tokens can reach it.
    pub const MAX_PER_USER: usize = 100;

    /// Returns whether the block applies to a token at the time `now`.
    pub fn applies_to(&self, token: &TokenClaims, now: Timestamp) -> bool {
        let is_selected = match &self.tokens {
            BlockedTokens::All => true,
            BlockedTokens::IssuedBefore(time) => token.issued_at.is_none_or(|issued_at| issued_at < *time),
            BlockedTokens::Id(id) => token.id.as_ref() == Some(id),
        };
        is_selected && self.until > now
    }

    /// Returns whether a new block of this kind replaces `other`.
    pub fn is_same_kind(&self, other: &Self) -> bool {
        match (&self.tokens, &other.tokens) {
            (BlockedTokens::All, BlockedTokens::All)
            | (BlockedTokens::IssuedBefore(_), BlockedTokens::IssuedBefore(_)) => true,
            (BlockedTokens::Id(id), BlockedTokens::Id(other)) => id == other,
            _ => false,
        }
    }
}

/// The result of adding a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockOutcome {
    /// The block was added.
    Kept,
    /// The user already has [`Block::MAX_PER_USER`] blocks. Nothing was changed.
    TooMany,
}

/// The blocks that changed after a revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockChanges {
    /// The users, each with all current blocks. The list is empty for a user who was unblocked.
    pub users: Vec<(UserId, Vec<Block>)>,
    /// The revision up to which these are all changes.
    pub revision: u64,
    /// Whether there are more changes after that revision.
    pub more: bool,
}

/// Blocks of all users. Every change increments a revision. Each reconciliation reports the revision, so that no node
/// misses a change.
#[async_trait]
pub trait Blocks {
    /// Adds a block. It replaces an earlier block of the same kind.
    async fn block(&self, user: &UserId, block: Block) -> Result<BlockOutcome, StoreError>;

    /// Removes all blocks of a user and returns their number.
    async fn unblock(&self, user: &UserId) -> Result<u64, StoreError>;

    /// Returns the blocks of a user that have not ended.
    async fn blocks_of(&self, user: &UserId) -> Result<Vec<Block>, StoreError>;

    /// Returns the users whose blocks changed after a revision, in the order of the changes. After revision 0 these are
    /// all users who have blocks.
    async fn block_changes(&self, after: u64, at_most: usize) -> Result<BlockChanges, StoreError>;
}
