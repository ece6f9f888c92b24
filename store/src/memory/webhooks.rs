//! The waiting events and dead letters of webhooks in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use realtime_gateway_protocol::Timestamp;

use super::MemoryStore;
use crate::{
    Attempts, DeadEvent, Death, Event, EventDetail, OutboxEntry, PageLimit, Settled, Settlement, StoreError,
    WaitingEvent, WebhookFilter, WebhookName, WebhookStatus, Webhooks, page::PageBudget, wait::Wait,
};

/// The events of all webhooks.
#[derive(Debug)]
pub(super) struct MemoryWebhooks {
    node: Arc<str>,
    filters: Arc<[WebhookFilter]>,
    events: HashMap<WebhookName, WebhookEvents>,
}

/// The events of one webhook.
#[derive(Debug, Default)]
struct WebhookEvents {
    /// The last sequence that was assigned. Waiting events and dead letters share the sequences.
    last: u64,
    waiting: BTreeMap<u64, WaitingEvent>,
    dead: BTreeMap<u64, DeadEvent>,
    /// The position of each dead letter in `dead`, by the id of its event.
    dead_ids: HashMap<Arc<str>, u64>,
}

impl MemoryWebhooks {
    pub(super) fn new(node: Arc<str>, filters: Arc<[WebhookFilter]>) -> Self {
        Self { node, filters, events: HashMap::new() }
    }

    /// Writes an event for each webhook that takes it.
    pub(super) fn write(&mut self, event: &Event, detail: &EventDetail) {
        let filters = self.filters.clone();
        for filter in filters.iter().filter(|filter| filter.takes(event)) {
            let (node, event, detail) = (self.node.clone(), event.clone(), detail.clone());
            let since = event.at;
            let entry = OutboxEntry { sequence: 0, node, event, detail };
            self.events.entry(filter.webhook.clone()).or_default().enqueue(entry, since);
        }
    }
}

impl WebhookEvents {
    fn enqueue(&mut self, mut entry: OutboxEntry, since: Timestamp) {
        self.last += 1;
        entry.sequence = self.last;
        self.waiting.insert(self.last, WaitingEvent { entry, since, attempts: 0 });
    }

    fn settle(&mut self, settlement: &Settlement) -> Settled {
        for sequence in &settlement.taken {
            self.waiting.remove(sequence);
        }
        for Death { sequence, reason, attempts } in &settlement.dead {
            let Some(WaitingEvent { entry, .. }) = self.waiting.remove(sequence) else { continue };
            self.last += 1;
            if let Some(earlier) = self.dead_ids.insert(entry.event.id.clone(), self.last) {
                self.dead.remove(&earlier);
            }
            let dead = DeadEvent { entry, reason: *reason, attempts: *attempts, failed_at: settlement.at };
            self.dead.insert(self.last, dead);
        }
        let mut deleted = 0;
        while self.dead.len() as u64 > settlement.max_dead {
            let Some((_, oldest)) = self.dead.pop_first() else { break };
            self.dead_ids.remove(&oldest.entry.event.id);
            deleted += 1;
        }
        Settled { deleted }
    }

    fn take_dead(&mut self, id: &Arc<str>) -> Option<DeadEvent> {
        self.dead.remove(&self.dead_ids.remove(id)?)
    }
}

impl MemoryStore {
    /// Runs one atomic step on the events of a webhook.
    fn webhook<T>(&self, webhook: &WebhookName, step: impl FnOnce(&mut WebhookEvents) -> T) -> Result<T, StoreError> {
        self.step(|state| Ok(step(state.webhooks.events.entry(webhook.clone()).or_default())))
    }
}

#[async_trait]
impl Webhooks for MemoryStore {
    fn set_webhooks(&self, webhooks: Arc<[WebhookFilter]>) {
        self.state.lock().webhooks.filters = webhooks;
    }

    async fn lease_webhook(&self, _webhook: &WebhookName, _ttl: Duration) -> Result<bool, StoreError> {
        self.step(|_| Ok(true))
    }

    async fn read_webhook(
        &self,
        webhook: &WebhookName,
        limit: PageLimit,
        wait: Duration,
    ) -> Result<Vec<WaitingEvent>, StoreError> {
        let mut wait = Wait::begin(self.written.subscribe(), wait);
        loop {
            let found = self.webhook(webhook, |events| {
                let mut budget = PageBudget::new(limit);
                let fits = |event: &&WaitingEvent| budget.take(event.entry.event.body.len());
                events.waiting.values().take_while(fits).cloned().collect::<Vec<_>>()
            })?;
            if !found.is_empty() || !wait.again().await {
                return Ok(found);
            }
        }
    }

    async fn keep_attempts(&self, webhook: &WebhookName, attempts: &[Attempts]) -> Result<(), StoreError> {
        self.webhook(webhook, |events| {
            for Attempts { sequence, attempts } in attempts {
                if let Some(event) = events.waiting.get_mut(sequence) {
                    event.attempts = *attempts;
                }
            }
        })
    }

    async fn settle_webhook(&self, webhook: &WebhookName, settlement: Settlement) -> Result<Settled, StoreError> {
        self.webhook(webhook, |events| events.settle(&settlement))
    }

    async fn webhook_status(&self, webhook: &WebhookName) -> Result<WebhookStatus, StoreError> {
        self.webhook(webhook, |events| WebhookStatus {
            waiting: events.waiting.len() as u64,
            dead: events.dead.len() as u64,
        })
    }

    async fn read_dead(
        &self,
        webhook: &WebhookName,
        after: Option<Arc<str>>,
        limit: PageLimit,
    ) -> Result<Option<Vec<DeadEvent>>, StoreError> {
        self.webhook(webhook, |events| {
            let position = match after {
                Some(id) => events.dead_ids.get(&id).copied()?,
                None => 0,
            };
            let mut budget = PageBudget::new(limit);
            let fits = |(_, dead): &(&u64, &DeadEvent)| budget.take(dead.entry.event.body.len());
            let page = events.dead.range(position.saturating_add(1)..).take_while(fits);
            Some(page.map(|(_, dead)| dead.clone()).collect())
        })
    }

    async fn remove_dead(&self, webhook: &WebhookName, ids: &[Arc<str>]) -> Result<u64, StoreError> {
        self.webhook(webhook, |events| ids.iter().filter_map(|id| events.take_dead(id)).count() as u64)
    }

    async fn replay_dead(&self, webhook: &WebhookName, ids: &[Arc<str>], at: Timestamp) -> Result<u64, StoreError> {
        let replayed = self.webhook(webhook, |events| {
            let dead: Vec<_> = ids.iter().filter_map(|id| events.take_dead(id)).collect();
            let count = dead.len() as u64;
            dead.into_iter().for_each(|dead| events.enqueue(dead.entry, at));
            count
        })?;
        self.written.send_modify(|written| *written += 1);
        Ok(replayed)
    }
}
