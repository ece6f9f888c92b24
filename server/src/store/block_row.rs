//! The blocks of one user as the stores write them: a list in JSON.

use realtime_gateway_protocol::{BlockReason, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

use super::{Block, BlockedTokens};

/// A block. Times are milliseconds, as texts: Lua would write a number with 14 digits.
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
    /// The row of a block.
    pub(super) fn of(block: &Block) -> Self {
        let text = |time: Timestamp| time.millis().to_string();
        let (issued_before, jti) = match &block.tokens {
            BlockedTokens::All => (None, None),
            BlockedTokens::IssuedBefore(time) => (Some(text(*time)), None),
            BlockedTokens::Id(id) => (None, Some(id.clone())),
        };
        Self { until: text(block.until), since: text(block.since), issued_before, jti, reason: block.reason.clone() }
    }

    /// The block of a row; none when it is damaged.
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

/// Writes the blocks of a user.
pub(super) fn encode(blocks: &[Block]) -> String {
    let rows: Vec<BlockRow> = blocks.iter().map(BlockRow::of).collect();
    // A list of texts can always be written as JSON.
    serde_json::to_string(&rows).unwrap_or_default()
}

/// Reads the blocks of a user; none when they are damaged.
pub(super) fn decode(text: &str) -> Option<Vec<Block>> {
    let rows: Vec<BlockRow> = serde_json::from_str(text).ok()?;
    rows.into_iter().map(BlockRow::block).collect()
}
