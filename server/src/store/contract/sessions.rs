//! Sessions of all nodes: one atomic step decides who lives.

use std::sync::Arc;

use async_trait::async_trait;
use realtime_gateway_protocol::{CloseCode, DeviceId, SessionId, Timestamp, UserId};

use super::{Block, StoreError, TokenClaims};

/// A live session, as all nodes see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The session.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// On which device.
    pub device: Option<DeviceId>,
    /// On which node.
    pub node: Arc<str>,
    /// Since when.
    pub since: Timestamp,
    /// The client instance, made once by a client that reconnects by itself.
    pub instance: Option<Arc<str>>,
    /// The instance's attempt.
    pub attempt: Option<u64>,
    /// The token of the session, which the step that admits it checks against [`Blocks`](super::Blocks). A record that
    /// a shared store returns has none.
    pub token: TokenClaims,
}

/// What happens when a user has too many sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExcess {
    /// The oldest goes.
    Replace,
    /// The new one is refused.
    Reject,
}

/// What the limit of sessions counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKey {
    /// A user's sessions.
    User,
    /// A user's sessions on one device; sessions without a `deviceId` count as one device.
    Device,
}

/// The rule for sessions of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// How many a user (or device) may have.
    pub max: usize,
    /// What happens beyond it.
    pub on_excess: OnExcess,
    /// What is counted.
    pub key: SessionKey,
    /// How many devices a user may have, when devices are counted; the oldest goes.
    pub max_devices: usize,
}

/// What came of opening a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It lives; these, if any, were replaced by it.
    Admitted(Vec<SessionRecord>),
    /// Others live, and the policy is to refuse.
    Refused,
    /// A later attempt of the same client instance lives already.
    Superseded,
    /// This block keeps the session's token out.
    Blocked(Block),
}

/// Sessions of all nodes: one atomic step decides who lives.
///
/// A record lives while its node's lease does. With an outbox, the step that makes a record writes
/// `session.opened.<userId>` (`{sessionId, deviceId?}`, event id `opened-<sessionId>`), and the step that removes it
/// `session.closed.<userId>` (`{sessionId, code, durationMs}`, event id `closed-<sessionId>`): one of each, whoever
/// removes it. The step that evicts a session of another node puts [`Note::Close`](super::Note) with 4409 into that
/// node's inbox.
#[async_trait]
pub trait Sessions {
    /// Admits a session of this node, evicting others, or refuses it.
    async fn open_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError>;

    /// Puts a session of this node back whose record was lost with an epoch or a lease. It takes its old place, by
    /// [`since`](SessionRecord::since): the newest live, also when that evicts this one, which is then `Superseded`.
    /// A record that is still there is left as it is.
    async fn restore_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError>;

    /// Removes a session's record, if it is there; `code` is told to backend services.
    async fn close_session(&self, user: &UserId, session: &SessionId, code: CloseCode) -> Result<(), StoreError>;

    /// The user's sessions, oldest first.
    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, StoreError>;
}
