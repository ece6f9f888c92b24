//! Copies a store in Redis: dumps all keys under its prefix page by page, and loads pages into an empty store.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use realtime_gateway_protocol::{NotificationId, StoredId, Timestamp, UserId, topic::Topic};
use redis::{Cmd, FromRedisValue, Pipeline, Value, cmd, pipe};
use tokio::time::Instant;

use super::{
    RedisStore,
    broadcast::{BODY_KEY, BODY_MARGIN, body_key},
    expiry,
    fault::Fault,
    link::DEADLINE,
    log::{PageStart, stored_digest, stored_name},
    outbox::detail_of,
    request::{MAX_NUMBER, Reply, ScriptTime},
    stream_id::id_of,
};
use crate::{
    Block, ContentDigest, IdempotencyKey, LogBounds, OutboxEntry, PageLimit, ServerSubscription, StoreError,
    WebhookName, block_row,
    clock::after,
    copy::{Copied, Item, Pages, PendingBody},
    subscription_row,
};

/// How many keys or rows one request reads.
const ROWS_PER_REQUEST: usize = 256;
/// The time that scripts use for a dump, so that nothing is too old or expired.
const TIME_ZERO: ScriptTime = ScriptTime::Given(Timestamp::from_millis(0));
/// The size of the pages in which a log is read.
const PAGE: PageLimit = PageLimit { entries: ROWS_PER_REQUEST, bytes: 1024 * 1024 };

