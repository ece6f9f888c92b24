//! The stored form of the blocks of one user: a JSON list.

use realtime_gateway_protocol::{BlockReason, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

use super::{Block, BlockedTokens};

/// The stored form of a block. Times are strings of milliseconds, because Lua writes numbers with 14 digits only.
#[derive(Serialize, Deserialize)]
pub(super) struct BlockRow {
    #[serde(rename = "u")]
    until: String,
    #[serde(rename = "s")]
    since: String,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    issued_before: Option<String>,
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    jti: Option<TokenId>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    reason: Option<BlockReason>,
}

impl BlockRow {
    /// Creates the stored form of a block.
    pub(super) fn of(block: &Block) -> Self {
        let text = |time: Timestamp| time.millis().to_string();
        let (issued_before, jti) = match &block.tokens {
            BlockedTokens::All => (None, None),
            BlockedTokens::IssuedBefore(time) => (Some(text(*time)), None),
            BlockedTokens::Id(id) => (None, Some(id.clone())),
        };
        Self { until: text(block.until), since: text(block.since), issued_before, jti, reason: block.reason.clone() }
    }

    /// Returns the block, or `None` if the row is damaged.
    pub(super) fn block(self) -> Option<Block> {
        let time = |text: &str| text.parse().ok().map(Timestamp::from_millis);
        let tokens = match (self.issued_before, self.jti) {
            (None, None) => BlockedTokens::All,
            (Some(issued_before), _) => BlockedTokens::IssuedBefore(time(&issued_before)?),
            (None, Some(jti)) => BlockedTokens::Id(jti),
        };
        Some(Block { tokens, until: time(&self.until)?, since: time(&self.since)?, reason: self.reason })
    }
}

/// Encodes the blocks of a user.
pub(super) fn encode(blocks: &[Block]) -> String {
    let rows: Vec<BlockRow> = blocks.iter().map(BlockRow::of).collect();
    // A list of strings can always be encoded as JSON.
    serde_json::to_string(&rows).unwrap_or_default()
}

/// Decodes the blocks of a user. Returns `None` if they are damaged.
pub(super) fn decode(text: &str) -> Option<Vec<Block>> {
    let rows: Vec<BlockRow> = serde_json::from_str(text).ok()?;
    rows.into_iter().map(BlockRow::block).collect()
}
