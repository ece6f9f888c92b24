//! Copies a data file page by page, and fills a new file with the pages of another store.

use std::collections::HashSet;

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{NotificationId, StoredId, UserId, topic::Topic};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::{
    RedbStore, blocks,
    bodies::{self, BODIES, BodyRow},
    escalations,
    fault::Fault,
    format::{
        ENTRIES, EPOCH, EntryRow, IDS, IdRow, KEYS, KeyRow, KnownKind, LOGS, LogRow, OUTBOX, PENDING, PendingRow,
        RowBody, USERS, UserRow, encode_epoch, id_of, key_of, text, time,
    },
    log, migrations,
    operation::Request,
    outbox, server_subscriptions,
    tables::Tables,
    webhooks,
};
use crate::{
    Entry, IdempotencyKey, LogBounds, PageLimit, StoreError, WebhookName,
    clock::after,
    copy::{Copied, Item, Pages, PendingBody},
    damage::Damage,
};

/// The number of events that are read together.
const EVENTS: usize = 256;
/// The size of the pages in which events of webhooks are read.
const WEBHOOK_PAGE: PageLimit = PageLimit { entries: EVENTS, bytes: 1024 * 1024 };

#[async_trait]
impl Copied for RedbStore {
    async fn is_empty(&self) -> Result<bool, StoreError> {
        self.read_file(|transaction| {
            let (logs, users) = (transaction.open_table(LOGS)?, transaction.open_table(USERS)?);
            let holds_nothing = logs.is_empty()? && users.is_empty()? && blocks::read_all(transaction)?.is_empty();
            let holds_nothing = holds_nothing && server_subscriptions::read_all(transaction)?.is_empty();
            let no_events = transaction.open_table(OUTBOX)?.is_empty()? && webhooks::names(transaction)?.is_empty();
            Ok(holds_nothing && no_events)
        })
        .await
    }

    async fn dump(&self, mut pages: Pages) {
        let shared = self.shared.clone();
        let dumping = tokio::task::spawn_blocking(move || {
            // One read transaction, which is a consistent snapshot even if writes continue.
            let (result, _) = shared.file.read_once(|transaction| dump(transaction, &shared.damage, &mut pages));
            (pages, result.map_err(StoreError::from))
        });
        // An error means that the runtime is shutting down.
        if let Ok((pages, result)) = dumping.await {
            pages.end(result).await;
        }
    }

    async fn load(&self, page: Vec<Item>) -> Result<(), StoreError> {
        self.submit(Load(page)).await
    }
}

fn dump(transaction: &ReadTransaction, damage: &Damage, pages: &mut Pages) -> Result<(), Fault> {
    let entries = transaction.open_table(ENTRIES)?;
    let keys = transaction.open_table(KEYS)?;
    for row in transaction.open_table(LOGS)?.iter()? {
        let (name, row) = row?;
        let (topic, log): (Topic, _) = (parse(name.value())?, LogRow::decode(name.value(), row.value())?);
        let oldest = log::accepted(&entries, &log, log.floor, log.head)?.map(time);
        let bounds = LogBounds { head: log.head, floor: log.floor };
        pages.add_blocking(Item::Log { topic: topic.clone(), bounds, max_age: log.max_age, oldest })?;
        let mut next = log.floor;
        for row in entries.range((log.number, log.floor)..=(log.number, u64::MAX))? {
            let (key, row) = row?;
            let row = EntryRow::decode(key.value(), row.value())?;
            if key.value() != (log.number, next) {
                return Err(Fault::Damaged);
            }
            next += 1;
            let entry = Entry { offset: key.value().1, at: time(row.at), body: Bytes::copy_from_slice(row.body) };
            pages.add_blocking(Item::Entry(topic.clone(), entry))?;
        }
        if next != log.head + 1 {
            return Err(Fault::Damaged);
        }
        for row in keys.range(log.number.to_be_bytes().as_slice()..(log.number + 1).to_be_bytes().as_slice())? {
            let (key, row) = row?;
            let row = KeyRow::decode(key.value(), row.value())?;
            let (key, id) = (key_from(key.value())?, StoredId::from_stored(row.message).map_err(|_| Fault::Damaged)?);
            let (topic, at, offset, content) = (topic.clone(), time(row.at), row.offset, row.content);
            pages.add_blocking(Item::Repeat { topic, key, at, offset, id, content })?;
        }
    }
    dump_users(transaction, pages)?;
    let blocked = blocks::read_all(transaction)?.into_iter();
    blocked.map(|(user, blocks)| Item::Blocked(user, blocks)).try_for_each(|item| pages.add_blocking(item))?;
    let subscribed = server_subscriptions::read_all(transaction)?.into_iter();
    subscribed.map(|(user, list)| Item::Subscribed(user, list)).try_for_each(|item| pages.add_blocking(item))?;
    let mut after = 0;
    loop {
        let events = outbox::read(transaction, damage, after, EVENTS)?;
        let Some(last) = events.last() else { break };
        after = last.sequence;
        events.into_iter().try_for_each(|event| pages.add_blocking(Item::Event(event)))?;
    }
    for webhook in webhooks::names(transaction)? {
        dump_webhook(transaction, &webhook, damage, pages)?;
    }
    Ok(pages.add_blocking(Item::Epoch(migrations::epoch(transaction)?))?)
}

