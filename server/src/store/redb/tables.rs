//! All tables of the file within one write transaction.

use std::time::Duration;

use redb::{Table, WriteTransaction};

use super::{
    fault::Fault,
    format::{AGES, ENTRIES, EXPIRIES, IDS, IDS_BY_TIME, KEYS, KEYS_BY_TIME, LOGS, PENDING, Pair, Triple, USERS},
};
use crate::store::Epoch;

type Bytes = &'static [u8];
type Text = &'static str;

/// The tables, opened once for a whole batch.
pub(super) struct Tables<'t> {
    pub(super) logs: Table<'t, Text, Bytes>,
    pub(super) entries: Table<'t, Pair, Bytes>,
    pub(super) keys: Table<'t, Bytes, Bytes>,
    pub(super) keys_by_time: Table<'t, Triple, Bytes>,
    pub(super) ages: Table<'t, Pair, Text>,
    pub(super) users: Table<'t, Text, Bytes>,
    pub(super) pending: Table<'t, Pair, Bytes>,
    pub(super) ids: Table<'t, Bytes, Bytes>,
    pub(super) ids_by_time: Table<'t, Triple, Bytes>,
    pub(super) expiries: Table<'t, Triple, Text>,
    /// The file's epoch.
    pub(super) epoch: Epoch,
    /// How long repeats are recognised.
    pub(super) window: Duration,
    /// Whether anything was written, so that there is something to commit.
    pub(super) changed: bool,
}

impl<'t> Tables<'t> {
    /// Opens them, and makes those that are not there.
    pub(super) fn open(transaction: &'t WriteTransaction, epoch: Epoch, window: Duration) -> Result<Self, Fault> {
        Ok(Self {
            logs: transaction.open_table(LOGS)?,
            entries: transaction.open_table(ENTRIES)?,
            keys: transaction.open_table(KEYS)?,
            keys_by_time: transaction.open_table(KEYS_BY_TIME)?,
            ages: transaction.open_table(AGES)?,
            users: transaction.open_table(USERS)?,
            pending: transaction.open_table(PENDING)?,
            ids: transaction.open_table(IDS)?,
            ids_by_time: transaction.open_table(IDS_BY_TIME)?,
            expiries: transaction.open_table(EXPIRIES)?,
            epoch,
            window,
            changed: false,
        })
    }
}
