//! Reads the claims of a token and turns them into an identity.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use jsonwebtoken::{
    Header, decode,
    errors::{Error, ErrorKind},
};
use realtime_gateway_protocol::{DeviceId, Timestamp, TokenId, UserId};
use serde::Deserialize;

use super::{AuthError, ClaimedSubscription, Grants, Identity, key::VerifyingKey};
use crate::store::{ServerSubscription, TokenClaims};

/// The claims of a token. All are optional, so that the error can name a missing one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    sub: Option<String>,
    /// Seconds since 1970, possibly with a fraction (RFC 7519, section 2, NumericDate).
    exp: Option<f64>,
    /// A NumericDate too. Any other type counts as absent; a block of earlier tokens includes tokens without `iat`.
    #[serde(default)]
    iat: Option<serde_json::Value>,
    #[serde(default)]
    jti: Option<serde_json::Value>,
    clans: Option<Vec<String>>,
    topics: Option<HashMap<String, Vec<String>>>,
    calls: Option<HashMap<String, Vec<String>>>,
    subscribe: Option<Vec<ClaimedSubscription>>,
    device_id: Option<String>,
}

/// Tries the keys that fit the token's header. Returns `None` when none of them made the signature.
pub(super) fn verify_with<'a>(
    keys: impl IntoIterator<Item = &'a VerifyingKey>,
    header: &Header,
    token: &str,
) -> Option<Result<Identity, AuthError>> {
    keys.into_iter().filter(|key| fits(key, header)).find_map(|key| {
        match decode::<Claims>(token, &key.decoding, &key.validation) {
            Ok(data) => Some(identity(data.claims, key.validation.leeway)),
            Err(error) if is_key_mismatch(&error) => None,
            Err(error) => Some(Err(rejection(&error))),
        }
    })
}

fn fits(key: &VerifyingKey, header: &Header) -> bool {
    let named = match (&key.kid, &header.kid) {
        (Some(key), Some(token)) => key == token,
        _ => true,
    };
    named && key.validation.algorithms.contains(&header.alg)
}

/// Returns whether to try the next key. A key that is malformed counts like one that did not make the signature.
fn is_key_mismatch(error: &Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::MissingRequiredClaim(_)
            | ErrorKind::InvalidClaimFormat(_)
            | ErrorKind::ExpiredSignature
            | ErrorKind::ImmatureSignature
            | ErrorKind::InvalidIssuer
            | ErrorKind::InvalidAudience
            | ErrorKind::Json(_)
    )
}

fn rejection(error: &Error) -> AuthError {
    AuthError::Invalid(match error.kind() {
        ErrorKind::ExpiredSignature => return AuthError::Expired,
        ErrorKind::ImmatureSignature => "it is not valid yet (nbf)",
        ErrorKind::InvalidIssuer => "its issuer (iss) is not the configured one",
        ErrorKind::InvalidAudience => "its audience (aud) is not the configured one",
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "exp" => "it has no exp",
            "sub" => "it has no sub",
            "iss" => "it has no iss",
            _ => "it has no aud",
        },
        _ => "a claim has the wrong type",
    })
}

fn identity(claims: Claims, leeway_seconds: u64) -> Result<Identity, AuthError> {
    let user = UserId::new(claims.sub.unwrap_or_default())
        .map_err(|_| AuthError::Invalid("its sub is not an identifier of 1 to 128 bytes"))?;
    if user.is_system() {
        return Err(AuthError::Invalid("its sub is `system`, which is reserved for the gateway"));
    }
    let device = claims.device_id.map(DeviceId::new).transpose();
    let device = device.map_err(|_| AuthError::Invalid("its deviceId is not an identifier of 1 to 128 bytes"))?;
    let expires_at = time(claims.exp.unwrap_or_default());
    // The library compares whole seconds, so it accepts a token for up to a second after the leeway has ended. A
    // session that starts then would end immediately.
    let now = Timestamp::from(SystemTime::now()).millis();
    if now >= expires_at.millis().saturating_add(leeway_seconds.saturating_mul(1000)) {
        return Err(AuthError::Expired);
    }
    let token = TokenClaims {
        issued_at: claims.iat.as_ref().and_then(serde_json::Value::as_f64).map(time),
        id: claims.jti.as_ref().and_then(serde_json::Value::as_str).and_then(|jti| TokenId::new(jti).ok()),
    };
    let subscribe = claims.subscribe.unwrap_or_default();
    if subscribe.len() > ServerSubscription::MAX_PER_USER {
        return Err(AuthError::Invalid("its claim `subscribe` has more than 100 topics"));
    }
    let grants = Grants {
        clans: claims.clans.unwrap_or_default(),
        topics: claims.topics.unwrap_or_default(),
        calls: claims.calls.unwrap_or_default(),
        subscribe,
    };
    Ok(Identity { user, device, expires_at, grants: Arc::new(grants), token })
}

/// Converts a NumericDate to a timestamp. The conversion saturates; timestamps end with the year 9999.
fn time(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0) as u64)
}