#[async_trait]
impl Copied for RedisStore {
    async fn is_empty(&self) -> Result<bool, StoreError> {
        let mut cursor = Some(0);
        while let Some(keys) = self.scan_keys(&mut cursor).await? {
            if keys.iter().any(|key| key != "store") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn dump(&self, mut pages: Pages) {
        let dumped = self.dump_all(&mut pages).await;
        pages.end(dumped.map_err(StoreError::from)).await;
    }

    async fn load(&self, page: Vec<Item>) -> Result<(), StoreError> {
        let mut writes = pipe();
        page.iter().for_each(|item| self.write(&mut writes, item));
        if writes.is_empty() {
            return Ok(());
        }
        Ok(self.link.send_all(&writes).await?)
    }
}

impl RedisStore {
    /// Returns the next keys under the prefix, without the prefix. Returns `None` if there are no more keys.
    async fn scan_keys(&self, cursor: &mut Option<u64>) -> Result<Option<Vec<String>>, Fault> {
        let Some(from) = cursor.take() else { return Ok(None) };
        let mut scan = cmd("SCAN");
        scan.arg(from).arg("MATCH").arg(self.key("*")).arg("COUNT").arg(ROWS_PER_REQUEST);
        let (next, keys): (u64, Vec<String>) = self.query(&scan).await?;
        *cursor = Some(next).filter(|next| *next != 0);
        let without = |key: String| key.strip_prefix(&self.prefix).map(str::to_owned);
        Ok(Some(keys.into_iter().filter_map(without).collect()))
    }

    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Fault> {
        T::from_redis_value(self.link.send(command, Instant::now() + DEADLINE).await?)
            .map_err(|_| Fault::UnexpectedReply)
    }

    async fn dump_all(&self, pages: &mut Pages) -> Result<(), Fault> {
        // A scan may return a key twice, and a log or a user must be dumped before its entries.
        let (mut logs, mut users, mut webhooks) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut cursor = Some(0);
        while let Some(keys) = self.scan_keys(&mut cursor).await? {
            logs.extend(keys.iter().filter_map(|key| key.strip_prefix("log:").map(str::to_owned)));
            users.extend(keys.iter().filter_map(|key| key.strip_prefix("user:").map(str::to_owned)));
            let webhook = |key: &String| {
                let name = key.strip_prefix("webhook:").or_else(|| key.strip_prefix("webhook_dead:"))?;
                WebhookName::new(name)
            };
            webhooks.extend(keys.iter().filter_map(webhook));
        }
        for topic in logs {
            self.dump_log(topic.parse().map_err(|_| Fault::UnexpectedReply)?, pages).await?;
        }
        let mut bodies = HashSet::new();
        for user in users {
            self.dump_user(UserId::from_stored(&user).map_err(|_| Fault::UnexpectedReply)?, &mut bodies, pages).await?;
        }
        self.dump_escalations(pages).await?;
        cursor = Some(0);
        while let Some(keys) = self.scan_keys(&mut cursor).await? {
            self.dump_other_keys(keys, pages).await?;
        }
        let mut after = 0;
        loop {
            let events = self.read_events(after, ROWS_PER_REQUEST).await?;
            let Some(last) = events.last() else { break };
            after = last.sequence;
            for event in events {
                pages.add(Item::Event(event)).await?;
            }
        }
        for webhook in webhooks {
            self.dump_webhook(&webhook, pages).await?;
        }
        let mut command = cmd("HGET");
        let epoch: String = self.query(command.arg(self.key("store")).arg("epoch")).await?;
        Ok(pages.add(Item::Epoch(epoch.into())).await?)
    }

    /// Dumps the waiting events and dead letters of a webhook.
    async fn dump_webhook(&self, webhook: &WebhookName, pages: &mut Pages) -> Result<(), Fault> {
        let mut after = 0;
        loop {
            let events = self.read_waiting(webhook, after, PAGE).await?;
            let Some(last) = events.last() else { break };
            after = last.entry.sequence;
            for event in events {
                pages.add(Item::Waiting(webhook.clone(), event)).await?;
            }
        }
        let mut after = String::new();
        loop {
            let dead = self.dead_page(webhook, &after, PAGE).await?.unwrap_or_default();
            let Some(last) = dead.last() else { return Ok(()) };
            after = last.entry.event.id.to_string();
            for letter in dead {
                pages.add(Item::Dead(webhook.clone(), letter)).await?;
            }
        }
    }

    async fn dump_log(&self, topic: Topic, pages: &mut Pages) -> Result<(), Fault> {
        let mut command = cmd("HMGET");
        command.arg(self.key(&format!("log:{topic}"))).arg(&["h", "f", "a"]);
        let (head, floor, max_age): (u64, u64, u64) = self.query(&command).await?;
        let mut position = floor.saturating_sub(1);
        let mut page = self.page_as_of(&topic, PageStart::After(position), PAGE, TIME_ZERO).await?;
        let (bounds, oldest) = (LogBounds { head, floor }, page.entries.first().map(|entry| entry.at));
        pages.add(Item::Log { topic: topic.clone(), bounds, max_age, oldest }).await?;
        loop {
            position = page.next;
            for entry in page.entries {
                pages.add(Item::Entry(topic.clone(), entry)).await?;
            }
            if position >= head {
                return Ok(());
            }
            page = self.page_as_of(&topic, PageStart::After(position), PAGE, TIME_ZERO).await?;
        }
    }

    /// Dumps the notifications of a user. `bodies` has the numbers of the shared bodies that are dumped already.
    async fn dump_user(&self, user: UserId, bodies: &mut HashSet<u64>, pages: &mut Pages) -> Result<(), Fault> {
        let mut command = cmd("HMGET");
        command.arg(self.key(&format!("user:{user}"))).arg(&["h", "s"]);
        let (head, soonest): (u64, u64) = self.query(&command).await?;
        let soonest = Timestamp::from_millis(soonest);
        pages.add(Item::User { user: user.clone(), head, soonest }).await?;
        let mut from = "-".to_owned();
        loop {
            let mut command = cmd("XRANGE");
            command.arg(self.key(&format!("pending:{user}"))).arg(&from).arg("+").arg("COUNT").arg(ROWS_PER_REQUEST);
            let rows = Reply::of(self.query::<Value>(&command).await?)?.all(decode_pending)?;
            let Some((last, ..)) = rows.last() else { return self.dump_escalated(&user, pages).await };
            from = format!("({last}-0");
            for (offset, at, expires, id, body) in rows {
                if let PendingBody::Shared(number) = body
                    && !bodies.contains(&number)
                {
                    // A notification whose body is missing is lost, like a missing notification.
                    let Some(body) = self.body(number, &id).await? else { continue };
                    pages.add(Item::Body { number, id: id.clone(), expires, body }).await?;
                    bodies.insert(number);
                }
                pages.add(Item::Pending { user: user.clone(), offset, id, at, expires, body }).await?;
            }
        }
    }

    /// Reads the body of a broadcast. Returns `None` if it is missing.
    async fn body(&self, number: u64, id: &NotificationId) -> Result<Option<Bytes>, Fault> {
        let mut command = cmd("HMGET");
        command.arg(self.key(&body_key(number))).arg(&["b", "i"]);
        let (body, of): (Option<Vec<u8>>, Option<String>) = self.query(&command).await?;
        Ok(body.filter(|_| of.as_deref() == Some(id.as_str())).map(Bytes::from))
    }

    /// Dumps idempotency keys, known ids of notifications, blocks, and server-side subscriptions. Ignores keys of other kinds.
    async fn dump_other_keys(&self, keys: Vec<String>, pages: &mut Pages) -> Result<(), Fault> {
        for user in keys.iter().filter_map(|key| key.strip_prefix("blocks:")) {
            let user = UserId::from_stored(user).map_err(|_| Fault::UnexpectedReply)?;
            let mut command = cmd("GET");
            let row: Option<String> = self.query(command.arg(self.key(&format!("blocks:{user}")))).await?;
            if let Some(row) = row {
                pages.add(Item::Blocked(user, block_row::decode(&row).ok_or(Fault::UnexpectedReply)?)).await?;
            }
        }
        for user in keys.iter().filter_map(|key| key.strip_prefix("subscriptions:")) {
            let user = UserId::from_stored(user).map_err(|_| Fault::UnexpectedReply)?;
            let mut command = cmd("GET");
            let row: Option<String> = self.query(command.arg(self.key(&format!("subscriptions:{user}")))).await?;
            if let Some(row) = row {
                let subscriptions = subscription_row::decode(&row).ok_or(Fault::UnexpectedReply)?;
                pages.add(Item::Subscribed(user, subscriptions)).await?;
            }
        }
        let keys: Vec<String> =
            keys.into_iter().filter(|key| key.starts_with("repeat:") || key.starts_with("notified:")).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let mut command = cmd("MGET");
        for key in &keys {
            command.arg(self.key(key));
        }
        let rows: Vec<Option<String>> = self.query(&command).await?;
        for (key, row) in keys.iter().zip(rows) {
            // The key may have just expired.
            if let Some(row) = row {
                pages.add(decode_keyed_row(key, &row).ok_or(Fault::UnexpectedReply)?).await?;
            }
        }
        Ok(())
    }

    /// Adds the commands that write an item.
    fn write(&self, writes: &mut Pipeline, item: &Item) {
        let now = self.clock.now();
        match item {
            Item::Log { topic, bounds, max_age, oldest } => {
                let due = oldest.map(|at| after(at, Duration::from_millis(*max_age)).millis());
                let row = writes.cmd("HSET").arg(self.key(&format!("log:{topic}")));
                row.arg("h").arg(bounds.head).arg("f").arg(bounds.floor).arg("a").arg((*max_age).min(MAX_NUMBER));
                if let Some(due) = due {
                    row.arg("d").arg(due);
                    writes.cmd("ZADD").arg(self.key("ages")).arg(due).arg(topic.to_string());
                }
            }
            Item::Entry(topic, entry) => {
                let add =
                    writes.cmd("XADD").arg(self.key(&format!("entries:{topic}"))).arg(format!("{}-0", entry.offset));
                add.arg("t").arg(entry.at.millis()).arg("b").arg(&entry.body[..]);
            }
            Item::Repeat { topic, key, at, offset, id, content } => {
                let left = after(*at, self.window).millis().saturating_sub(now.millis());
                let name = self.key(&format!("repeat:{topic} {}", stored_name(key)));
                let value = format!("{} {offset} {id} {}", at.millis(), stored_digest(*content));
                writes.cmd("SET").arg(name).arg(value).arg("PX").arg(expiry(Duration::from_millis(left)));
            }
            Item::User { user, head, soonest } => {
                let row = writes.cmd("HSET").arg(self.key(&format!("user:{user}")));
                row.arg("h").arg(*head).arg("s").arg(soonest.millis()).arg("c").arg(0);
            }
            Item::Pending { user, offset, id, at, expires, body } => {
                let add = writes.cmd("XADD").arg(self.key(&format!("pending:{user}"))).arg(format!("{offset}-0"));
                add.arg("t").arg(at.millis()).arg("x").arg(expires.millis());
                match body {
                    PendingBody::Own(body) => drop(add.arg("i").arg(id.as_str()).arg("b").arg(&body[..])),
                    PendingBody::Shared(number) => {
                        add.arg(body_key(*number)).arg(id.as_str());
                        writes.cmd("HINCRBY").arg(self.key(&body_key(*number))).arg("n").arg(1);
                    }
                }
                writes.cmd("HINCRBY").arg(self.key(&format!("user:{user}"))).arg("c").arg(1);
                let index = writes.cmd("ZADD").arg(self.key("expiries"));
                index.arg(expires.millis()).arg(format!("{offset} {user}"));
                let until = after(*at, self.window).max(*expires);
                self.write_known_id(writes, user, id, &format!("{offset} {}", at.millis()), until);
            }
            Item::Escalation { user, offset, state } => self.write_escalation(writes, (user, *offset), *state),
            Item::Body { number, id, expires, body } => {
                let key = body_key(*number);
                let row = writes.cmd("HSET").arg(self.key(&key)).arg("b").arg(&body[..]);
                row.arg("i").arg(id.as_str()).arg("n").arg(0);
                let due = expires.millis().saturating_add(BODY_MARGIN).min(MAX_NUMBER);
                writes.cmd("ZADD").arg(self.key("bodies")).arg(due).arg(key);
            }
            Item::Notified { user, id, offset, at, content } => {
                let row = format!("{offset} {} {}", at.millis(), stored_digest(*content));
                self.write_known_id(writes, user, id, &row, after(*at, self.window));
            }
            Item::Blocked(user, blocks) => self.write_blocks(writes, user, blocks),
            Item::Subscribed(user, subscriptions) => self.write_subscriptions(writes, user, subscriptions),
            Item::Event(entry) => drop(add_event(writes, &self.key("outbox"), "*", entry)),
            Item::Waiting(webhook, event) => {
                let (key, id) = (self.key(&format!("webhook:{webhook}")), id_of(event.entry.sequence));
                add_event(writes, &key, &id, &event.entry).arg("s").arg(event.since.millis());
                self.write_attempts(writes, webhook, event);
            }
            Item::Dead(webhook, dead) => {
                let (key, id) = (self.key(&format!("webhook_dead:{webhook}")), id_of(dead.entry.sequence));
                let add = add_event(writes, &key, &id, &dead.entry).arg("r").arg(dead.reason.as_str());
                add.arg("c").arg(dead.attempts).arg("f").arg(dead.failed_at.millis());
                let ids = writes.cmd("HSET").arg(self.key(&format!("webhook_dead_ids:{webhook}")));
                ids.arg(&*dead.entry.event.id).arg(id);
            }
            Item::Epoch(epoch) => {
                writes.cmd("HSET").arg(self.key("store")).arg("epoch").arg(&**epoch);
            }
        }
    }

    /// Adds the commands that write the blocks of a user, in the format of `blocks.lua`.
    fn write_blocks(&self, writes: &mut Pipeline, user: &UserId, blocks: &[Block]) {
        let ends = blocks.iter().map(|block| block.until).max().unwrap_or_default();
        writes.cmd("SET").arg(self.key(&format!("blocks:{user}"))).arg(block_row::encode(blocks));
        writes.cmd("ZADD").arg(self.key("blocks_until")).arg(ends.millis()).arg(user.as_str());
        // Each change needs a revision of its own: nodes read changes page by page after a revision.
        let change = writes.cmd("EVAL").arg("redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[1]), ARGV[1])").arg(2);
        change.arg(self.key("blocks_revision")).arg(self.key("blocks_changed")).arg(user.as_str());
    }

    /// Adds the commands that write the server-side subscriptions of a user, in the format of `subscriptions.lua`.
    fn write_subscriptions(&self, writes: &mut Pipeline, user: &UserId, subscriptions: &[ServerSubscription]) {
        let row = subscription_row::encode(subscriptions);
        writes.cmd("SET").arg(self.key(&format!("subscriptions:{user}"))).arg(row);
        if let Some(end) = subscription_row::first_end(subscriptions) {
            writes.cmd("ZADD").arg(self.key("subscription_ends")).arg(end.millis()).arg(user.as_str());
        }
    }

    /// Adds the commands that remember an id until `until`, or for longer if the key exists with a longer expiry.
    fn write_known_id(&self, writes: &mut Pipeline, user: &UserId, id: &NotificationId, row: &str, until: Timestamp) {
        let left = Duration::from_millis(until.millis().saturating_sub(self.clock.now().millis()));
        let key = self.key(&format!("notified:{user} {id}"));
        writes.cmd("SET").arg(&key).arg(row).arg("XX").arg("KEEPTTL");
        writes.cmd("SET").arg(&key).arg(row).arg("NX").arg("PX").arg(expiry(left));
    }
}

/// Adds the command that writes an event to a stream. Further fields can be added to it.
fn add_event<'a>(writes: &'a mut Pipeline, key: &str, id: &str, entry: &OutboxEntry) -> &'a mut Pipeline {
    let OutboxEntry { node, event, detail, .. } = entry;
    let (kind, detail) = detail_of(detail);
    let add = writes.cmd("XADD").arg(key).arg(id).arg("n").arg(&**node).arg("i").arg(&*event.id);
    add.arg("k").arg(&*event.key).arg("t").arg(event.at.millis());
    add.arg("b").arg(&event.body[..]).arg("d").arg(kind).arg("v").arg(detail)
}

