//! Blocks of users in Redis: the script that admits a session looks at them.

use async_trait::async_trait;
use realtime_gateway_protocol::UserId;

use super::{RedisStore, fault::Fault, millis, request::Reply, steps};
use crate::store::{
    Block, BlockChanges, BlockOutcome, Blocks, StoreError,
    block_row::{self, BlockRow},
    embedded_blocks::REMEMBERED,
};

#[async_trait]
impl Blocks for RedisStore {
    async fn block(&self, user: &UserId, block: Block) -> Result<BlockOutcome, StoreError> {
        let row = serde_json::to_string(&BlockRow::of(&block)).map_err(|_| Fault::Strange)?;
        let now = self.moment();
        let request = |_: &_| {
            let request = self.link.request(&steps::BLOCK).text(user.as_str()).moment(now).number(millis(REMEMBERED));
            request.number(Block::MAX_PER_USER as u64).text(&row)
        };
        let (_, mut reply) = self.link.run(&steps::BLOCK, request).await?;
        Ok(if reply.number()? == 1 { BlockOutcome::Kept } else { BlockOutcome::TooMany })
    }

    async fn unblock(&self, user: &UserId) -> Result<u64, StoreError> {
        let now = self.moment();
        let request =
            |_: &_| self.link.request(&steps::UNBLOCK).text(user.as_str()).moment(now).number(millis(REMEMBERED));
        Ok(self.link.run(&steps::UNBLOCK, request).await?.1.number()?)
    }

    async fn blocks_of(&self, user: &UserId) -> Result<Vec<Block>, StoreError> {
        let request = |_: &_| self.link.request(&steps::BLOCKS_OF).text(user.as_str());
        Ok(self.live_blocks(&self.link.run(&steps::BLOCKS_OF, request).await?.1.text()?)?)
    }

    async fn block_changes(&self, after: u64, at_most: usize) -> Result<BlockChanges, StoreError> {
        let request = |_: &_| self.link.request(&steps::BLOCK_CHANGES).number(after).number(at_most as u64);
        let (_, mut reply) = self.link.run(&steps::BLOCK_CHANGES, request).await?;
        let (revision, more) = (reply.number()?, reply.number()? == 1);
        let user = |reply: &mut Reply| Ok((reply.id()?, self.live_blocks(&reply.text()?)?));
        Ok(BlockChanges { users: reply.list()?.all(user)?, revision, more })
    }
}

impl RedisStore {
    /// The blocks of a row that have not ended.
    fn live_blocks(&self, row: &str) -> Result<Vec<Block>, Fault> {
        let now = self.clock.now();
        let mut blocks = block_row::decode(row).ok_or(Fault::Strange)?;
        blocks.retain(|block| block.until > now);
        Ok(blocks)
    }
}
