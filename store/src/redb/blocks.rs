//! Blocks of users. They are decided in memory, and written to the file so that they survive a restart.

use async_trait::async_trait;
use realtime_gateway_protocol::{StoredId, Timestamp, UserId};
use redb::{ReadTransaction, ReadableTable, TableError};

use super::{
    RedbStore,
    fault::Fault,
    format::{BLOCKS, text},
    operation::Request,
    sealed::{Position, fields, row},
    tables::Tables,
};
use crate::{Block, BlockChanges, BlockOutcome, Blocks, StoreError, block_row};

/// The maximum number of users that one sweep removes because their blocks have ended.
const MAX_SWEPT_USERS: usize = 500;

/// A request to write the blocks of a user.
struct WriteBlocks {
    user: UserId,
    blocks: Vec<Block>,
}

/// A request to remove the rows of users whose blocks have ended.
struct RemoveUsers(Vec<UserId>);

impl Request for WriteBlocks {
    type Answer = ();

    fn apply(&self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        tables.changed = true;
        write(tables, &self.user, &self.blocks)
    }

    fn bytes(&self) -> usize {
        256 + 512 * self.blocks.len()
    }
}

impl Request for RemoveUsers {
    type Answer = ();

    fn apply(&self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        for user in &self.0 {
            tables.changed |= tables.blocks.remove(user.as_str())?.is_some();
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        256 * self.0.len()
    }
}

/// The result of decoding the row of a user: the user and all blocks.
type BlocksRead = Result<(UserId, Vec<Block>), Fault>;

/// Writes the blocks of a user.
pub(super) fn write(tables: &mut Tables<'_>, user: &UserId, blocks: &[Block]) -> Result<(), Fault> {
    if blocks.is_empty() {
        tables.blocks.remove(user.as_str())?;
    } else {
        tables.blocks.insert(user.as_str(), encode(user.as_str(), blocks).as_slice())?;
    }
    Ok(())
}

/// Returns the blocks of all users that the file holds.
///
/// # Errors
/// If one of them cannot be read: no client may be admitted while a block may be missing.
pub(super) fn read_all(transaction: &ReadTransaction) -> Result<Vec<(UserId, Vec<Block>)>, Fault> {
    read_each(transaction)?.into_iter().collect()
}

/// Returns the blocks of each user, or the error if a user's row cannot be read.
pub(super) fn read_each(transaction: &ReadTransaction) -> Result<Vec<BlocksRead>, Fault> {
    let table = match transaction.open_table(BLOCKS) {
        Ok(table) => table,
        // A file that no version with blocks has written yet.
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut all = Vec::new();
    for row in table.iter()? {
        let (user, blocks) = row?;
        all.push(decode(user.value(), blocks.value()));
    }
    Ok(all)
}

fn encode(user: &str, blocks: &[Block]) -> Vec<u8> {
    row(Position::of::<&str>(&BLOCKS, &user), [], &[block_row::encode(blocks).as_bytes()])
}

/// Reads the row of a user.
pub(super) fn decode(user: &str, bytes: &[u8]) -> BlocksRead {
    let ([], blocks) = fields(Position::of::<&str>(&BLOCKS, &user), bytes)?;
    let user = UserId::from_stored(user).map_err(|_| Fault::Damaged)?;
    Ok((user, block_row::decode(text(blocks)?).ok_or(Fault::Damaged)?))
}

impl RedbStore {
    /// Removes users whose blocks have ended.
    pub(super) async fn sweep_blocks(&self, now: Timestamp) -> Result<(), StoreError> {
        let written = {
            let _order = self.session_order.lock();
            let users = self.while_open(|node| node.blocks.sweep(now, MAX_SWEPT_USERS))?;
            if users.is_empty() {
                return Ok(());
            }
            self.queue(RemoveUsers(users))?
        };
        self.committed(written).await
    }
}

/// A change takes effect in memory first. If the file cannot be written, the change stays in memory, and the caller
/// gets an error and repeats the operation.
#[async_trait]
impl Blocks for RedbStore {
    async fn block(&self, user: &UserId, block: Block) -> Result<BlockOutcome, StoreError> {
        let now = self.clock.now();
        let written = {
            let _order = self.session_order.lock();
            let (outcome, blocks) = self.while_open(|node| node.blocks.block(user, block, now))?;
            if outcome == BlockOutcome::TooMany {
                return Ok(outcome);
            }
            self.queue(WriteBlocks { user: user.clone(), blocks })?
        };
        self.committed(written).await?;
        Ok(BlockOutcome::Kept)
    }

    async fn unblock(&self, user: &UserId) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let (count, written) = {
            let _order = self.session_order.lock();
            let count = self.while_open(|node| node.blocks.unblock(user, now))?;
            (count, self.queue(WriteBlocks { user: user.clone(), blocks: Vec::new() })?)
        };
        self.committed(written).await?;
        Ok(count)
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
