//! The waiting events and dead letters of webhooks in the file. Events are written in the same batch as the changes that
//! they report.

mod rows;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use realtime_gateway_protocol::Timestamp;
use redb::{ReadTransaction, ReadableTable, TableError};

use self::rows::CountsRow;
pub(super) use self::rows::{ATTEMPTS, DEAD, DEAD_IDS, DeadRow, WAITING, WEBHOOKS, WaitingRow};
use super::{RedbStore, fault::Fault, operation::Request, tables::Tables};
use crate::{
    Attempts, DeadEvent, Death, Event, EventDetail, OutboxEntry, PageLimit, Settled, Settlement, StoreError,
    WaitingEvent, WebhookFilter, WebhookName, WebhookStatus, Webhooks, damage::Damage, page::PageBudget, wait::Wait,
};

/// Writes an event for each webhook that takes it.
pub(super) fn write(tables: &mut Tables<'_>, event: &Event, detail: &EventDetail) -> Result<(), Fault> {
    let filters = tables.webhook_filters.clone();
    for filter in filters.iter().filter(|filter| filter.takes(event)) {
        let (node, since) = (tables.node.clone(), event.at);
        let entry = OutboxEntry { sequence: 0, node, event: event.clone(), detail: detail.clone() };
        enqueue(tables, &filter.webhook, &WaitingEvent { entry, since, attempts: 0 })?;
    }
    Ok(())
}

/// Adds an event to those that wait.
pub(super) fn enqueue(tables: &mut Tables<'_>, webhook: &WebhookName, event: &WaitingEvent) -> Result<(), Fault> {
    let mut counts = counts(tables, webhook)?;
    counts.last += 1;
    counts.waiting += 1;
    let key = (webhook.as_str(), counts.last);
    tables.webhook_waiting.insert(key, rows::encode_waiting(key, event).as_slice())?;
    if event.attempts > 0 {
        tables.webhook_attempts.insert(key, event.attempts)?;
    }
    tables.webhook_events_added = true;
    keep(tables, webhook, &counts)
}

/// Adds a dead letter. It replaces one with the same id.
pub(super) fn bury(tables: &mut Tables<'_>, webhook: &WebhookName, dead: &DeadEvent) -> Result<(), Fault> {
    take_dead(tables, webhook, &dead.entry.event.id)?;
    let mut counts = counts(tables, webhook)?;
    counts.last += 1;
    counts.dead += 1;
    let key = (webhook.as_str(), counts.last);
    tables.webhook_dead.insert(key, rows::encode_dead(key, dead).as_slice())?;
    tables.webhook_dead_ids.insert((webhook.as_str(), &*dead.entry.event.id), counts.last)?;
    keep(tables, webhook, &counts)
}

fn counts(tables: &Tables<'_>, webhook: &WebhookName) -> Result<CountsRow, Fault> {
    let found = match tables.webhooks.get(webhook.as_str())? {
        Some(row) => CountsRow::decode(webhook.as_str(), row.value()),
        None => return Ok(CountsRow::default()),
    };
    // Clients must not be refused because this row is damaged.
    found.or_else(|_| {
        tables.damage.record("webhook", &webhook.as_str(), 1);
        recount(tables, webhook)
    })
}

/// Counts the events of a webhook again.
fn recount(tables: &Tables<'_>, webhook: &WebhookName) -> Result<CountsRow, Fault> {
    let all = (webhook.as_str(), 0)..=(webhook.as_str(), u64::MAX);
    let mut counts = CountsRow::default();
    for row in tables.webhook_waiting.range(all.clone())? {
        counts.last = counts.last.max(row?.0.value().1);
        counts.waiting += 1;
    }
    for row in tables.webhook_dead.range(all)? {
        counts.last = counts.last.max(row?.0.value().1);
        counts.dead += 1;
    }
    Ok(counts)
}

fn keep(tables: &mut Tables<'_>, webhook: &WebhookName, counts: &CountsRow) -> Result<(), Fault> {
    tables.changed = true;
    tables.webhooks.insert(webhook.as_str(), counts.encode(webhook.as_str()).as_slice())?;
    Ok(())
}

/// Removes a waiting event. Returns `None` if it does not wait any more, or cannot be read.
fn take_waiting(tables: &mut Tables<'_>, webhook: &WebhookName, sequence: u64) -> Result<Option<WaitingEvent>, Fault> {
    let key = (webhook.as_str(), sequence);
    let Some(event) = tables.webhook_waiting.remove(key)?.map(|row| WaitingRow::decode(key, row.value())) else {
        return Ok(None);
    };
    tables.webhook_attempts.remove(key)?;
    let mut counts = counts(tables, webhook)?;
    counts.waiting = counts.waiting.saturating_sub(1);
    keep(tables, webhook, &counts)?;
    Ok(event.map_err(|_| tables.damage.record("event", &sequence, 1)).ok())
}

