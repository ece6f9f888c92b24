//! The waiting events and dead letters of webhooks in Redis. Every node writes to the streams, and the node with the lease
//! of a webhook reads.

use std::{fmt::Write, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::RwLock;
use realtime_gateway_protocol::Timestamp;
use redis::{Pipeline, Value, cmd};

use super::{
    RedisStore,
    arguments::{Digits, List, SettledEvent},
    fault::Fault,
    millis,
    outbox::decode_event,
    request::Reply,
    scripts,
    stream_id::{id_of, number_of},
};
use crate::{
    Attempts, DeadEvent, DeadReason, EventSources, PageLimit, Settled, Settlement, StoreError, WaitingEvent,
    WebhookFilter, WebhookName, WebhookStatus, Webhooks,
};

/// How many events one script settles or takes at most.
const MAX_EVENTS_PER_SCRIPT: usize = 250;

/// The webhooks for which events are written, as `events.lua` reads them.
#[derive(Debug)]
pub(super) struct WebhookLines(RwLock<Arc<str>>);

impl WebhookLines {
    pub(super) fn new(filters: &[WebhookFilter]) -> Self {
        Self(RwLock::new(encode(filters)))
    }

    pub(super) fn get(&self) -> Arc<str> {
        self.0.read().clone()
    }
}

/// Returns a line for each webhook: its name, the sources of its events, and its patterns.
fn encode(filters: &[WebhookFilter]) -> Arc<str> {
    let mut text = String::new();
    for WebhookFilter { webhook, events, sources } in filters {
        let sources = match sources {
            EventSources::Clients => "clients",
            EventSources::ClientsAndBackends => "all",
        };
        let patterns: Vec<_> = events.iter().map(|pattern| pattern.lua()).collect();
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{webhook} {sources} {}", patterns.join(" "));
    }
    text.into()
}

#[async_trait]
impl Webhooks for RedisStore {
    fn set_webhooks(&self, webhooks: Arc<[WebhookFilter]>) {
        *self.webhooks.0.write() = encode(&webhooks);
    }

    async fn lease_webhook(&self, webhook: &WebhookName, ttl: Duration) -> Result<bool, StoreError> {
        let (webhook, incarnation) = (webhook.as_str(), &*self.node.incarnation);
        let lease = || scripts::LeaseWebhook { webhook, incarnation, lease: Digits(millis(ttl)) };
        Ok(self.link.run_script(|_| self.link.request(&lease())).await?.1.number()? == 1)
    }

    async fn release_webhook(&self, webhook: &WebhookName) -> Result<(), StoreError> {
        // If this node holds the lease, the lease ends now; otherwise nothing changes.
        self.lease_webhook(webhook, Duration::from_millis(1)).await.map(drop)
    }

    async fn read_webhook(
        &self,
        webhook: &WebhookName,
        limit: PageLimit,
        wait: Duration,
    ) -> Result<Vec<WaitingEvent>, StoreError> {
        let events = self.read_waiting(webhook, 0, limit).await?;
        if !events.is_empty() || wait.is_zero() {
            return Ok(events);
        }
        // On a connection of its own: a blocking command would delay all requests on the shared connection.
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(1).arg("BLOCK").arg(millis(wait));
        command.arg("STREAMS").arg(self.key(&format!("webhook:{webhook}"))).arg("0-0");
        let reply = self.link.send_blocking(&command, wait).await?;
        if reply == Value::Nil { Ok(Vec::new()) } else { Ok(self.read_waiting(webhook, 0, limit).await?) }
    }

    async fn keep_attempts(&self, webhook: &WebhookName, attempts: &[Attempts]) -> Result<(), StoreError> {
        for chunk in attempts.chunks(MAX_EVENTS_PER_SCRIPT) {
            let keep = || scripts::KeepAttempts { webhook: webhook.as_str(), events: List(chunk) };
            self.link.run_script(|_| self.link.request(&keep())).await?;
        }
        Ok(())
    }

    async fn settle_webhook(&self, webhook: &WebhookName, settlement: Settlement) -> Result<Settled, StoreError> {
        let Settlement { taken, dead, max_dead, at } = settlement;
        let events: Vec<_> =
            taken.into_iter().map(SettledEvent::Taken).chain(dead.into_iter().map(SettledEvent::Dead)).collect();
        let mut settled = Settled::default();
        // In chunks, so that other requests do not wait long.
        for chunk in events.chunks(MAX_EVENTS_PER_SCRIPT) {
            let settle = || scripts::SettleWebhook { webhook: webhook.as_str(), at, max_dead, events: List(chunk) };
            settled.deleted += self.link.run_script(|_| self.link.request(&settle())).await?.1.number()?;
        }
        Ok(settled)
    }

    async fn webhook_status(&self, webhook: &WebhookName) -> Result<WebhookStatus, StoreError> {
        let webhook = webhook.as_str();
        let request = || self.link.request(&scripts::ReadWebhookStatus { webhook });
        let (_, mut reply) = self.link.run_script(|_| request()).await?;
        Ok(WebhookStatus { waiting: reply.number()?, dead: reply.number()? })
    }

    async fn read_dead(
        &self,
        webhook: &WebhookName,
        after: Option<Arc<str>>,
        limit: PageLimit,
    ) -> Result<Option<Vec<DeadEvent>>, StoreError> {
        Ok(self.dead_page(webhook, after.as_deref().unwrap_or_default(), limit).await?)
    }

    async fn remove_dead(&self, webhook: &WebhookName, ids: &[Arc<str>]) -> Result<u64, StoreError> {
        self.take_dead(webhook, ids, None).await
    }

    async fn replay_dead(&self, webhook: &WebhookName, ids: &[Arc<str>], at: Timestamp) -> Result<u64, StoreError> {
        self.take_dead(webhook, ids, Some(at)).await
    }
}

impl RedisStore {
    /// Returns the oldest waiting events after a sequence.
    pub(super) async fn read_waiting(
        &self,
        webhook: &WebhookName,
        after: u64,
        limit: PageLimit,
    ) -> Result<Vec<WaitingEvent>, Fault> {
        let (webhook, after) = (webhook.as_str(), id_of(after));
        let (max_entries, max_bytes) = (limit.entries as u64, limit.bytes as u64);
        let read = || scripts::ReadWebhook { webhook, after: &after, max_entries, max_bytes };
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&read())).await?;
        let mut events = reply.list()?.all(decode_waiting)?;
        for (event, attempts) in events.iter_mut().zip(reply.list()?.all(Reply::number)?) {
            event.attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        }
        Ok(events)
    }

    /// Returns the oldest dead letters after the one with an id, or from the beginning if the id is empty.
    pub(super) async fn dead_page(
        &self,
        webhook: &WebhookName,
        after: &str,
        limit: PageLimit,
    ) -> Result<Option<Vec<DeadEvent>>, Fault> {
        let (max_entries, max_bytes) = (limit.entries as u64, limit.bytes as u64);
        let read = || scripts::ReadDead { webhook: webhook.as_str(), after, max_entries, max_bytes };
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&read())).await?;
        let is_found = reply.number()? == 1;
        let dead = reply.list()?.all(decode_dead)?;
        Ok(is_found.then_some(dead))
    }

    /// Adds the command that remembers how often an event was sent.
    pub(super) fn write_attempts(&self, writes: &mut Pipeline, webhook: &WebhookName, event: &WaitingEvent) {
        if event.attempts > 0 {
            let set = writes.cmd("HSET").arg(self.key(&format!("webhook_attempts:{webhook}")));
            set.arg(id_of(event.entry.sequence)).arg(event.attempts);
        }
    }

    async fn take_dead(
        &self,
        webhook: &WebhookName,
        ids: &[Arc<str>],
        since: Option<Timestamp>,
    ) -> Result<u64, StoreError> {
        let mut count = 0;
        for chunk in ids.chunks(MAX_EVENTS_PER_SCRIPT) {
            let take = || scripts::TakeDead { webhook: webhook.as_str(), since, ids: List(chunk) };
            count += self.link.run_script(|_| self.link.request(&take())).await?.1.number()?;
        }
        Ok(count)
    }
}

/// Decodes `[id, [<fields of an event>, s, since]]`, without the number of attempts.
fn decode_waiting(reply: &mut Reply) -> Result<WaitingEvent, Fault> {
    let mut row = reply.list()?;
    let sequence = number_of(&row.text()?)?;
    let mut fields = row.list()?;
    let entry = decode_event(sequence, &mut fields)?;
    fields.bytes()?;
    Ok(WaitingEvent { entry, since: fields.at()?, attempts: 0 })
}

/// Decodes `[id, [<fields of an event>, r, reason, c, attempts, f, time]]`.
fn decode_dead(reply: &mut Reply) -> Result<DeadEvent, Fault> {
    let mut row = reply.list()?;
    let sequence = number_of(&row.text()?)?;
    let mut fields = row.list()?;
    let entry = decode_event(sequence, &mut fields)?;
    fields.bytes()?;
    let reason = DeadReason::from_word(&fields.text()?).ok_or(Fault::UnexpectedReply)?;
    fields.bytes()?;
    let attempts = fields.text()?.parse().map_err(|_| Fault::UnexpectedReply)?;
    fields.bytes()?;
    Ok(DeadEvent { entry, reason, attempts, failed_at: fields.at()? })
}
