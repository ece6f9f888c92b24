//! Determines the format of a file, and migrates an older format to the current one.
//!
//! An interrupted migration continues at the next start. The first commit of a migration writes the new format, so that
//! older versions do not open the file, and in `migrating` the format that is reached. Steps may be repeated, and commit a
//! bounded number of rows at a time.

mod checksums;

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, TableHandle, WriteTransaction};

use super::{
    fault::{Fault, guard},
    format::{EPOCH, FORMAT, META, NumbersRow, decode_epoch, encode_epoch},
    tables,
};
use crate::{Epoch, open::OpenError};

/// A migration from one format to the next. It commits its changes itself, and can be repeated.
type Migration = fn(&Database) -> Result<(), Fault>;

/// The migrations, beginning with the one from format 0.
const MIGRATIONS: [Migration; FORMAT as usize] = [add_epoch, create_tables, checksums::add];

/// The name of the row in `meta` with the format that a migration has reached.
const MIGRATING: &str = "migrating";

/// Migrates format 0 to 1: adds an epoch, which files from before the first release do not have.
fn add_epoch(database: &Database) -> Result<(), Fault> {
    committed(database, |transaction| {
        let mut meta = transaction.open_table(META)?;
        if meta.get(EPOCH)?.is_none() {
            meta.insert(EPOCH, new_epoch().as_bytes())?;
        }
        Ok(())
    })
}

/// Migrates format 1 to 2: creates the tables for the outbox and for open sessions.
fn create_tables(database: &Database) -> Result<(), Fault> {
    committed(database, tables::create)
}

/// Initializes a new file, or migrates an older one to the current format. Returns the format that was found, or `None` for
/// a new file.
///
/// # Errors
/// If the file is damaged, has a newer format, or is not a data file. It is not changed then.
pub(super) fn prepare(database: &Database, path: &Path) -> Result<Option<u32>, OpenError> {
    let damaged = |fault: Fault| OpenError::Damaged { path: path.into(), reason: fault.to_string() };
    match guard(|| format(database)).map_err(damaged)? {
        Found::Format(FORMAT) => Ok(Some(FORMAT)),
        Found::Format(found) if found > FORMAT => Err(OpenError::Newer { path: path.into(), found, known: FORMAT }),
        Found::Format(found) => {
            tracing::info!(path = %path.display(), from = found, to = FORMAT, "migrating the data file");
            guard(|| migrate(database, found)).map_err(damaged)?;
            tracing::info!(path = %path.display(), from = found, to = FORMAT, "the data file was migrated");
            Ok(Some(found))
        }
        Found::Nothing => {
            guard(|| committed(database, |transaction| begin(transaction, &new_epoch()))).map_err(damaged)?;
            Ok(None)
        }
        Found::SomethingElse => Err(OpenError::NotAStore { path: path.into() }),
    }
}

/// Returns the epoch of the file.
pub(super) fn epoch(transaction: &redb::ReadTransaction) -> Result<Epoch, Fault> {
    let meta = transaction.open_table(META)?;
    let row = meta.get(EPOCH)?.ok_or(Fault::Damaged)?;
    Ok(decode_epoch(row.value())?.into())
}

/// Creates a new epoch.
pub(super) fn new_epoch() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Returns whether a migration was begun and is not completed.
#[cfg(test)]
pub(super) fn is_under_way(database: &Database) -> Result<bool, Fault> {
    Ok(database.begin_read()?.open_table(META)?.get(MIGRATING)?.is_some())
}

/// The content of a file.
enum Found {
    Nothing,
    /// The format, or the one that an interrupted migration has reached.
    Format(u32),
    SomethingElse,
}

fn format(database: &Database) -> Result<Found, Fault> {
    let transaction = database.begin_read()?;
    // The types of the table are checked too: a file with another table `meta` is not a data file.
    let meta = match transaction.open_table(TableDefinition::<&str, &[u8]>::new(META.name())) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) if transaction.list_tables()?.next().is_none() => {
            return Ok(Found::Nothing);
        }
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Ok(Found::SomethingElse),
    };
    let number = |name: &str| -> Result<Option<u32>, Fault> {
        Ok(meta.get(name)?.and_then(|row| row.value().try_into().ok()).map(u32::from_le_bytes))
    };
    Ok(match (number("format")?, number(MIGRATING)?) {
        (None, _) => Found::SomethingElse,
        (Some(FORMAT), Some(reached)) => Found::Format(reached.min(FORMAT)),
        (Some(found), _) => Found::Format(found),
    })
}

/// Initializes an empty file.
fn begin(transaction: &WriteTransaction, epoch: &str) -> Result<(), Fault> {
    tables::create(transaction)?;
    let mut meta = transaction.open_table(META)?;
    meta.insert(EPOCH, encode_epoch(epoch).as_slice())?;
    meta.insert(NumbersRow::NAME, NumbersRow { log: 1, user: 1, body: 1 }.encode().as_slice())?;
    meta.insert("format", FORMAT.to_le_bytes().as_slice())?;
    Ok(())
}

fn migrate(database: &Database, from: u32) -> Result<(), Fault> {
    for (reached, migration) in (0..FORMAT).zip(MIGRATIONS).skip(from as usize) {
        committed(database, |transaction| {
            let mut meta = transaction.open_table(META)?;
            meta.insert("format", FORMAT.to_le_bytes().as_slice())?;
            meta.insert(MIGRATING, reached.to_le_bytes().as_slice())?;
            Ok(())
        })?;
        migration(database)?;
    }
    committed(database, |transaction| {
        transaction.open_table(META)?.remove(MIGRATING)?;
        tables::create(transaction)
    })
}

/// Runs a step in its own transaction.
fn committed<T>(database: &Database, step: impl FnOnce(&WriteTransaction) -> Result<T, Fault>) -> Result<T, Fault> {
    let transaction = database.begin_write()?;
    let done = step(&transaction)?;
    transaction.commit()?;
    Ok(done)
}
