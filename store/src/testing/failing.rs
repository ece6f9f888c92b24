//! A store for tests: a test can make one of its operations panic or hang.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use realtime_gateway_protocol::{CloseCode, NotificationId, SessionId, Timestamp, UserId, topic::Topic};

use crate::{
    Admission, Append, Appended, Attempts, Block, BlockChanges, BlockOutcome, Blocks, Broadcast, ConnectedUsers,
    ControlMessage, DeadEvent, DueEscalations, EarlierAppend, Epoch, Escalation, EscalationState, Escalations, Event,
    Heads, Idempotency, Log, NodeRecord, Nodes, Notified, Notify, Outbox, OutboxEntry, OutboxStatus, Page, PageLimit,
    Pending, Presence, PresenceChange, Present, Reaped, RecentLogs, ReconcileRequest, Reconciled, ServerSubscription,
    ServerSubscriptions, SessionPolicy, SessionRecord, Sessions, Settled, Settlement, SpaceLimits, Store, StoreError,
    StoreStatus, SubscriptionFilter, SubscriptionOutcome, Swept, UserPage, UserPresence, WaitingEvent, WebhookFilter,
    WebhookName, WebhookStatus, Webhooks, memory::MemoryStore,
};

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It panics.
    Panics,
    /// It never returns.
    Hangs,
}

/// A store in memory whose operations can be broken.
pub struct FailingStore {
    store: MemoryStore,
    broken: Mutex<Option<(&'static str, Failure)>>,
    probes: Mutex<u64>,
}

impl FailingStore {
    /// Creates a store whose operations all work.
    pub fn around(store: MemoryStore) -> Self {
        Self { store, broken: Mutex::new(None), probes: Mutex::new(0) }
    }

    /// Breaks an operation.
    pub fn break_operation(&self, operation: &'static str, failure: Failure) {
        *self.broken.lock() = Some((operation, failure));
    }

    /// Returns how often the store was probed.
    pub fn probes(&self) -> u64 {
        *self.probes.lock()
    }

    async fn fail_if_broken(&self, operation: &'static str) {
        let broken = *self.broken.lock();
        match broken.filter(|(broken, _)| *broken == operation) {
            Some((_, Failure::Panics)) => panic!("{operation} is broken"),
            Some((_, Failure::Hangs)) => std::future::pending().await,
            None => {}
        }
    }
}

/// Implements a part of the contract by delegation.
macro_rules! delegate {
    ($part:ident { $(async fn $name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)* } $($rest:tt)*) => {
        #[async_trait]
        impl $part for FailingStore {
            $(async fn $name(&self, $($argument: $kind),*) -> Result<$answer, StoreError> {
                self.fail_if_broken(stringify!($name)).await;
                self.store.$name($($argument),*).await
            })*
            $($rest)*
        }
    };
}

delegate!(Log {
    async fn append(append: Append) -> Appended;
    async fn earlier_append(topic: &Topic, key: &Idempotency, at: Timestamp) -> Option<EarlierAppend>;
    async fn read(topic: &Topic, after: u64, limit: PageLimit) -> Page;
    async fn read_back(topic: &Topic, before: u64, limit: PageLimit) -> Page;
    async fn recent_logs(since: Timestamp, after: Option<Arc<str>>) -> RecentLogs;
    async fn heads(topics: &[Topic]) -> Heads;
} fn epoch(&self) -> Epoch { self.store.epoch() });

delegate!(Pending {
    async fn notify(notify: Notify) -> Notified;
    async fn acknowledge(user: &UserId, ids: &[NotificationId], event: Option<Event>) -> Vec<NotificationId>;
    async fn pending_count(user: &UserId) -> u64;
} async fn notify_all(&self, broadcast: Broadcast) -> Vec<Result<Notified, StoreError>> {
    self.fail_if_broken("notify_all").await;
    self.store.notify_all(broadcast).await
});

delegate!(Escalations {
    async fn due_escalations(limit: PageLimit) -> DueEscalations;
    async fn escalate(escalations: Vec<Escalation>) -> Vec<bool>;
    async fn escalations_of(user: &UserId, offsets: &[u64]) -> Vec<Option<EscalationState>>;
});

delegate!(Sessions {
    async fn open_session(record: SessionRecord, policy: SessionPolicy) -> Admission;
    async fn restore_session(record: SessionRecord, policy: SessionPolicy) -> Admission;
    async fn close_session(user: &UserId, session: &SessionId, code: CloseCode) -> ();
    async fn sessions_of(user: &UserId) -> Vec<SessionRecord>;
    async fn connected_users(page: UserPage) -> ConnectedUsers;
});

delegate!(ServerSubscriptions {
    async fn keep_subscription(user: &UserId, subscription: ServerSubscription) -> SubscriptionOutcome;
    async fn remove_subscriptions(user: &UserId, filter: &SubscriptionFilter) -> u64;
    async fn subscriptions_of(user: &UserId) -> Vec<ServerSubscription>;
});

delegate!(Blocks {
    async fn block(user: &UserId, block: Block) -> BlockOutcome;
    async fn unblock(user: &UserId) -> u64;
    async fn blocks_of(user: &UserId) -> Vec<Block>;
    async fn block_changes(after: u64, at_most: usize) -> BlockChanges;
});

delegate!(Presence {
    async fn set_present(topic: &Topic, user: &UserId, presence: UserPresence) -> PresenceChange;
    async fn present(topic: &Topic, at_most: usize) -> Present;
});

delegate!(Nodes {
    async fn reconcile(request: ReconcileRequest) -> Reconciled;
    async fn post(node: &str, message: &ControlMessage) -> ();
    async fn nodes() -> Vec<NodeRecord>;
    async fn reap() -> Reaped;
    async fn resign() -> ();
});

delegate!(Outbox {
    async fn lease_outbox(ttl: Duration) -> bool;
    async fn read_outbox(after: u64, at_most: usize, wait: Duration) -> Vec<OutboxEntry>;
    async fn remove_from_outbox(sequences: &[u64]) -> ();
    async fn outbox_status() -> OutboxStatus;
});

delegate!(Webhooks {
    async fn lease_webhook(webhook: &WebhookName, ttl: Duration) -> bool;
    async fn read_webhook(webhook: &WebhookName, limit: PageLimit, wait: Duration) -> Vec<WaitingEvent>;
    async fn keep_attempts(webhook: &WebhookName, attempts: &[Attempts]) -> ();
    async fn settle_webhook(webhook: &WebhookName, settlement: Settlement) -> Settled;
    async fn webhook_status(webhook: &WebhookName) -> WebhookStatus;
    async fn read_dead(webhook: &WebhookName, after: Option<Arc<str>>, limit: PageLimit) -> Option<Vec<DeadEvent>>;
    async fn remove_dead(webhook: &WebhookName, ids: &[Arc<str>]) -> u64;
    async fn replay_dead(webhook: &WebhookName, ids: &[Arc<str>], at: Timestamp) -> u64;
} fn set_webhooks(&self, webhooks: Arc<[WebhookFilter]>) { self.store.set_webhooks(webhooks) });

#[async_trait]
impl Store for FailingStore {
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        self.fail_if_broken("sweep").await;
        self.store.sweep(now).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        *self.probes.lock() += 1;
        self.fail_if_broken("probe").await;
        Ok(())
    }

    fn set_space_limits(&self, limits: SpaceLimits) {
        self.store.set_space_limits(limits);
    }

    fn status(&self) -> StoreStatus {
        self.store.status()
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
