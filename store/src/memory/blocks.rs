//! Blocks in memory. They are lost when the process ends.

use async_trait::async_trait;
use realtime_gateway_protocol::UserId;

use super::MemoryStore;
use crate::{Block, BlockChanges, BlockOutcome, Blocks, StoreError};

#[async_trait]
impl Blocks for MemoryStore {
    async fn block(&self, user: &UserId, block: Block) -> Result<BlockOutcome, StoreError> {
        let now = self.clock.now();
        self.while_open(|node| node.blocks.block(user, block, now).0)
    }

    async fn unblock(&self, user: &UserId) -> Result<u64, StoreError> {
        let now = self.clock.now();
        self.while_open(|node| node.blocks.unblock(user, now))
    }

    async fn blocks_of(&self, user: &UserId) -> Result<Vec<Block>, StoreError> {
        let now = self.clock.now();
        self.while_open(|node| node.blocks.of(user, now))
    }

    async fn block_changes(&self, after: u64, at_most: usize) -> Result<BlockChanges, StoreError> {
        let now = self.clock.now();
        self.while_open(|node| node.blocks.changes(after, at_most, now))
    }
}
