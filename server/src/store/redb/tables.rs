//! All tables of the file within one write transaction.

use std::{sync::atomic::Ordering, time::Duration};

use redb::{ReadableTable, Table, WriteTransaction};

use super::{
    bodies::{BODIES, BODIES_BY_TIME, BODY_USES},
    fault::Fault,
    format::{
        AGES, BLOCKS, ENTRIES, EXPIRIES, IDS, IDS_BY_TIME, KEYS, KEYS_BY_TIME, KNOWN, KnownKind, KnownRow, LOGS, META,
        NumbersRow, OPEN_SESSIONS, OUTBOX, PENDING, Pair, Triple, USERS,
    },
    writer::{OutboxOptions, Shared},
};
use crate::store::{Epoch, damage::Damage};

type Bytes = &'static [u8];
type Text = &'static str;

/// The tables, opened once for a whole batch.
pub(super) struct Tables<'t> {
    pub(super) meta: Table<'t, Text, Bytes>,
    pub(super) logs: Table<'t, Text, Bytes>,
    pub(super) entries: Table<'t, Pair, Bytes>,
    pub(super) keys: Table<'t, Bytes, Bytes>,
    pub(super) keys_by_time: Table<'t, Triple, Bytes>,
    pub(super) ages: Table<'t, Pair, Text>,
    pub(super) users: Table<'t, Text, Bytes>,
    pub(super) pending: Table<'t, Pair, Bytes>,
    pub(super) bodies: Table<'t, u64, Bytes>,
    pub(super) body_uses: Table<'t, u64, Bytes>,
    pub(super) bodies_by_time: Table<'t, Pair, Bytes>,
    pub(super) ids: Table<'t, Bytes, Bytes>,
    pub(super) ids_by_time: Table<'t, Triple, Bytes>,
    pub(super) expiries: Table<'t, Triple, Text>,
    pub(super) outbox: Table<'t, u64, Bytes>,
    pub(super) open_sessions: Table<'t, Text, Bytes>,
    pub(super) blocks: Table<'t, Text, Bytes>,
    pub(super) known: Table<'t, u64, Bytes>,
    /// Where damage is noted.
    pub(super) damage: &'t Damage,
    /// The file's epoch.
    pub(super) epoch: Epoch,
    /// How long repeats are recognised.
    pub(super) window: Duration,
    /// Where events go; none when nobody would read them.
    pub(super) outbox_options: Option<&'t OutboxOptions>,
    /// The last event's sequence.
    pub(super) outbox_last: u64,
    /// Whether anything was written, so that there is something to commit.
    pub(super) changed: bool,
}

impl<'t> Tables<'t> {
    /// Opens them.
    pub(super) fn open(transaction: &'t WriteTransaction, shared: &'t Shared) -> Result<Self, Fault> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            logs: transaction.open_table(LOGS)?,
            entries: transaction.open_table(ENTRIES)?,
            keys: transaction.open_table(KEYS)?,
            keys_by_time: transaction.open_table(KEYS_BY_TIME)?,
            ages: transaction.open_table(AGES)?,
            users: transaction.open_table(USERS)?,
            pending: transaction.open_table(PENDING)?,
            bodies: transaction.open_table(BODIES)?,
            body_uses: transaction.open_table(BODY_USES)?,
            bodies_by_time: transaction.open_table(BODIES_BY_TIME)?,
            ids: transaction.open_table(IDS)?,
            ids_by_time: transaction.open_table(IDS_BY_TIME)?,
            expiries: transaction.open_table(EXPIRIES)?,
            outbox: transaction.open_table(OUTBOX)?,
            open_sessions: transaction.open_table(OPEN_SESSIONS)?,
            blocks: transaction.open_table(BLOCKS)?,
            known: transaction.open_table(KNOWN)?,
            damage: &shared.damage,
            epoch: shared.epoch.clone(),
            window: shared.window,
            outbox_options: shared.outbox.as_ref(),
            outbox_last: shared.outbox_last.load(Ordering::Relaxed),
            changed: false,
        })
    }

    /// Gives a new log or user its number, unless there was one with this name whose row was lost.
    pub(super) fn new_number(&mut self, kind: KnownKind, name: &str) -> Result<u64, Fault> {
        let next = self.numbers()?;
        let (number, next) = match kind {
            KnownKind::Log => (next.log, NumbersRow { log: next.log + 1, ..next }),
            KnownKind::User => (next.user, NumbersRow { user: next.user + 1, ..next }),
        };
        self.meta.insert(NumbersRow::NAME, next.encode().as_slice())?;
        let row = KnownRow { kind, name, number };
        self.known.insert(row.key(), row.encode().as_slice())?;
        Ok(number)
    }

    /// Returns a number for a new body.
    pub(super) fn new_body_number(&mut self) -> Result<u64, Fault> {
        let next = self.numbers()?;
        self.keep_body_numbers_above(next, next.body)?;
        Ok(next.body)
    }

    /// Takes a body of another store under the number that it has there.
    pub(super) fn take_body_number(&mut self, number: u64) -> Result<(), Fault> {
        let next = self.numbers()?;
        self.keep_body_numbers_above(next, number)
    }

    fn keep_body_numbers_above(&mut self, next: NumbersRow, number: u64) -> Result<(), Fault> {
        let next = NumbersRow { body: next.body.max(number.saturating_add(1)), ..next };
        self.meta.insert(NumbersRow::NAME, next.encode().as_slice())?;
        Ok(())
    }

    fn numbers(&self) -> Result<NumbersRow, Fault> {
        NumbersRow::decode(self.meta.get(NumbersRow::NAME)?.ok_or(Fault::Damaged)?.value())
    }
}

/// Makes the tables that are not there, so that readers find them.
pub(super) fn make(transaction: &WriteTransaction) -> Result<(), Fault> {
    for table in [ENTRIES, PENDING, BODIES_BY_TIME] {
        transaction.open_table(table)?;
    }
    for table in [LOGS, USERS, OPEN_SESSIONS, BLOCKS] {
        transaction.open_table(table)?;
    }
    for table in [KEYS, IDS] {
        transaction.open_table(table)?;
    }
    for table in [KEYS_BY_TIME, IDS_BY_TIME] {
        transaction.open_table(table)?;
    }
    transaction.open_table(AGES)?;
    transaction.open_table(EXPIRIES)?;
    for table in [OUTBOX, KNOWN, BODIES, BODY_USES] {
        transaction.open_table(table)?;
    }
    Ok(())
}
