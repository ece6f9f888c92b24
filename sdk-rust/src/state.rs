//! What an app can be told about the connection.

use std::sync::Arc;

use realtime_gateway_protocol::Connected;

use crate::Error;

/// Whether the client is connected. The machine leaves the greeting as it came, an app gets it read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum State<S = Arc<Connected>> {
    /// Nothing was asked of the client yet.
    Idle,
    /// It opens a connection or waits for its identity to be confirmed.
    Connecting,
    /// It is connected; the gateway's greeting tells who, until when, and within which limits.
    Connected(S),
    /// It is connected, but the token could not be renewed, for this reason. The session ends with the token unless a
    /// later attempt succeeds.
    Expiring(S, Error),
    /// It waits before it tries again, or for the token provider. Holds what went wrong, when something did.
    Waiting(Option<Error>),
    /// It has stopped. The app closed it, for good; or, by another close code, the gateway or the token provider ended
    /// it (replaced by another session, no valid token, disconnected by an operator). Then nothing is tried until the
    /// app resumes it, and its streams wait for that.
    Closed(Error),
}

impl<S> State<S> {
    /// Whether commands reach the gateway at this moment.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected(_) | Self::Expiring(..))
    }
}
