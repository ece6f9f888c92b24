//! A store that uses only the public API of the crate, and passes the conformance suite.
//!
//! It keeps its data in a [`MemoryStore`], and counts the operations that change something.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use gateway_store::{
    Admission, Append, Appended, Attempts, Block, BlockChanges, BlockOutcome, Blocks, Broadcast, ConnectedUsers,
    ControlMessage, DeadEvent, DueEscalations, EarlierAppend, Epoch, Escalation, EscalationState, Escalations, Event,
    Heads, Idempotency, Log, NodeRecord, Nodes, Notified, Notify, Options, Outbox, OutboxEntry, OutboxStatus, Page,
    PageLimit, Pending, Presence, PresenceChange, Present, Reaped, RecentLogs, ReconcileRequest, Reconciled,
    ServerSubscription, ServerSubscriptions, SessionPolicy, SessionRecord, Sessions, Settled, Settlement, SpaceLimits,
    Store, StoreError, StoreStatus, SubscriptionFilter, SubscriptionOutcome, Swept, UserPage, UserPresence,
    WaitingEvent, WebhookFilter, WebhookName, WebhookStatus, Webhooks,
    clock::Clock,
    memory::MemoryStore,
    testing::{self, Subject, model},
};
use realtime_gateway_protocol::{CloseCode, NotificationId, SessionId, Timestamp, UserId, topic::Topic};

struct CountingStore {
    inner: MemoryStore,
    changes: AtomicU64,
}

impl CountingStore {
    fn open(options: Options, clock: Clock) -> Self {
        Self { inner: MemoryStore::new(options, clock), changes: AtomicU64::new(0) }
    }

