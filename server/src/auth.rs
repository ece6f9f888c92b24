//! Verifies credentials and determines what an identity may do.

mod api_keys;
mod bad_tokens;
mod claims;
mod fetch;
mod jwks;
mod jwt;
mod kept_claims;
mod key;
mod key_source;
mod mint;
mod permissions;
#[cfg(test)]
mod test_http;
#[cfg(test)]
pub(crate) mod test_tokens;

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use realtime_gateway_protocol::{DeviceId, ErrorCode, RawJson, ServiceName, Timestamp, TopicName, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    command_error::CommandError,
    store::TokenClaims,
    telemetry::{SecurityEvent, SecurityKind},
};

pub use api_keys::ApiKeys;
pub use bad_tokens::BadTokens;
pub use jwt::{Authenticator, FetchedKeys, KeySet};
pub use kept_claims::KeptClaims;
pub use key::KeyError;
pub use mint::{Mint, MintError, Minted, mint};
pub use permissions::{
    AskAgain, BackendPolicy, CallbackSettings, DecisionTimes, Granted, PermissionObserver, PermissionOutcome,
    Permissions, PermissionsError, Requester, SubscribeDecisions, TopicAccess, TopicPolicies, TopicPolicy,
};

/// A verified identity, valid until its token expires.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The user of the token (`auth.claims.user`).
    pub user: UserId,
    /// The device of the token (`auth.claims.device`), if it has one.
    pub device: Option<DeviceId>,
    /// The token's `exp`.
    pub expires_at: Timestamp,
    /// The grants in the token's claims.
    pub grants: Arc<Grants>,
    /// The claims for the permission service and for backends. `None` when no claim is configured for them.
    pub claims: Option<Arc<KeptClaims>>,
    /// The claims that blocks refer to.
    pub token: TokenClaims,
}

/// The topics and calls that a token's claims grant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// `clans`: clan ids, or `*` for all.
    pub clans: Vec<String>,
    /// `topics`: per service, topics, or prefixes of topics that end in `*`.
    pub topics: HashMap<String, Vec<String>>,
    /// `calls`: per service, the names of calls, or `*` for all.
    pub calls: HashMap<String, Vec<String>>,
    /// `subscribe`: the topics to which a session with the token is subscribed without a command.
    pub subscribe: Vec<ClaimedSubscription>,
}

/// A topic to which a token subscribes its sessions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct ClaimedSubscription {
    /// The service.
    pub service: ServiceName,
    /// The topic.
    pub topic: TopicName,
}

/// Why a token was rejected. The texts go to logs and clients, and never repeat the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// It is malformed, its signature is invalid, or a claim is missing or does not match the configuration.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// Its `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// An operator has blocked the user or this token.
    #[error("the user or this token is blocked")]
    Blocked {
        /// When the block ends.
        until: Timestamp,
    },
    /// It is invalid, and so were too many others from this address. Retry after this time.
    #[error("too many invalid tokens from this address; try again later")]
    Throttled(Duration),
    /// The keys that verify it are unavailable.
    #[error("the token cannot be checked now; try again")]
    Unavailable,
}

impl AuthError {
    /// Returns the security event for this rejection; `None` when the token could not be checked.
    pub(crate) fn security_event<'a>(
        &self,
        address: Option<IpAddr>,
        user: Option<&'a UserId>,
    ) -> Option<SecurityEvent<'a>> {
        let (kind, reason) = match self {
            Self::Invalid(reason) => (SecurityKind::RefusedToken, *reason),
            Self::Expired => (SecurityKind::RefusedToken, "it has expired"),
            Self::Blocked { .. } => (SecurityKind::RevokedUser, "the user or the token is blocked"),
            Self::Throttled(_) => (SecurityKind::ThrottledAddress, "it sent too many invalid tokens"),
            Self::Unavailable => return None,
        };
        Some(SecurityEvent { kind, address, user, reason })
    }
}

impl From<AuthError> for CommandError {
    fn from(error: AuthError) -> Self {
        let code = match error {
            AuthError::Invalid(_) => ErrorCode::Unauthorized,
            AuthError::Expired => ErrorCode::TokenExpired,
            AuthError::Throttled(after) => return Self::retry(ErrorCode::RateLimited, error.to_string(), after),
            AuthError::Unavailable => return Self { message: error.to_string().into(), ..Self::unavailable() },
            AuthError::Blocked { until } => {
                let details = RawJson::encode(&serde_json::json!({ "until": until })).ok();
                return Self { details, ..Self::new(ErrorCode::Forbidden, error.to_string()) };
            }
        };
        Self::new(code, error.to_string())
    }
}

/// An action that requires permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Receive what is published.
    Subscribe,
    /// Publish messages.
    Publish,
    /// Read the history or the presence roster.
    Read,
}