/// Sends the waiting events and dead letters of a webhook.
pub(super) fn dump_webhook(
    transaction: &ReadTransaction,
    webhook: &WebhookName,
    damage: &Damage,
    pages: &mut Pages,
) -> Result<(), Fault> {
    let mut after = 0;
    loop {
        let events = webhooks::read_waiting(transaction, damage, (webhook, after), WEBHOOK_PAGE)?;
        let Some(last) = events.last() else { break };
        after = last.entry.sequence;
        let mut items = events.into_iter().map(|event| Item::Waiting(webhook.clone(), event));
        items.try_for_each(|item| pages.add_blocking(item))?;
    }
    after = 0;
    loop {
        let dead = webhooks::read_dead(transaction, damage, (webhook, after), WEBHOOK_PAGE)?;
        let Some(last) = dead.last() else { return Ok(()) };
        after = last.entry.sequence;
        let mut items = dead.into_iter().map(|letter| Item::Dead(webhook.clone(), letter));
        items.try_for_each(|item| pages.add_blocking(item))?;
    }
}

fn dump_users(transaction: &ReadTransaction, pages: &mut Pages) -> Result<(), Fault> {
    let (pending, ids) = (transaction.open_table(PENDING)?, transaction.open_table(IDS)?);
    let mut bodies = SharedBodies::open(transaction)?;
    for row in transaction.open_table(USERS)?.iter()? {
        let (name, row) = row?;
        let (user, row) = (
            UserId::from_stored(name.value()).map_err(|_| Fault::Damaged)?,
            UserRow::decode(name.value(), row.value())?,
        );
        let number = row.number;
        pages.add_blocking(Item::User { user: user.clone(), head: row.head, soonest: time(row.soonest) })?;
        for row in pending.range((number, 0)..=(number, u64::MAX))? {
            let (key, row) = row?;
            let row = PendingRow::decode(key.value(), row.value())?;
            let id = StoredId::from_stored(row.id).map_err(|_| Fault::Damaged)?;
            let body = match row.body {
                RowBody::Own(body) => PendingBody::Own(Bytes::copy_from_slice(body)),
                RowBody::Shared(number) => bodies.before(pages, number, &id)?,
            };
            let (offset, at, expires) = (key.value().1, time(row.at), time(row.expires));
            pages.add_blocking(Item::Pending { user: user.clone(), offset, id, at, expires, body })?;
        }
        for escalation in escalations::read_each(transaction, &user, number)? {
            pages.add_blocking(escalation?)?;
        }
        for row in ids.range(number.to_be_bytes().as_slice()..(number + 1).to_be_bytes().as_slice())? {
            let (id, row) = row?;
            let row = IdRow::decode(id.value(), row.value())?;
            let id = text(id.value().get(8..).unwrap_or_default())?;
            let id = StoredId::from_stored(id).map_err(|_| Fault::Damaged)?;
            let (user, offset, at, content) = (user.clone(), row.offset, time(row.at), row.content);
            pages.add_blocking(Item::Notified { user, id, offset, at, content })?;
        }
    }
    Ok(())
}

/// Sends each shared body of a broadcast once, before the first notification that refers to it.
pub(super) struct SharedBodies {
    table: ReadOnlyTable<u64, &'static [u8]>,
    sent: HashSet<u64>,
}

impl SharedBodies {
    pub(super) fn open(transaction: &ReadTransaction) -> Result<Self, Fault> {
        Ok(Self { table: transaction.open_table(BODIES)?, sent: HashSet::new() })
    }

    /// Sends a body unless it was sent before. Returns the reference for the notification.
    pub(super) fn before(&mut self, pages: &mut Pages, number: u64, id: &NotificationId) -> Result<PendingBody, Fault> {
        if self.sent.insert(number) {
            let row = self.table.get(number)?.ok_or(Fault::Damaged)?;
            let row = BodyRow::decode(number, row.value())?;
            if row.id != id.as_str() {
                return Err(Fault::Damaged);
            }
            let (expires, body) = (time(row.expires), Bytes::copy_from_slice(row.body));
            pages.add_blocking(Item::Body { number, id: id.clone(), expires, body })?;
        }
        Ok(PendingBody::Shared(number))
    }
}

/// Decodes a key that [`key_of`] has encoded.
pub(super) fn key_from(bytes: &[u8]) -> Result<IdempotencyKey, Fault> {
    let (length, rest) = bytes.get(8..).and_then(<[u8]>::split_first).ok_or(Fault::Damaged)?;
    let (sender, id) = rest.split_at_checked(usize::from(*length)).ok_or(Fault::Damaged)?;
    IdempotencyKey::from_stored(text(sender)?, text(id)?).map_err(|_| Fault::Damaged)
}

