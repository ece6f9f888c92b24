//! Sessions of all nodes. One atomic step decides which sessions are admitted and which are evicted.

use std::sync::Arc;

use async_trait::async_trait;
use realtime_gateway_protocol::{CloseCode, DeviceId, SessionId, Timestamp, UserId};

use super::{Block, StoreError, TokenClaims};

/// A live session. Every node can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The session.
    pub id: SessionId,
    /// The user.
    pub user: UserId,
    /// The device, if the client has sent it.
    pub device: Option<DeviceId>,
    /// The id of the node to which the client is connected.
    pub node: Arc<str>,
    /// When the session was opened.
    pub since: Timestamp,
    /// The id of the running client program. Clients that reconnect automatically generate it once.
    pub instance: Option<Arc<str>>,
    /// The number of the connection attempt of this instance.
    pub attempt: Option<u64>,
    /// The claims of the session's token, which admission checks against [`Blocks`](super::Blocks). Empty in records
    /// that a shared store returns.
    pub token: TokenClaims,
}

/// What happens when a user has too many sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExcess {
    /// The oldest session is evicted.
    Replace,
    /// The new session is refused.
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

/// The limits for sessions of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// The maximum number of sessions of a user (or device).
    pub max: usize,
    /// What happens beyond the limit.
    pub on_excess: OnExcess,
    /// What the limit counts.
    pub key: SessionKey,
    /// The maximum number of devices of a user, if sessions are counted by device. Beyond it the sessions of the oldest
    /// device are evicted.
    pub max_devices: usize,
}

/// The result of opening a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// The session is admitted. These sessions were evicted, oldest first.
    Admitted(Vec<SessionRecord>),
    /// The session is refused, because the limit is reached and the policy is [`OnExcess::Reject`].
    Refused,
    /// A newer connection attempt of the same client instance, or a newer session, is already admitted.
    Superseded,
    /// The token of the session is blocked by this block.
    Blocked(Block),
}

/// A page of the users who have sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserPage {
    /// The page begins after this user. `None` for the first page.
    pub after: Option<UserId>,
    /// The maximum number of users.
    pub at_most: usize,
}

/// A user who has sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedUser {
    /// The user.
    pub user: UserId,
    /// The number of the user's sessions on all nodes.
    pub sessions: u64,
}

/// The users of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectedUsers {
    /// The users, in the order of the bytes of their ids.
    pub users: Vec<ConnectedUser>,
    /// Whether there are more users after them.
    pub more: bool,
}

/// Sessions of all nodes. One atomic step decides which are admitted; [`admission`](crate::admission) has the rules.
///
/// A record exists as long as its node holds its lease. With an outbox, the step that creates a record writes
/// `session.opened.<userId>` (`{sessionId, deviceId?}`, event id `opened-<sessionId>`), and the step that removes the
/// record writes `session.closed.<userId>` (`{sessionId, code, durationMs}`, event id `closed-<sessionId>`). Each is
/// written exactly once, regardless of which operation removes the record. The step that evicts a session of another
/// node also puts [`ControlMessage::Close`](super::ControlMessage) with code 4409 into the mailbox of that node.
#[async_trait]
pub trait Sessions {
    /// Admits a session of this node, evicting others if necessary, or refuses it.
    async fn open_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError>;

    /// Restores the record of a session of this node after it was lost with an epoch or a lease. Sessions are ordered
    /// by [`since`](SessionRecord::since) and the newest are kept; if this session is not among them, the result is
    /// `Superseded`. A record that still exists is not changed.
    async fn restore_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError>;

    /// Removes a session's record, if it exists. The event for backend services contains `code`.
    async fn close_session(&self, user: &UserId, session: &SessionId, code: CloseCode) -> Result<(), StoreError>;

    /// Returns the user's sessions, oldest first.
    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, StoreError>;

    /// Returns users who have sessions on any node.
    async fn connected_users(&self, page: UserPage) -> Result<ConnectedUsers, StoreError>;
}
