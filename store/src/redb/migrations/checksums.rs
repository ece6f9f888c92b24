//! Format 2 to 3: every row except those of indexes gets a checksum, `known` records the name of every log and user,
//! numbers are counted separately from the lengths of the tables, and idempotency keys have room for the digest of the
//! content.
//!
//! The layout of a row shows whether it has a checksum already, so that an interrupted step can be repeated. What
//! was damaged before cannot be recognised any more, and gets a checksum as it is.

use std::ops::Bound;

use redb::{Database, Key, ReadableTable, ReadableTableMetadata, TableDefinition, Value, WriteTransaction};

use super::committed;
use crate::redb::{
    fault::Fault,
    format::{
        ENTRIES, EPOCH, IDS, KEYS, KNOWN, KnownKind, KnownRow, LOGS, LogRow, META, NumbersRow, OPEN_SESSIONS, OUTBOX,
        PENDING, USERS, UserRow, encode_epoch, text,
    },
    sealed::{Position, sealed},
};

/// The maximum number of rows that one commit reads.
const ROWS: usize = 2_000;
/// The number of bytes of rows after which a commit ends.
const BYTES: usize = 4 * 1024 * 1024;

/// A key as bytes, and its row.
type Row = (Vec<u8>, Vec<u8>);
type Definition<K> = TableDefinition<'static, K, &'static [u8]>;

pub(super) fn add(database: &Database) -> Result<(), Fault> {
    seal(database, LOGS, None)?;
    seal(database, USERS, None)?;
    seal(database, OPEN_SESSIONS, None)?;
    seal(database, ENTRIES, None)?;
    seal(database, PENDING, Some(3))?;
    seal(database, KEYS, Some(2))?;
    seal(database, IDS, Some(2))?;
    seal(database, OUTBOX, None)?;
    let mut next = NumbersRow { log: 1, user: 1, body: 1 };
    in_chunks(database, LOGS, |transaction, rows| {
        next.log =
            next.log.max(name(transaction, KnownKind::Log, rows, |name, row| Ok(LogRow::decode(name, row)?.number))?);
        Ok(())
    })?;
    in_chunks(database, USERS, |transaction, rows| {
        let number = |name: &str, row: &[u8]| Ok(UserRow::decode(name, row)?.number);
        next.user = next.user.max(name(transaction, KnownKind::User, rows, number)?);
        Ok(())
    })?;
    committed(database, |transaction| {
        let mut meta = transaction.open_table(META)?;
        let plain = |row: &[u8]| text(row).ok().filter(|text| is_plain(text)).map(encode_epoch);
        let epoch = meta.get(EPOCH)?.and_then(|row| plain(row.value()));
        if let Some(epoch) = epoch {
            meta.insert(EPOCH, epoch.as_slice())?;
        }
        let (logs, users) = (transaction.open_table(LOGS)?.len()?, transaction.open_table(USERS)?.len()?);
        let next = NumbersRow { log: next.log.max(logs + 1), user: next.user.max(users + 1), ..next };
        meta.insert(NumbersRow::NAME, next.encode().as_slice())?;
        Ok(())
    })
}

/// Returns whether this is an epoch without a checksum, which has the characters of a UUID only.
fn is_plain(epoch: &str) -> bool {
    epoch.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Adds the checksums to the rows of one table, and space for one more number after the `old_numbers` existing ones.
fn seal<K: Key + 'static>(
    database: &Database,
    definition: Definition<K>,
    old_numbers: Option<usize>,
) -> Result<(), Fault> {
    in_chunks(database, definition, |transaction, rows| {
        let mut table = transaction.open_table(definition)?;
        for (key, row) in rows {
            let key = K::from_bytes(key);
            if let Some(row) = sealed(Position::of::<K>(&definition, &key), row, old_numbers) {
                table.insert(key, row.as_slice())?;
            }
        }
        Ok(())
    })
}

/// Records logs or users in `known`. Returns the next free number.
fn name(
    transaction: &WriteTransaction,
    kind: KnownKind,
    rows: &[Row],
    number: impl Fn(&str, &[u8]) -> Result<u64, Fault>,
) -> Result<u64, Fault> {
    let mut known = transaction.open_table(KNOWN)?;
    let mut next = 1;
    for (key, row) in rows {
        let name = text(key)?;
        // A damaged row is skipped: the number of its log or user was stored nowhere else.
        let Ok(number) = number(name, row) else { continue };
        next = next.max(number + 1);
        let row = KnownRow { kind, name, number };
        known.insert(row.key(), row.encode().as_slice())?;
    }
    Ok(next)
}

/// Applies a step to all rows of a table, a bounded number of rows in each commit.
fn in_chunks<K: Key + 'static>(
    database: &Database,
    definition: Definition<K>,
    mut work: impl FnMut(&WriteTransaction, &[Row]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let last = committed(database, |transaction| {
            let (mut rows, mut bytes, mut last) = (Vec::new(), 0, None);
            {
                let table = transaction.open_table(definition)?;
                let begin = match &after {
                    Some(key) => Bound::Excluded(K::from_bytes(key)),
                    None => Bound::Unbounded,
                };
                for row in table.range::<K::SelfType<'_>>((begin, Bound::Unbounded))? {
                    let (key, row) = row?;
                    let key = <K as Value>::as_bytes(&key.value()).as_ref().to_vec();
                    bytes += row.value().len();
                    rows.push((key, row.value().to_vec()));
                    if rows.len() >= ROWS || bytes >= BYTES {
                        last = rows.last().map(|(key, _)| key.clone());
                        break;
                    }
                }
            }
            work(transaction, &rows)?;
            Ok(last)
        })?;
        match last {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
}
