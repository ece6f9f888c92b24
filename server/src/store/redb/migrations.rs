//! Which format a file has, and the way from an older one to this version's.

use std::path::Path;

use redb::{Database, ReadableDatabase, TableDefinition, TableError, TableHandle, WriteTransaction};

use super::{
    fault::Fault,
    format::{FORMAT, META, text},
    tables,
};
use crate::store::{Epoch, open::OpenError};

/// One step: what makes a file of one format one of the next.
type Migration = fn(&WriteTransaction) -> Result<(), Fault>;

/// The steps, the one from format 0 first. Each runs in the transaction that also notes the new format.
const MIGRATIONS: [Migration; FORMAT as usize] = [give_epoch, keep_outbox];

/// 0 to 1: files from before the first release had no epoch.
fn give_epoch(transaction: &WriteTransaction) -> Result<(), Fault> {
    let epoch = uuid::Uuid::now_v7().to_string();
    transaction.open_table(META)?.insert("epoch", epoch.as_bytes())?;
    Ok(())
}

/// 1 to 2: events for a broker and open sessions have tables, which are empty at first; all tables are made below.
fn keep_outbox(_: &WriteTransaction) -> Result<(), Fault> {
    Ok(())
}

/// Makes a new file a store, and an older one a store of this version.
///
/// # Errors
/// A file of a newer version, or of something else, is left as it is.
pub(super) fn prepare(database: &Database, path: &Path) -> Result<(), OpenError> {
    let damaged = |fault: Fault| OpenError::Damaged { path: path.into(), reason: fault.to_string() };
    match format(database).map_err(damaged)? {
        Found::Format(FORMAT) => Ok(()),
        Found::Format(found) if found > FORMAT => Err(OpenError::Newer { path: path.into(), found, known: FORMAT }),
        Found::Format(found) => {
            migrate(database, found).map_err(damaged)?;
            tracing::info!(path = %path.display(), from = found, to = FORMAT, "the data file was migrated");
            Ok(())
        }
        Found::Nothing => migrate(database, 0).map_err(damaged),
        Found::SomethingElse => Err(OpenError::NotAStore { path: path.into() }),
    }
}

/// The epoch that stands in the file.
pub(super) fn epoch(transaction: &redb::ReadTransaction) -> Result<Epoch, Fault> {
    let meta = transaction.open_table(META)?;
    let row = meta.get("epoch")?.ok_or(Fault::Damaged)?;
    Ok(text(row.value())?.into())
}

/// What a file holds.
enum Found {
    Nothing,
    Format(u32),
    SomethingElse,
}

fn format(database: &Database) -> Result<Found, Fault> {
    let transaction = database.begin_read()?;
    // The table is opened by its name and types: a file with another `meta` is not ours.
    let meta = match transaction.open_table(TableDefinition::<&str, &[u8]>::new(META.name())) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) if transaction.list_tables()?.next().is_none() => {
            return Ok(Found::Nothing);
        }
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Ok(Found::SomethingElse),
    };
    let format = meta.get("format")?.and_then(|row| row.value().try_into().ok()).map(u32::from_le_bytes);
    Ok(format.map_or(Found::SomethingElse, Found::Format))
}

fn migrate(database: &Database, from: u32) -> Result<(), Fault> {
    let transaction = database.begin_write()?;
    for migration in MIGRATIONS.iter().skip(from as usize) {
        migration(&transaction)?;
    }
    transaction.open_table(META)?.insert("format", FORMAT.to_le_bytes().as_slice())?;
    tables::make(&transaction)?;
    transaction.commit()?;
    Ok(())
}
