//! The contract of every store: the data that must survive a restart of the process, and the state that all nodes share.

mod blocks;
mod cluster;
mod escalations;
mod idempotency;
mod log;
mod nodes;
mod outbox;
mod pending;
mod presence;
mod server_subscriptions;
mod sessions;
mod webhooks;
mod whole;

pub use blocks::{Block, BlockChanges, BlockOutcome, BlockedTokens, Blocks, TokenClaims};
pub use cluster::{
    AppendNotice, ClusterChannel, ClusterConnection, ClusterEvent, ClusterEvents, ClusterStatus, NoticeEntry,
};
pub use escalations::{DueEscalation, DueEscalations, Escalation, EscalationState, Escalations};
pub use idempotency::{Idempotency, IdempotencyKey, Repeat};
pub use log::{
    Append, Appended, EarlierAppend, Entry, Epoch, Heads, Log, LogBounds, Lost, Page, PageLimit, RecentLogs, Redaction,
    Retention,
};
pub use nodes::{
    ControlMessage, LEASE, LeaseRenewal, NodeName, NodeRecord, Nodes, Reaped, ReconcileRequest, Reconciled, StoreTime,
};
pub use outbox::{Event, EventDetail, EventSource, Outbox, OutboxEntry, OutboxStatus};
pub use pending::{Broadcast, Notified, Notify, Pending, Recipient};
pub use presence::{Absent, Presence, PresenceChange, Present, PresentUser, UserPresence};
pub use server_subscriptions::{ServerSubscription, ServerSubscriptions, SubscriptionFilter, SubscriptionOutcome};
pub use sessions::{
    Admission, ConnectedUser, ConnectedUsers, OnExcess, SessionKey, SessionPolicy, SessionRecord, Sessions, UserPage,
};
pub use webhooks::{
    Attempts, DeadEvent, DeadReason, Death, EventPattern, EventSources, Settled, Settlement, WaitingEvent,
    WebhookFilter, WebhookName, WebhookStatus, Webhooks,
};
pub use whole::{Options, Store, StoreError, StoreStatus, Swept};
