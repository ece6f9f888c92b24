//! The error type of requests to Redis.

use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::{StoreError, copy::Abandoned};

/// The reply to `SELECT` of a node of a Redis Cluster.
const NO_DATABASES: &str = "SELECT is not allowed in cluster mode";

/// Why a request to Redis failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Fault {
    /// There is no connection.
    #[error("{0}")]
    Disconnected(Arc<str>),
    /// Redis did not reply in time.
    #[error("Redis did not answer in time")]
    TimedOut,
    /// The requests that wait for a reply have too many bytes.
    #[error("too many requests wait for Redis")]
    QueueFull,
    /// The connection broke, or the server does not accept writes any more, so the connection has to be replaced.
    #[error("{0}")]
    ConnectionBroken(Arc<str>),
    /// The server does not have the script (`NOSCRIPT`).
    #[error("Redis does not know a script of the gateway")]
    NoScript,
    /// The server replied with another error, such as `OOM` or `NOPERM`.
    #[error("Redis refuses: {0}")]
    ErrorReply(Arc<str>),
    /// The reply does not have the form that this version expects.
    #[error("Redis sent a reply that this version does not understand")]
    UnexpectedReply,
    /// The reply belongs to another request, so later replies on this connection may as well.
    #[error("a reply from Redis belongs to another request")]
    MismatchedReply,
    /// A later version of the gateway has written the data, in a newer format.
    #[error(
        "its data has format {0}, which is newer than this version's; start the version that wrote it, or a later one"
    )]
    NewerFormat(u32),
    /// The server is a node of a Redis Cluster.
    #[error(
        "it is a node of a Redis Cluster (cluster_enabled:1), which this version does not support: \
         use one Redis server (cluster-enabled no) or Sentinel"
    )]
    ClusterNode,
    /// The receiver of a copy was dropped.
    #[error("the copy was abandoned")]
    Abandoned,
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl Fault {
    /// Returns whether the connection has to be replaced.
    pub(super) fn requires_new_connection(&self) -> bool {
        matches!(self, Self::ConnectionBroken(_) | Self::TimedOut | Self::MismatchedReply)
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        let text = shown(&error);
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => Self::NoScript,
            ErrorKind::Server(
                ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::CrossSlot,
            ) => Self::ClusterNode,
            // A cluster has one database only. `SELECT` fails during login, before `INFO` can report the mode.
            _ if text.contains(NO_DATABASES) => Self::ClusterNode,
            ErrorKind::Server(
                ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading,
            ) => Self::ConnectionBroken(text),
            ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed => Self::ErrorReply(text),
            _ if error.is_timeout() => Self::TimedOut,
            _ => Self::ConnectionBroken(text),
        }
    }
}

impl From<Abandoned> for Fault {
    fn from(_: Abandoned) -> Self {
        Self::Abandoned
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.to_string().into())
    }
}

/// Returns the text of an error without the arguments of the command, which Redis repeats for an unknown command.
fn shown(error: &RedisError) -> Arc<str> {
    let text = error.to_string();
    let text = text.split("with args beginning").next().unwrap_or_default();
    text.lines().next().unwrap_or_default().trim_end_matches([',', ' ', ':']).into()
}
