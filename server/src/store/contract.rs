//! The contract of every store: what must outlive a process, and what all nodes must agree on.

mod blocks;
mod idempotency;
mod log;
mod nodes;
mod outbox;
mod pending;
mod presence;
mod sessions;
mod whole;

pub use blocks::{Block, BlockChanges, BlockOutcome, BlockedTokens, Blocks, TokenClaims};
pub use idempotency::{Idempotency, IdempotencyKey, Repeat};
pub use log::{Append, Appended, Entry, Epoch, Head, Heads, Log, Lost, Page, PageLimit, Redaction, Retention};
pub use nodes::{Beat, LEASE, LeaseHeld, NodeName, NodeRecord, Nodes, Note, Pulse, Reaped, StoreTime};
pub use outbox::{Event, EventDetail, Outbox, OutboxEntry, OutboxStatus};
pub use pending::{Broadcast, Notified, Notify, Pending, Recipient};
pub use presence::{Absent, Presence, PresenceChange, Present};
pub use sessions::{Admission, OnExcess, SessionKey, SessionPolicy, SessionRecord, Sessions};
pub use whole::{Options, Store, StoreError, StoreStatus, Swept};