    fn count(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Log for CountingStore {
    fn epoch(&self) -> Epoch {
        self.inner.epoch()
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.count();
        self.inner.append(append).await
    }

    async fn earlier_append(
        &self,
        topic: &Topic,
        key: &Idempotency,
        at: Timestamp,
    ) -> Result<Option<EarlierAppend>, StoreError> {
        self.inner.earlier_append(topic, key, at).await
    }

    async fn read(&self, topic: &Topic, after: u64, limit: PageLimit) -> Result<Page, StoreError> {
        self.inner.read(topic, after, limit).await
    }

    async fn read_back(&self, topic: &Topic, before: u64, limit: PageLimit) -> Result<Page, StoreError> {
        self.inner.read_back(topic, before, limit).await
    }

    async fn recent_logs(&self, since: Timestamp, after: Option<Arc<str>>) -> Result<RecentLogs, StoreError> {
        self.inner.recent_logs(since, after).await
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Heads, StoreError> {
        self.inner.heads(topics).await
    }
}

#[async_trait]
impl Pending for CountingStore {
    async fn notify(&self, notify: Notify) -> Result<Notified, StoreError> {
        self.count();
        self.inner.notify(notify).await
    }

    async fn notify_all(&self, broadcast: Broadcast) -> Vec<Result<Notified, StoreError>> {
        self.count();
        self.inner.notify_all(broadcast).await
    }

    async fn acknowledge(
        &self,
        user: &UserId,
        ids: &[NotificationId],
        event: Option<Event>,
    ) -> Result<Vec<NotificationId>, StoreError> {
        self.count();
        self.inner.acknowledge(user, ids, event).await
    }

    async fn pending_count(&self, user: &UserId) -> Result<u64, StoreError> {
        self.inner.pending_count(user).await
    }
}

#[async_trait]
impl Escalations for CountingStore {
    async fn due_escalations(&self, limit: PageLimit) -> Result<DueEscalations, StoreError> {
        self.inner.due_escalations(limit).await
    }

    async fn escalate(&self, escalations: Vec<Escalation>) -> Result<Vec<bool>, StoreError> {
        self.count();
        self.inner.escalate(escalations).await
    }

    async fn escalations_of(&self, user: &UserId, offsets: &[u64]) -> Result<Vec<Option<EscalationState>>, StoreError> {
        self.inner.escalations_of(user, offsets).await
    }
}

#[async_trait]
impl Sessions for CountingStore {
    async fn open_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError> {
        self.count();
        self.inner.open_session(record, policy).await
    }

    async fn restore_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError> {
        self.count();
        self.inner.restore_session(record, policy).await
    }

    async fn close_session(&self, user: &UserId, session: &SessionId, code: CloseCode) -> Result<(), StoreError> {
        self.count();
        self.inner.close_session(user, session, code).await
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, StoreError> {
        self.inner.sessions_of(user).await
    }

    async fn connected_users(&self, page: UserPage) -> Result<ConnectedUsers, StoreError> {
        self.inner.connected_users(page).await
    }
}

#[async_trait]
impl ServerSubscriptions for CountingStore {
    async fn keep_subscription(
        &self,
        user: &UserId,
        subscription: ServerSubscription,
    ) -> Result<SubscriptionOutcome, StoreError> {
        self.count();
        self.inner.keep_subscription(user, subscription).await
    }

    async fn remove_subscriptions(&self, user: &UserId, filter: &SubscriptionFilter) -> Result<u64, StoreError> {
        self.count();
        self.inner.remove_subscriptions(user, filter).await
    }

    async fn subscriptions_of(&self, user: &UserId) -> Result<Vec<ServerSubscription>, StoreError> {
        self.inner.subscriptions_of(user).await
    }
}

#[async_trait]
impl Blocks for CountingStore {
    async fn block(&self, user: &UserId, block: Block) -> Result<BlockOutcome, StoreError> {
        self.count();
        self.inner.block(user, block).await
    }

    async fn unblock(&self, user: &UserId) -> Result<u64, StoreError> {
        self.count();
        self.inner.unblock(user).await
    }

    async fn blocks_of(&self, user: &UserId) -> Result<Vec<Block>, StoreError> {
        self.inner.blocks_of(user).await
    }

    async fn block_changes(&self, after: u64, at_most: usize) -> Result<BlockChanges, StoreError> {
        self.inner.block_changes(after, at_most).await
    }
}

#[async_trait]
impl Presence for CountingStore {
    async fn set_present(
        &self,
        topic: &Topic,
        user: &UserId,
        presence: UserPresence,
    ) -> Result<PresenceChange, StoreError> {
        self.count();
        self.inner.set_present(topic, user, presence).await
    }

    async fn present(&self, topic: &Topic, at_most: usize) -> Result<Present, StoreError> {
        self.inner.present(topic, at_most).await
    }
}

#[async_trait]
impl Nodes for CountingStore {
    async fn reconcile(&self, request: ReconcileRequest) -> Result<Reconciled, StoreError> {
        self.count();
        self.inner.reconcile(request).await
    }

    async fn post(&self, node: &str, message: &ControlMessage) -> Result<(), StoreError> {
        self.inner.post(node, message).await
    }

    async fn nodes(&self) -> Result<Vec<NodeRecord>, StoreError> {
        self.inner.nodes().await
    }

    async fn reap(&self) -> Result<Reaped, StoreError> {
        self.inner.reap().await
    }

    async fn resign(&self) -> Result<(), StoreError> {
        self.inner.resign().await
    }
}

#[async_trait]
impl Outbox for CountingStore {
    async fn lease_outbox(&self, ttl: Duration) -> Result<bool, StoreError> {
        self.inner.lease_outbox(ttl).await
    }

    async fn release_outbox(&self) -> Result<(), StoreError> {
        self.inner.release_outbox().await
    }

    async fn read_outbox(&self, after: u64, at_most: usize, wait: Duration) -> Result<Vec<OutboxEntry>, StoreError> {
        self.inner.read_outbox(after, at_most, wait).await
    }

    async fn remove_from_outbox(&self, sequences: &[u64]) -> Result<(), StoreError> {
        self.count();
        self.inner.remove_from_outbox(sequences).await
    }

    async fn outbox_status(&self) -> Result<OutboxStatus, StoreError> {
        self.inner.outbox_status().await
    }
}

#[async_trait]
impl Webhooks for CountingStore {
    fn set_webhooks(&self, webhooks: Arc<[WebhookFilter]>) {
        self.inner.set_webhooks(webhooks);
    }

    async fn lease_webhook(&self, webhook: &WebhookName, ttl: Duration) -> Result<bool, StoreError> {
        self.inner.lease_webhook(webhook, ttl).await
    }

    async fn read_webhook(
        &self,
        webhook: &WebhookName,
        limit: PageLimit,
        wait: Duration,
    ) -> Result<Vec<WaitingEvent>, StoreError> {
        self.inner.read_webhook(webhook, limit, wait).await
    }

    async fn keep_attempts(&self, webhook: &WebhookName, attempts: &[Attempts]) -> Result<(), StoreError> {
        self.inner.keep_attempts(webhook, attempts).await
    }

    async fn settle_webhook(&self, webhook: &WebhookName, settlement: Settlement) -> Result<Settled, StoreError> {
        self.count();
        self.inner.settle_webhook(webhook, settlement).await
    }

    async fn webhook_status(&self, webhook: &WebhookName) -> Result<WebhookStatus, StoreError> {
        self.inner.webhook_status(webhook).await
    }

    async fn read_dead(
        &self,
        webhook: &WebhookName,
        after: Option<Arc<str>>,
        limit: PageLimit,
    ) -> Result<Option<Vec<DeadEvent>>, StoreError> {
        self.inner.read_dead(webhook, after, limit).await
    }

    async fn remove_dead(&self, webhook: &WebhookName, ids: &[Arc<str>]) -> Result<u64, StoreError> {
        self.count();
        self.inner.remove_dead(webhook, ids).await
    }

    async fn replay_dead(&self, webhook: &WebhookName, ids: &[Arc<str>], at: Timestamp) -> Result<u64, StoreError> {
        self.count();
        self.inner.replay_dead(webhook, ids, at).await
    }
}

#[async_trait]
impl Store for CountingStore {
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        self.inner.sweep(now).await
    }

    fn set_space_limits(&self, limits: SpaceLimits) {
        self.inner.set_space_limits(limits);
    }

    fn status(&self) -> StoreStatus {
        self.inner.status()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

async fn subject(options: Options) -> Subject {
    Subject::new(|clock| Arc::new(CountingStore::open(options, clock)))
}

gateway_store::conformance!(subject);

#[test]
fn agrees_with_model() {
    model::check(64, async || subject(testing::options()).await);
}
