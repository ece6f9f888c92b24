//! Signs tokens with the configured secret, for `gateway token` and `POST /dev/token`.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use jsonwebtoken::{EncodingKey, Header, encode};
use realtime_gateway_protocol::{DeviceId, Timestamp, UserId};
use serde_json::{Map, Value};

use super::ClaimedSubscription;
use crate::{
    config::{self, ClaimPath, TopicTemplate},
    crypto,
};

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
    let claims = claims(auth, mint, now, exp);
    let token = encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.0.as_bytes()))
        .map_err(|error| MintError::Signing(error.to_string()))?;
    Ok(Minted { token, expires_at: Timestamp::from_millis(exp.saturating_mul(1000)) })
}

/// Returns the claims, each where this configuration reads it (`auth.claims.*`).
fn claims(auth: &config::Auth, mint: &Mint, now: u64, exp: u64) -> Map<String, Value> {
    let mapping = &auth.claims;
    let mut claims = Map::new();
    put(&mut claims, &mapping.user, mint.user.as_str().into());
    if let Some(device) = &mint.device {
        put(&mut claims, &mapping.device, device.as_str().into());
    }
    let clan = |clan: &String| mapping.clans_template.as_ref().map_or_else(|| clan.clone(), |form| form.word(clan));
    if !mint.clans.is_empty() {
        put(&mut claims, &mapping.clans, mint.clans.iter().map(clan).collect());
    }
    put_by_service(&mut claims, &mapping.topics, mapping.topics_template.as_ref(), &mint.topics);
    put_by_service(&mut claims, &mapping.calls, mapping.calls_template.as_ref(), &mint.calls);
    if !mint.subscribe.is_empty() {
        claims.insert("subscribe".into(), serde_json::json!(mint.subscribe));
    }
    let audience = auth.audiences.iter().find(|audience| *audience != "*");
    for (name, text) in [("iss", auth.issuer.as_ref()), ("aud", audience)] {
        if let Some(text) = text {
            claims.insert(name.into(), text.as_str().into());
        }
    }
    claims.insert("iat".into(), now.into());
    claims.insert("exp".into(), exp.into());
    claims
}

fn put_by_service(
    claims: &mut Map<String, Value>,
    path: &ClaimPath,
    template: Option<&TopicTemplate>,
    grants: &BTreeMap<String, Vec<String>>,
) {
    if grants.is_empty() {
        return;
    }
    let value = match template {
        Some(template) => {
            let words = |(service, names): (&String, &Vec<String>)| {
                names.iter().map(|name| template.word(service, name)).collect::<Vec<_>>()
            };
            grants.iter().flat_map(words).collect()
        }
        None => serde_json::json!(grants),
    };
    put(claims, path, value);
}

/// Puts a value at a path. A list is added to one that is there already, because several claims may share a path.
fn put(claims: &mut Map<String, Value>, path: &ClaimPath, value: Value) {
    let mut members = path.members().peekable();
    let mut object = claims;
    while let Some(member) = members.next() {
        let place = object.entry(member).or_insert(Value::Null);
        if members.peek().is_none() {
            match (place, value) {
                (Value::Array(words), Value::Array(more)) => words.extend(more),
                (place, value) => *place = value,
            }
            return;
        }
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(inner) = place else { return };
        object = inner;
    }
}