/// Removes a dead letter. Returns `None` if there is none with this id, or if it cannot be read.
fn take_dead(tables: &mut Tables<'_>, webhook: &WebhookName, id: &str) -> Result<Option<DeadEvent>, Fault> {
    let Some(sequence) = tables.webhook_dead_ids.remove((webhook.as_str(), id))?.map(|row| row.value()) else {
        return Ok(None);
    };
    remove_dead_row(tables, webhook, sequence)
}

fn remove_dead_row(tables: &mut Tables<'_>, webhook: &WebhookName, sequence: u64) -> Result<Option<DeadEvent>, Fault> {
    let key = (webhook.as_str(), sequence);
    let Some(dead) = tables.webhook_dead.remove(key)?.map(|row| DeadRow::decode(key, row.value())) else {
        return Ok(None);
    };
    let mut counts = counts(tables, webhook)?;
    counts.dead = counts.dead.saturating_sub(1);
    keep(tables, webhook, &counts)?;
    Ok(dead.map_err(|_| tables.damage.record("dead letter", &sequence, 1)).ok())
}

/// A request to settle waiting events.
struct Settle {
    webhook: WebhookName,
    settlement: Settlement,
}

impl Request for Settle {
    type Answer = Settled;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<Settled, Fault> {
        let Self { webhook, settlement } = self;
        for sequence in &settlement.taken {
            take_waiting(tables, webhook, *sequence)?;
        }
        for Death { sequence, reason, attempts } in &settlement.dead {
            if let Some(WaitingEvent { entry, .. }) = take_waiting(tables, webhook, *sequence)? {
                let dead = DeadEvent { entry, reason: *reason, attempts: *attempts, failed_at: settlement.at };
                bury(tables, webhook, &dead)?;
            }
        }
        let mut deleted = 0;
        let mut excess = counts(tables, webhook)?.dead.saturating_sub(settlement.max_dead);
        while excess > 0 {
            let from = (webhook.as_str(), 0);
            let oldest = tables.webhook_dead.range(from..=(webhook.as_str(), u64::MAX))?.next();
            let Some(sequence) = oldest.transpose()?.map(|(key, _)| key.value().1) else { break };
            if let Some(dead) = remove_dead_row(tables, webhook, sequence)? {
                tables.webhook_dead_ids.remove((webhook.as_str(), &*dead.entry.event.id))?;
            }
            excess -= 1;
            deleted += 1;
        }
        Ok(Settled { deleted })
    }

    fn bytes(&self) -> usize {
        128 + 8 * self.settlement.taken.len() + 24 * self.settlement.dead.len()
    }

    fn rows(&self) -> usize {
        1 + self.settlement.taken.len() + self.settlement.dead.len()
    }
}

/// A request to remember how often waiting events were sent.
struct KeepAttempts {
    webhook: WebhookName,
    attempts: Vec<Attempts>,
}

impl Request for KeepAttempts {
    type Answer = ();

