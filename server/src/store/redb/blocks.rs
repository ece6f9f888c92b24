//! Blocks of users: decided in memory, and kept in the file, so that a restart ends none.

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
use crate::store::{Block, BlockChanges, BlockOutcome, Blocks, StoreError, block_row};

/// How many users whose blocks have ended one sweep forgets at most.
const SWEPT_AT_ONCE: usize = 500;

/// The blocks of a user are these now.
struct Written {
    user: UserId,
    blocks: Vec<Block>,
}

/// The blocks of these users have ended.
struct Forgotten(Vec<UserId>);

impl Request for Written {
    type Answer = ();

    fn apply(&self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        tables.changed = true;
        write(tables, &self.user, &self.blocks)
    }

    fn bytes(&self) -> usize {
        256 + 512 * self.blocks.len()
    }
}

impl Request for Forgotten {
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

/// A user with all blocks, as far as the row can be read.
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

/// The blocks of all users that the file holds.
///
/// # Errors
/// When one of them cannot be read: a file of which a block may be missing lets nobody in.
pub(super) fn read_all(transaction: &ReadTransaction) -> Result<Vec<(UserId, Vec<Block>)>, Fault> {
    read_each(transaction)?.into_iter().collect()
}

/// The blocks of each user, or why they cannot be read.
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
    /// Forgets users whose blocks have ended.
    pub(super) async fn sweep_blocks(&self, now: Timestamp) -> Result<(), StoreError> {
        let written = {
            let _order = self.session_order.lock();
            let users = self.while_open(|alone| alone.blocks.sweep(now, SWEPT_AT_ONCE))?;
            if users.is_empty() {
                return Ok(());
            }
            self.queue(Forgotten(users))?
        };
        self.written(written).await
    }
}

/// A change takes effect in memory first, also when the file cannot be written now: the caller is told to repeat it.
#[async_trait]
impl Blocks for RedbStore {
    async fn block(&self, user: &UserId, block: Block) -> Result<BlockOutcome, StoreError> {
        let now = self.clock.now();
        let written = {
            let _order = self.session_order.lock();
            let (outcome, blocks) = self.while_open(|alone| alone.blocks.block(user, block, now))?;
            if outcome == BlockOutcome::TooMany {
                return Ok(outcome);
            }
            self.queue(Written { user: user.clone(), blocks })?
        };
        self.written(written).await?;
        Ok(BlockOutcome::Kept)
    }

    async fn unblock(&self, user: &UserId) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let (count, written) = {
            let _order = self.session_order.lock();
            let count = self.while_open(|alone| alone.blocks.unblock(user, now))?;
            (count, self.queue(Written { user: user.clone(), blocks: Vec::new() })?)
        };
        self.written(written).await?;
        Ok(count)
    }

    async fn blocks_of(&self, user: &UserId) -> Result<Vec<Block>, StoreError> {
        let now = self.clock.now();
        self.while_open(|alone| alone.blocks.of(user, now))
    }

    async fn block_changes(&self, after: u64, at_most: usize) -> Result<BlockChanges, StoreError> {
        let now = self.clock.now();
        self.while_open(|alone| alone.blocks.changes(after, at_most, now))
    }
}
