//! Blocks of users in Redis: the script that admits a session looks at them.

use async_trait::async_trait;
use realtime_gateway_protocol::UserId;

use super::{RedisStore, arguments::Digits, fault::Fault, millis, request::Reply, scripts};
use crate::{
    Block, BlockChanges, BlockOutcome, Blocks, StoreError,
    block_row::{self, BlockRow},
    embedded_blocks::CHANGE_KEPT,
};

#[async_trait]
impl Blocks for RedisStore {
    async fn block(&self, user: &UserId, block: Block) -> Result<BlockOutcome, StoreError> {
        let row = serde_json::to_string(&BlockRow::of(&block)).map_err(|_| Fault::UnexpectedReply)?;
        let now = self.script_time();
        let request = |_: &_| {
            self.link.request(&scripts::KeepBlock {
                user_id: user.as_str(),
                now,
                remembered: millis(CHANGE_KEPT),
                max_blocks: Block::MAX_PER_USER as u64,
                row: &row,
            })
        };
        let (_, mut reply) = self.link.run_script(request).await?;
        Ok(if reply.number()? == 1 { BlockOutcome::Kept } else { BlockOutcome::TooMany })
    }

    async fn unblock(&self, user: &UserId) -> Result<u64, StoreError> {
        let now = self.script_time();
        let unblock = || scripts::Unblock { user_id: user.as_str(), now, remembered: millis(CHANGE_KEPT) };
        Ok(self.link.run_script(|_| self.link.request(&unblock())).await?.1.number()?)
    }

    async fn blocks_of(&self, user: &UserId) -> Result<Vec<Block>, StoreError> {
        let request = |_: &_| self.link.request(&scripts::BlocksOf { user_id: user.as_str() });
        Ok(self.live_blocks(&self.link.run_script(request).await?.1.text()?)?)
    }

    async fn block_changes(&self, after: u64, at_most: usize) -> Result<BlockChanges, StoreError> {
        let changes = || scripts::ReadBlockChanges { after: Digits(after), max_users: at_most as u64 };
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&changes())).await?;
        let (revision, more) = (reply.number()?, reply.number()? == 1);
        let user = |reply: &mut Reply| Ok((reply.id()?, self.live_blocks(&reply.text()?)?));
        Ok(BlockChanges { users: reply.list()?.all(user)?, revision, more })
    }
}

impl RedisStore {
    /// Decodes a row of blocks, and returns those that have not ended.
    fn live_blocks(&self, row: &str) -> Result<Vec<Block>, Fault> {
        let now = self.clock.now();
        let mut blocks = block_row::decode(row).ok_or(Fault::UnexpectedReply)?;
        blocks.retain(|block| block.until > now);
        Ok(blocks)
    }
}