    fn apply(&self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        for Attempts { sequence, attempts } in &self.attempts {
            let key = (self.webhook.as_str(), *sequence);
            if tables.webhook_waiting.get(key)?.is_some() {
                tables.changed = true;
                tables.webhook_attempts.insert(key, *attempts)?;
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        128 + 16 * self.attempts.len()
    }

    fn rows(&self) -> usize {
        1 + self.attempts.len()
    }

    fn is_maintenance(&self) -> bool {
        true
    }
}

/// A request to delete dead letters, or to make them waiting events again since a time.
struct TakeDead {
    webhook: WebhookName,
    ids: Vec<Arc<str>>,
    replayed_at: Option<Timestamp>,
}

impl Request for TakeDead {
    type Answer = u64;

    fn apply(&self, tables: &mut Tables<'_>) -> Result<u64, Fault> {
        let mut count = 0;
        for id in &self.ids {
            let Some(dead) = take_dead(tables, &self.webhook, id)? else { continue };
            count += 1;
            if let Some(since) = self.replayed_at {
                enqueue(tables, &self.webhook, &WaitingEvent { entry: dead.entry, since, attempts: 0 })?;
            }
        }
        Ok(count)
    }

    fn bytes(&self) -> usize {
        128 + 64 * self.ids.len()
    }

    fn rows(&self) -> usize {
        1 + self.ids.len()
    }
}

/// Returns the result of reading a table that a file of an earlier version does not have yet.
fn if_exists<T>(table: Result<T, TableError>) -> Result<Option<T>, Fault> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns the oldest waiting events after a sequence. Rows that cannot be read are skipped and recorded as damage.
pub(super) fn read_waiting(
    transaction: &ReadTransaction,
    damage: &Damage,
    (webhook, after): (&WebhookName, u64),
    limit: PageLimit,
) -> Result<Vec<WaitingEvent>, Fault> {
    let Some(table) = if_exists(transaction.open_table(WAITING))? else { return Ok(Vec::new()) };
    let counted = if_exists(transaction.open_table(ATTEMPTS))?;
    let (mut budget, mut events) = (PageBudget::new(limit), Vec::new());
    let first = (webhook.as_str(), after.saturating_add(1));
    for row in table.range(first..=(webhook.as_str(), u64::MAX))? {
        let (key, row) = row?;
        match WaitingRow::decode(key.value(), row.value()) {
            Ok(mut event) if budget.take(event.entry.event.body.len()) => {
                if let Some(counted) = &counted {
                    event.attempts = counted.get(key.value())?.map_or(0, |attempts| attempts.value());
                }
                events.push(event);
            }
            Ok(_) => break,
            Err(_) => damage.record("event", &key.value().1, 1),
        }
    }
    Ok(events)
}

/// Returns the oldest dead letters after a sequence. Rows that cannot be read are skipped and recorded as damage.
pub(super) fn read_dead(
    transaction: &ReadTransaction,
    damage: &Damage,
    (webhook, after): (&WebhookName, u64),
    limit: PageLimit,
) -> Result<Vec<DeadEvent>, Fault> {
    let Some(table) = if_exists(transaction.open_table(DEAD))? else { return Ok(Vec::new()) };
    let (mut budget, mut dead) = (PageBudget::new(limit), Vec::new());
    let first = (webhook.as_str(), after.saturating_add(1));
    for row in table.range(first..=(webhook.as_str(), u64::MAX))? {
        let (key, row) = row?;
        match DeadRow::decode(key.value(), row.value()) {
            Ok(letter) if budget.take(letter.entry.event.body.len()) => dead.push(letter),
            Ok(_) => break,
            Err(_) => damage.record("dead letter", &key.value().1, 1),
        }
    }
    Ok(dead)
}

/// Returns the webhooks that the file has events of.
pub(super) fn names(transaction: &ReadTransaction) -> Result<Vec<WebhookName>, Fault> {
    let Some(table) = if_exists(transaction.open_table(WEBHOOKS))? else { return Ok(Vec::new()) };
    let name = |name: &str| WebhookName::new(name).ok_or(Fault::Damaged);
    table.iter()?.map(|row| name(row?.0.value())).collect()
}

#[async_trait]
impl Webhooks for RedbStore {
    fn set_webhooks(&self, webhooks: Arc<[WebhookFilter]>) {
        *self.shared.webhook_filters.write() = webhooks;
    }

    async fn lease_webhook(&self, _webhook: &WebhookName, _ttl: Duration) -> Result<bool, StoreError> {
        self.while_open(|_| true)
    }

    async fn read_webhook(
        &self,
        webhook: &WebhookName,
        limit: PageLimit,
        wait: Duration,
    ) -> Result<Vec<WaitingEvent>, StoreError> {
        let mut wait = Wait::begin(self.shared.reported.subscribe(), wait);
        loop {
            let (shared, webhook) = (self.shared.clone(), webhook.clone());
            let read =
                move |transaction: &ReadTransaction| read_waiting(transaction, &shared.damage, (&webhook, 0), limit);
            let found = self.read_file(read).await?;
            if !found.is_empty() || !wait.again().await {
                return Ok(found);
            }
        }
    }

    async fn keep_attempts(&self, webhook: &WebhookName, attempts: &[Attempts]) -> Result<(), StoreError> {
        self.submit(KeepAttempts { webhook: webhook.clone(), attempts: attempts.to_vec() }).await
    }

    async fn settle_webhook(&self, webhook: &WebhookName, settlement: Settlement) -> Result<Settled, StoreError> {
        self.submit(Settle { webhook: webhook.clone(), settlement }).await
    }

    async fn webhook_status(&self, webhook: &WebhookName) -> Result<WebhookStatus, StoreError> {
        let webhook = webhook.clone();
        self.read_file(move |transaction| {
            let Some(table) = if_exists(transaction.open_table(WEBHOOKS))? else {
                return Ok(WebhookStatus::default());
            };
            let Some(row) = table.get(webhook.as_str())? else { return Ok(WebhookStatus::default()) };
            let counts = CountsRow::decode(webhook.as_str(), row.value())?;
            Ok(WebhookStatus { waiting: counts.waiting, dead: counts.dead })
        })
        .await
    }

    async fn read_dead(
        &self,
        webhook: &WebhookName,
        after: Option<Arc<str>>,
        limit: PageLimit,
    ) -> Result<Option<Vec<DeadEvent>>, StoreError> {
        let (shared, webhook) = (self.shared.clone(), webhook.clone());
        self.read_file(move |transaction| {
            let position = match &after {
                None => 0,
                Some(id) => {
                    let Some(table) = if_exists(transaction.open_table(DEAD_IDS))? else { return Ok(None) };
                    let Some(row) = table.get((webhook.as_str(), &**id))? else { return Ok(None) };
                    row.value()
                }
            };
            read_dead(transaction, &shared.damage, (&webhook, position), limit).map(Some)
        })
        .await
    }

    async fn remove_dead(&self, webhook: &WebhookName, ids: &[Arc<str>]) -> Result<u64, StoreError> {
        self.submit(TakeDead { webhook: webhook.clone(), ids: ids.to_vec(), replayed_at: None }).await
    }

    async fn replay_dead(&self, webhook: &WebhookName, ids: &[Arc<str>], at: Timestamp) -> Result<u64, StoreError> {
        self.submit(TakeDead { webhook: webhook.clone(), ids: ids.to_vec(), replayed_at: Some(at) }).await
    }
}
