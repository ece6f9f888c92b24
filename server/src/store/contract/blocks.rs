//! Blocks: users, or some of their tokens, that are kept out until a time. The step that admits a session checks them.

use async_trait::async_trait;
use realtime_gateway_protocol::{Timestamp, TokenId, UserId};

use super::StoreError;

/// What a block looks at in a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenClaims {
    /// `iat`
    pub issued_at: Option<Timestamp>,
    /// `jti`, when it is an identifier of 1 to 128 bytes.
    pub id: Option<TokenId>,
}

/// Which tokens of a user a block keeps out. A user has at most one block of each kind, and one for each `jti`; a new
/// block replaces the earlier one of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockedTokens {
    /// All.
    All,
    /// Those whose `iat` is before this time, and those without `iat`.
    IssuedBefore(Timestamp),
    /// The one with this `jti`.
    Id(TokenId),
}

/// A block of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Which tokens it keeps out.
    pub tokens: BlockedTokens,
    /// When it ends.
    pub until: Timestamp,
    /// When it was made.
    pub since: Timestamp,
    /// Why, for operators.
    pub reason: Option<realtime_gateway_protocol::BlockReason>,
}

impl Block {
    /// The most blocks that a user may have: only blocks of single tokens can be so many.
    pub const MAX_PER_USER: usize = 100;

    /// Whether it keeps a token out at a time.
    pub fn applies_to(&self, token: &TokenClaims, now: Timestamp) -> bool {
        let is_meant = match &self.tokens {
            BlockedTokens::All => true,
            BlockedTokens::IssuedBefore(time) => token.issued_at.is_none_or(|issued_at| issued_at < *time),
            BlockedTokens::Id(id) => token.id.as_ref() == Some(id),
        };
        is_meant && self.until > now
    }

    /// Whether a new block of one kind takes the place of a block of the other.
    pub fn is_same_kind(&self, other: &Self) -> bool {
        match (&self.tokens, &other.tokens) {
            (BlockedTokens::All, BlockedTokens::All)
            | (BlockedTokens::IssuedBefore(_), BlockedTokens::IssuedBefore(_)) => true,
            (BlockedTokens::Id(id), BlockedTokens::Id(other)) => id == other,
            _ => false,
        }
    }
}

/// What came of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockOutcome {
    /// It is kept until it ends.
    Kept,
    /// The user has [`Block::MAX_PER_USER`] others, and nothing was changed.
    TooMany,
}

/// The blocks that changed after a revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockChanges {
    /// The users, each with all blocks that are left; none is left when the user was unblocked.
    pub users: Vec<(UserId, Vec<Block>)>,
    /// Up to which revision changes have been read with these.
    pub revision: u64,
    /// Whether there are more.
    pub more: bool,
}

/// Blocks of all users. Every change raises a revision by one, which each pulse reports, so that no node misses one.
#[async_trait]
pub trait Blocks {
    /// Keeps a block until it ends. It replaces an earlier one of its kind.
    async fn block(&self, user: &UserId, block: Block) -> Result<BlockOutcome, StoreError>;

    /// Ends every block of a user. Returns how many there were.
    async fn unblock(&self, user: &UserId) -> Result<u64, StoreError>;

    /// The blocks of a user that have not ended.
    async fn blocks_of(&self, user: &UserId) -> Result<Vec<Block>, StoreError>;

    /// The users whose blocks changed after a revision, in the order of the changes; from 0 on, all who have blocks.
    async fn block_changes(&self, after: u64, at_most: usize) -> Result<BlockChanges, StoreError>;
}
