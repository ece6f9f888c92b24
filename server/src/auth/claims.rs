//! Verifies a token with keys and turns its claims into an identity.

mod reader;

use std::{sync::Arc, time::SystemTime};

use jsonwebtoken::{
    Header, decode,
    errors::{Error, ErrorKind},
};
use realtime_gateway_protocol::{Timestamp, TokenId};
use serde_json::Value;

use self::reader::Claims;
use super::{AuthError, Identity, key::VerifyingKey};
use crate::store::TokenClaims;

pub(super) use self::reader::ClaimReader;

/// A token that is not verified yet, and the reader of its claims.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unverified<'a> {
    pub(super) header: &'a Header,
    pub(super) text: &'a str,
    pub(super) reader: &'a ClaimReader,
}

/// Tries the keys that fit the token's header. Returns `None` when none of them made the signature.
pub(super) fn verify_with<'a>(
    keys: impl IntoIterator<Item = &'a VerifyingKey>,
    token: Unverified<'_>,
) -> Option<Result<Identity, AuthError>> {
    keys.into_iter().filter(|key| fits(key, token.header)).find_map(|key| {
        match decode::<Claims>(token.text, &key.decoding, &key.validation) {
            Ok(data) => Some(identity(&data.claims, token.reader, key.validation.leeway)),
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
            "iss" => "it has no iss",
            _ => "it has no aud",
        },
        _ => "a claim has the wrong type",
    })
}

fn identity(claims: &Claims, reader: &ClaimReader, leeway_seconds: u64) -> Result<Identity, AuthError> {
    let (user, device) = (reader.user(claims)?, reader.device(claims)?);
    // Seconds since 1970, possibly with a fraction (RFC 7519, section 2, NumericDate).
    let seconds = |name: &str| claims.get(name).and_then(Value::as_f64);
    let expires_at = time(seconds("exp").ok_or(AuthError::Invalid("it has no exp"))?);
    // The library compares whole seconds, so it accepts a token for up to a second after the leeway has ended. A
    // session that starts then would end immediately.
    let now = Timestamp::from(SystemTime::now()).millis();
    if now >= expires_at.millis().saturating_add(leeway_seconds.saturating_mul(1000)) {
        return Err(AuthError::Expired);
    }
    // An `iat` or `jti` of another type counts as absent; a block of earlier tokens includes tokens without `iat`.
    let token = TokenClaims {
        issued_at: seconds("iat").map(time),
        id: claims.get("jti").and_then(Value::as_str).and_then(|jti| TokenId::new(jti).ok()),
    };
    let grants = Arc::new(reader.grants(claims)?);
    Ok(Identity { user, device, expires_at, grants, claims: reader.kept(claims).map(Arc::new), token })
}

/// Converts a NumericDate to a timestamp. The conversion saturates; timestamps end with the year 9999.
fn time(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0) as u64)
}