type PendingRow = (u64, Timestamp, Timestamp, NotificationId, PendingBody);

/// Decodes `[offset-0, [t, at, x, expires, i, id, b, body]]` or `[offset-0, [t, at, x, expires, body:<number>, id]]`.
fn decode_pending(reply: &mut Reply) -> Result<PendingRow, Fault> {
    let mut row = reply.list()?;
    let offset =
        row.text()?.split_once('-').and_then(|(offset, _)| offset.parse().ok()).ok_or(Fault::UnexpectedReply)?;
    let mut fields = row.list()?;
    fields.bytes()?;
    let at = fields.at()?;
    fields.bytes()?;
    let expires = fields.at()?;
    let name = fields.text()?;
    let id = fields.id()?;
    if let Some(number) = name.strip_prefix(BODY_KEY) {
        let number = number.parse().map_err(|_| Fault::UnexpectedReply)?;
        return Ok((offset, at, expires, id, PendingBody::Shared(number)));
    }
    fields.bytes()?;
    Ok((offset, at, expires, id, PendingBody::Own(fields.bytes()?)))
}

/// Decodes an idempotency key or a known id from a Redis key and its value.
fn decode_keyed_row(key: &str, row: &str) -> Option<Item> {
    let time = |text: &str| text.parse().ok().map(Timestamp::from_millis);
    if let Some(name) = key.strip_prefix("repeat:") {
        let mut name = name.splitn(3, ' ');
        let topic = name.next()?.parse().ok()?;
        let key = IdempotencyKey::from_stored(name.next()?, name.next()?).ok()?;
        let mut row = row.splitn(4, ' ');
        let (at, offset) = (time(row.next()?)?, row.next()?.parse().ok()?);
        let (id, content) = (StoredId::from_stored(row.next()?).ok()?, digest(row.next()));
        return Some(Item::Repeat { topic, key, at, offset, id, content });
    }
    let (user, id) = key.strip_prefix("notified:")?.split_once(' ')?;
    let (user, id) = (UserId::from_stored(user).ok()?, NotificationId::from_stored(id).ok()?);
    let mut row = row.splitn(3, ' ');
    let (offset, at) = (row.next()?.parse().ok()?, time(row.next()?)?);
    Some(Item::Notified { user, id, offset, at, content: digest(row.next()) })
}

/// Decodes a text of [`stored_digest`].
fn digest(text: Option<&str>) -> Option<ContentDigest> {
    u64::from_str_radix(text?, 16).ok().and_then(ContentDigest::from_stored)
}
