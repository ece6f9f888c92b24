//! Keys of the HTTP API, `auth.api_keys`.

use realtime_gateway_protocol::ServiceName;

/// A key of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The name of the key in the log.
    pub name: String,
    /// The SHA-256 of the key.
    pub sha256: [u8; 32],
    /// The scopes of the key.
    pub scopes: Vec<Scope>,
    /// Whether the configuration lists the scopes. A key without a list has all scopes.
    pub has_scopes: bool,
    /// The only services whose routes the key may use. `None` for a key without this limit.
    pub services: Option<Vec<ServiceName>>,
}

/// A permission of a key of the HTTP API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Send notifications, messages and events.
    Publish,
    /// Read history, sessions and nodes.
    Read,
    /// Disconnect, unsubscribe and delete.
    Admin,
}
