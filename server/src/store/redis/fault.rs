//! What goes wrong with Redis while it is used.

use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::{StoreError, copy::Abandoned};

/// What a node of a cluster answers to `SELECT`.
const NO_DATABASES: &str = "SELECT is not allowed in cluster mode";

/// Why a step on Redis failed.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Fault {
    /// There is no connection.
    #[error("{0}")]
    Away(Arc<str>),
    /// It did not answer in time.
    #[error("Redis did not answer in time")]
    Late,
    /// Too much waits for an answer.
    #[error("too much waits for Redis")]
    Full,
    /// The connection is of no use any more: it broke, or the server takes no writes now.
    #[error("{0}")]
    Connection(Arc<str>),
    /// The server does not know the script.
    #[error("Redis does not know a script of the gateway")]
    NoScript,
    /// The server refuses.
    #[error("Redis refuses: {0}")]
    Refused(Arc<str>),
    /// It answers something that no script of this version answers.
    #[error("Redis answers what this version does not understand")]
    Strange,
    /// A later version has written there.
    #[error(
        "its data has format {0}, which is newer than this version's; start the version that wrote it, or a later one"
    )]
    Newer(u32),
    /// The server is a node of a Redis Cluster.
    #[error(
        "it is a node of a Redis Cluster (cluster_enabled:1), which this version does not support: \
         use one Redis server (cluster-enabled no) or Sentinel"
    )]
    Cluster,
    /// Whoever wanted the data has gone.
    #[error("the copy was abandoned")]
    Abandoned,
    /// The store is closed, for good.
    #[error("the store is closed")]
    Closed,
}

impl Fault {
    /// Whether the connection has to be made anew.
    pub(super) fn breaks_the_connection(&self) -> bool {
        matches!(self, Self::Connection(_) | Self::Late)
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
            ) => Self::Cluster,
            // A cluster knows one database only, which is said before the server can be asked what it is.
            _ if text.contains(NO_DATABASES) => Self::Cluster,
            ErrorKind::Server(
                ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading,
            ) => Self::Connection(text),
            ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed => Self::Refused(text),
            _ if error.is_timeout() => Self::Late,
            _ => Self::Connection(text),
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

/// The error without what was sent: Redis repeats the arguments of commands that it does not know.
fn shown(error: &RedisError) -> Arc<str> {
    let text = error.to_string();
    let text = text.split("with args beginning").next().unwrap_or_default();
    text.lines().next().unwrap_or_default().trim_end_matches([',', ' ', ':']).into()
}
