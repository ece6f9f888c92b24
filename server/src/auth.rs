//! From credentials to an identity: what a verified token says, and what somebody may do.

mod api_keys;
mod bad_tokens;
mod claims;
mod fetch;
mod jwks;
mod jwt;
mod key;
mod mint;
mod permissions;
#[cfg(test)]
mod test_http;
#[cfg(test)]
pub(crate) mod test_tokens;

use std::{collections::HashMap, sync::Arc, time::Duration};

use realtime_gateway_protocol::{DeviceId, ErrorCode, Timestamp, UserId};

use crate::command_error::CommandError;

pub use api_keys::ApiKeys;
pub use bad_tokens::BadTokens;
pub use jwt::{Authenticator, KeySet};
pub use key::KeyError;
pub use mint::{Mint, MintError, Minted, mint};
pub use permissions::{AskAgain, Granted, Permissions, PermissionsError};

/// Who somebody is, and until when that is known.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The token's `sub`.
    pub user: UserId,
    /// The token's `deviceId`, if it has one.
    pub device: Option<DeviceId>,
    /// The token's `exp`.
    pub expires_at: Timestamp,
    /// What the token says that its bearer may do.
    pub grants: Arc<Grants>,
}

/// What a token's claims allow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// `clans`: clan ids, or `*` for all.
    pub clans: Vec<String>,
    /// `topics`: per service, topics, or `*` for all.
    pub topics: HashMap<String, Vec<String>>,
}

/// Why a token is no identity. The texts are for logs and clients: none repeats the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// It is not a token, its signature is wrong, or a claim is missing or not as configured.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// Its life has ended.
    #[error("the token has expired")]
    Expired,
    /// It is not valid, and so were too many others from this address; the next may come after this time.
    #[error("too many tokens from this address are not valid; try again later")]
    Throttled(Duration),
    /// The keys to check it with cannot be had now.
    #[error("the token cannot be checked now; try again")]
    Unavailable,
}

impl From<AuthError> for CommandError {
    fn from(error: AuthError) -> Self {
        let code = match error {
            AuthError::Invalid(_) => ErrorCode::Unauthorized,
            AuthError::Expired => ErrorCode::TokenExpired,
            AuthError::Throttled(after) => return Self::retry(ErrorCode::RateLimited, error.to_string(), after),
            AuthError::Unavailable => return Self { message: error.to_string().into(), ..Self::unavailable() },
        };
        Self::new(code, error.to_string())
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Be told what is published.
    Subscribe,
    /// Publish.
    Publish,
    /// Read the past, or who is present.
    Read,
}
