//! All tables of the file in one write transaction.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use redb::{ReadableTable, WriteTransaction};

use super::{
    bodies::{BODIES, BODIES_BY_TIME, BODY_USES},
    counted::CountedTable,
    escalations::{ESCALATIONS, ESCALATIONS_BY_TIME},
    fault::Fault,
    format::{
        AGES, BLOCKS, ENTRIES, EXPIRIES, IDS, IDS_BY_TIME, KEYS, KEYS_BY_TIME, KNOWN, KnownKind, KnownRow, LOGS, META,
        NumbersRow, OPEN_SESSIONS, OUTBOX, PENDING, Pair, SUBSCRIPTION_ENDS, SUBSCRIPTIONS, Triple, USERS,
    },
    webhooks::{ATTEMPTS, DEAD, DEAD_IDS, WAITING, WEBHOOKS},
    writer::Shared,
};
use crate::{Epoch, WebhookFilter, damage::Damage, outbox_bound::OutboxBound, space::SpaceGate};

type Bytes = &'static [u8];
type Text = &'static str;

/// How many bytes of the file one byte of a new entry may use. Pages are not full, and the pages above them in the tree are
/// written again.
const WRITTEN_BYTES: u64 = 2;

/// The tables, opened once for a whole batch.
pub(super) struct Tables<'t> {
    pub(super) meta: CountedTable<'t, Text, Bytes>,
    pub(super) logs: CountedTable<'t, Text, Bytes>,
    pub(super) entries: CountedTable<'t, Pair, Bytes>,
    pub(super) keys: CountedTable<'t, Bytes, Bytes>,
    pub(super) keys_by_time: CountedTable<'t, Triple, Bytes>,
    pub(super) ages: CountedTable<'t, Pair, Text>,
    pub(super) users: CountedTable<'t, Text, Bytes>,
    pub(super) pending: CountedTable<'t, Pair, Bytes>,
    pub(super) bodies: CountedTable<'t, u64, Bytes>,
    pub(super) body_uses: CountedTable<'t, u64, Bytes>,
    pub(super) bodies_by_time: CountedTable<'t, Pair, Bytes>,
    pub(super) ids: CountedTable<'t, Bytes, Bytes>,
    pub(super) ids_by_time: CountedTable<'t, Triple, Bytes>,
    pub(super) expiries: CountedTable<'t, Triple, Text>,
    pub(super) escalations: CountedTable<'t, Pair, Bytes>,
    pub(super) escalations_by_time: CountedTable<'t, Triple, Text>,
    pub(super) outbox: CountedTable<'t, u64, Bytes>,
    pub(super) open_sessions: CountedTable<'t, Text, Bytes>,
    pub(super) blocks: CountedTable<'t, Text, Bytes>,
    pub(super) subscriptions: CountedTable<'t, Text, Bytes>,
    pub(super) subscription_ends: CountedTable<'t, (u64, Text), ()>,
    pub(super) known: CountedTable<'t, u64, Bytes>,
    /// Where damage is recorded.
    pub(super) damage: &'t Damage,
    /// The file's epoch.
    pub(super) epoch: Epoch,
    /// The idempotency window.
    pub(super) window: Duration,
    pub(super) webhooks: CountedTable<'t, Text, Bytes>,
    pub(super) webhook_waiting: CountedTable<'t, (Text, u64), Bytes>,
    pub(super) webhook_attempts: CountedTable<'t, (Text, u64), u32>,
    pub(super) webhook_dead: CountedTable<'t, (Text, u64), Bytes>,
    pub(super) webhook_dead_ids: CountedTable<'t, (Text, Text), u64>,
    /// The node that writes events.
    pub(super) node: Arc<str>,
    /// The limit of the outbox. `None` without a broker.
    pub(super) outbox_bound: Option<&'t OutboxBound>,
    /// The webhooks for which events are written.
    pub(super) webhook_filters: Arc<[WebhookFilter]>,
    /// Whether an event for a webhook was added.
    pub(super) webhook_events_added: bool,
    /// The sequence of the last event in the outbox.
    pub(super) outbox_last: u64,
    /// Whether anything was written, so that the transaction has to be committed.
    pub(super) changed: bool,
    /// Decides whether there is space for new entries.
    space: &'t SpaceGate,
    growth: Rc<Cell<i64>>,
}