fn parse(topic: &str) -> Result<Topic, Fault> {
    topic.parse().map_err(|_| Fault::Damaged)
}

/// A request to write a page of another store.
struct Load(Vec<Item>);

impl Request for Load {
    type Answer = ();

    fn apply(&self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        tables.changed = true;
        self.0.iter().try_for_each(|item| load(tables, item))
    }

    fn bytes(&self) -> usize {
        // The sender bounds the size of a page, and no other requests are queued during a copy.
        1_024
    }
}

fn load(tables: &mut Tables<'_>, item: &Item) -> Result<(), Fault> {
    match item {
        Item::Log { topic, bounds, max_age, oldest } => {
            let topic = topic.to_string();
            let number = tables.new_number(KnownKind::Log, &topic)?;
            let due = oldest.map_or(0, |at| after(at, std::time::Duration::from_millis(*max_age)).millis());
            let row =
                LogRow { number, head: bounds.head, floor: bounds.floor, first: bounds.floor, max_age: *max_age, due };
            tables.logs.insert(topic.as_str(), row.encode(&topic).as_slice())?;
            if due != 0 {
                tables.ages.insert((due, number), topic.as_str())?;
            }
        }
        Item::Entry(topic, entry) => {
            let key = (log_number(tables, topic)?, entry.offset);
            let row = EntryRow { at: entry.at.millis(), body: &entry.body }.encode(key);
            tables.entries.insert(key, row.as_slice())?;
        }
        Item::Repeat { topic, key, at, offset, id, content } => {
            let number = log_number(tables, topic)?;
            let key = key_of(number, key);
            let row = KeyRow { at: at.millis(), offset: *offset, content: *content, message: id.as_str() };
            let row = row.encode(&key);
            tables.keys.insert(key.as_slice(), row.as_slice())?;
            tables.keys_by_time.insert((at.millis(), number, *offset), key.as_slice())?;
        }
        Item::User { user, head, soonest } => {
            let number = tables.new_number(KnownKind::User, user.as_str())?;
            let row = UserRow { number, head: *head, count: 0, soonest: soonest.millis() };
            tables.users.insert(user.as_str(), row.encode(user.as_str()).as_slice())?;
        }
        Item::Pending { user, offset, id, at, expires, body } => {
            let mut row = user_row(tables, user)?;
            row.count += 1;
            tables.users.insert(user.as_str(), row.encode(user.as_str()).as_slice())?;
            let key = (row.number, *offset);
            let body = match body {
                PendingBody::Own(body) => RowBody::Own(body),
                PendingBody::Shared(number) if bodies::add_reference(tables, *number)? => RowBody::Shared(*number),
                PendingBody::Shared(_) => return Err(Fault::Damaged),
            };
            let pending = PendingRow { at: at.millis(), expires: expires.millis(), id: id.as_str(), body };
            tables.pending.insert(key, pending.encode(key).as_slice())?;
            tables.expiries.insert((expires.millis(), row.number, *offset), user.as_str())?;
        }
        Item::Escalation { user, offset, state } => {
            let number = user_row(tables, user)?.number;
            escalations::restore(tables, (number, *offset), user.as_str(), *state)?;
        }
        Item::Body { number, id, expires, body } => {
            tables.take_body_number(*number)?;
            bodies::write(tables, *number, &BodyRow { expires: expires.millis(), id: id.as_str(), body })?;
        }
        Item::Notified { user, id, offset, at, content } => {
            let number = user_row(tables, user)?.number;
            let id = id_of(number, id.as_str());
            let row = IdRow { offset: *offset, at: at.millis(), content: *content }.encode(&id);
            tables.ids.insert(id.as_slice(), row.as_slice())?;
            tables.ids_by_time.insert((at.millis(), number, *offset), id.as_slice())?;
        }
        Item::Subscribed(user, subscriptions) => server_subscriptions::write(tables, user, subscriptions)?,
        Item::Blocked(user, blocked) => blocks::write(tables, user, blocked)?,
        Item::Event(entry) => outbox::insert(tables, &entry.node, &entry.event, &entry.detail)?,
        Item::Waiting(webhook, event) => webhooks::enqueue(tables, webhook, event)?,
        Item::Dead(webhook, dead) => webhooks::bury(tables, webhook, dead)?,
        Item::Epoch(epoch) => drop(tables.meta.insert(EPOCH, encode_epoch(epoch).as_slice())?),
    }
    Ok(())
}

fn log_number(tables: &Tables<'_>, topic: &Topic) -> Result<u64, Fault> {
    let topic = topic.to_string();
    let row = tables.logs.get(topic.as_str())?.ok_or(Fault::Damaged)?;
    Ok(LogRow::decode(&topic, row.value())?.number)
}

fn user_row(tables: &Tables<'_>, user: &UserId) -> Result<UserRow, Fault> {
    UserRow::decode(user.as_str(), tables.users.get(user.as_str())?.ok_or(Fault::Damaged)?.value())
}
