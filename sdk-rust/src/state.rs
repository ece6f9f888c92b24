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
    /// It waits before it tries again, or for the token provider. Holds what went wrong, when something did.
    Waiting(Option<Error>),
    /// It has ended, for good.
    Closed(Error),
}

impl<S> State<S> {
    /// Whether commands reach the gateway at this moment.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected(_))
    }
}