impl<'t> Tables<'t> {
    /// Opens all tables.
    pub(super) fn open(transaction: &'t WriteTransaction, shared: &'t Shared) -> Result<Self, Fault> {
        let growth = Rc::default();
        Ok(Self {
            meta: CountedTable::new(transaction.open_table(META)?, &growth),
            logs: CountedTable::new(transaction.open_table(LOGS)?, &growth),
            entries: CountedTable::new(transaction.open_table(ENTRIES)?, &growth),
            keys: CountedTable::new(transaction.open_table(KEYS)?, &growth),
            keys_by_time: CountedTable::new(transaction.open_table(KEYS_BY_TIME)?, &growth),
            ages: CountedTable::new(transaction.open_table(AGES)?, &growth),
            users: CountedTable::new(transaction.open_table(USERS)?, &growth),
            pending: CountedTable::new(transaction.open_table(PENDING)?, &growth),
            bodies: CountedTable::new(transaction.open_table(BODIES)?, &growth),
            body_uses: CountedTable::new(transaction.open_table(BODY_USES)?, &growth),
            bodies_by_time: CountedTable::new(transaction.open_table(BODIES_BY_TIME)?, &growth),
            ids: CountedTable::new(transaction.open_table(IDS)?, &growth),
            ids_by_time: CountedTable::new(transaction.open_table(IDS_BY_TIME)?, &growth),
            expiries: CountedTable::new(transaction.open_table(EXPIRIES)?, &growth),
            escalations: CountedTable::new(transaction.open_table(ESCALATIONS)?, &growth),
            escalations_by_time: CountedTable::new(transaction.open_table(ESCALATIONS_BY_TIME)?, &growth),
            outbox: CountedTable::new(transaction.open_table(OUTBOX)?, &growth),
            open_sessions: CountedTable::new(transaction.open_table(OPEN_SESSIONS)?, &growth),
            blocks: CountedTable::new(transaction.open_table(BLOCKS)?, &growth),
            subscriptions: CountedTable::new(transaction.open_table(SUBSCRIPTIONS)?, &growth),
            subscription_ends: CountedTable::new(transaction.open_table(SUBSCRIPTION_ENDS)?, &growth),
            known: CountedTable::new(transaction.open_table(KNOWN)?, &growth),
            damage: &shared.damage,
            epoch: shared.epoch.clone(),
            window: shared.window,
            webhooks: CountedTable::new(transaction.open_table(WEBHOOKS)?, &growth),
            webhook_waiting: CountedTable::new(transaction.open_table(WAITING)?, &growth),
            webhook_attempts: CountedTable::new(transaction.open_table(ATTEMPTS)?, &growth),
            webhook_dead: CountedTable::new(transaction.open_table(DEAD)?, &growth),
            webhook_dead_ids: CountedTable::new(transaction.open_table(DEAD_IDS)?, &growth),
            node: shared.node.clone(),
            outbox_bound: shared.outbox.as_ref(),
            webhook_filters: shared.webhook_filters.read().clone(),
            webhook_events_added: false,
            outbox_last: shared.outbox_last.load(Ordering::Relaxed),
            changed: false,
            space: &shared.space,
            growth,
        })
    }

    /// Reserves space for a new entry. Call it before the entry changes anything.
    ///
    /// # Errors
    /// [`Fault::NoSpace`] if new entries are refused.
    pub(super) fn reserve(&self, bytes: usize) -> Result<(), Fault> {
        self.space.reserve(bytes as u64 * WRITTEN_BYTES).map_err(Fault::NoSpace)
    }

    /// Returns the growth of all rows in this transaction, in bytes.
    pub(super) fn growth(&self) -> i64 {
        self.growth.get()
    }

    /// Assigns a number to a new log or user, and records its name.
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

    /// Marks the number of a body from another store as used.
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

/// Creates the tables that do not exist yet, so that readers can open them.
pub(super) fn create(transaction: &WriteTransaction) -> Result<(), Fault> {
    for table in [ENTRIES, PENDING, BODIES_BY_TIME, ESCALATIONS] {
        transaction.open_table(table)?;
    }
    for table in [LOGS, USERS, OPEN_SESSIONS, BLOCKS, SUBSCRIPTIONS] {
        transaction.open_table(table)?;
    }
    for table in [KEYS, IDS] {
        transaction.open_table(table)?;
    }
    for table in [KEYS_BY_TIME, IDS_BY_TIME] {
        transaction.open_table(table)?;
    }
    transaction.open_table(AGES)?;
    for table in [EXPIRIES, ESCALATIONS_BY_TIME] {
        transaction.open_table(table)?;
    }
    transaction.open_table(SUBSCRIPTION_ENDS)?;
    for table in [OUTBOX, KNOWN, BODIES, BODY_USES] {
        transaction.open_table(table)?;
    }
    transaction.open_table(WEBHOOKS)?;
    for table in [WAITING, DEAD] {
        transaction.open_table(table)?;
    }
    transaction.open_table(ATTEMPTS)?;
    transaction.open_table(DEAD_IDS)?;
    Ok(())
}
