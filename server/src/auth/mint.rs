//! Signs tokens with the configured secret, for `gateway token` and `POST /dev/token`.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use jsonwebtoken::{EncodingKey, Header, encode};
use realtime_gateway_protocol::{DeviceId, Timestamp, UserId};
use serde::Serialize;

use super::ClaimedSubscription;
use crate::{config, crypto};

/// The content of a token to sign.
#[derive(Debug, Clone)]
pub struct Mint {
    /// The user (`sub`).
    pub user: UserId,
    /// `clans`: clan ids, or `*` for all. Empty for none.
    pub clans: Vec<String>,
    /// `topics`: topics per service. One that ends in `*` stands for all topics with the prefix. Empty for none.
    pub topics: BTreeMap<String, Vec<String>>,
    /// `calls`: calls per service. Empty for none.
    pub calls: BTreeMap<String, Vec<String>>,
    /// `subscribe`: topics to which the sessions of the token are subscribed. Empty for none.
    pub subscribe: Vec<ClaimedSubscription>,
    /// The device id (`deviceId`), if any.
    pub device: Option<DeviceId>,
    /// The lifetime.
    pub ttl: Duration,
}

/// A signed token. It is a secret, so this type does not implement `Debug`.
#[derive(Clone)]
pub struct Minted {
    /// The token, for `Authorization: Bearer` or the `authenticate` command.
    pub token: String,
    /// When the token expires.
    pub expires_at: Timestamp,
}

/// Why a token cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// No shared secret is configured. Public keys cannot sign.
    #[error("there is no secret to sign with: set auth.jwt_secret")]
    NoSecret,
    /// The user `system` is reserved for the gateway itself.
    #[error("no token may carry the user `system`")]
    System,
    /// The library could not sign the token.
    #[error("the token cannot be signed: {0}")]
    Signing(String),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims<'a> {
    sub: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    clans: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    topics: &'a BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    calls: &'a BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    subscribe: &'a [ClaimedSubscription],
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'a str>,
}

/// Signs a token that this configuration accepts, with the first of its secrets (HS256).
///
/// # Errors
/// Returns a [`MintError`] that says what is missing.
pub fn mint(auth: &config::Auth, mint: &Mint) -> Result<Minted, MintError> {
    let secret = auth.jwt_secrets.first().ok_or(MintError::NoSecret)?;
    if mint.user.is_system() {
        return Err(MintError::System);
    }
    crypto::install();
    let now = Timestamp::from(SystemTime::now()).millis() / 1000;
    let exp = now.saturating_add(mint.ttl.as_secs());
    let claims = Claims {
        sub: mint.user.as_str(),
        iat: now,
        exp,
        iss: auth.issuer.as_deref(),
        aud: auth.audiences.iter().find(|audience| *audience != "*").map(String::as_str),
        clans: &mint.clans,
        topics: &mint.topics,
        calls: &mint.calls,
        subscribe: &mint.subscribe,
        device_id: mint.device.as_ref().map(DeviceId::as_str),
    };
    let token = encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.0.as_bytes()))
        .map_err(|error| MintError::Signing(error.to_string()))?;
    Ok(Minted { token, expires_at: Timestamp::from_millis(exp.saturating_mul(1000)) })
}
