//! Verifies tokens (RFC 7519): with secrets and public keys at once, with keys of a JWKS after fetching them.

use std::sync::Arc;

use jsonwebtoken::{Header, decode_header};
use parking_lot::RwLock;

use super::{
    AuthError, Identity, KeyError,
    claims::verify_with,
    jwks::{Jwks, Pace},
    key::{Rules, VerifyingKey},
};
use crate::{config, crypto};

/// The longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Turns tokens into identities.
#[derive(Debug)]
pub struct Authenticator {
    keys: RwLock<Arc<Keys>>,
    pace: Pace,
}

/// The keys of one configuration.
#[derive(Debug)]
struct Keys {
    own: Vec<VerifyingKey>,
    jwks: Option<Arc<Jwks>>,
}

impl Authenticator {
    /// Prepares the configured keys. Keys of a JWKS are fetched by the first token that needs them.
    ///
    /// # Errors
    /// [`KeyError`] when there is no key, or one that cannot be used.
    pub fn new(auth: &config::Auth) -> Result<Self, KeyError> {
        Self::with_pace(auth, Pace::default())
    }

    pub(super) fn with_pace(auth: &config::Auth, pace: Pace) -> Result<Self, KeyError> {
        crypto::install();
        let keys = Keys::new(auth, pace, None)?;
        Ok(Self { keys: RwLock::new(Arc::new(keys)), pace })
    }

    /// Takes over the keys and rules of a new configuration; tokens that were verified stay so.
    ///
    /// # Errors
    /// As [`Authenticator::new`]; the keys stay as they are then.
    pub fn reload(&self, auth: &config::Auth) -> Result<(), KeyError> {
        let before = Arc::clone(&self.keys.read());
        let keys = Keys::new(auth, self.pace, before.jwks.as_ref())?;
        *self.keys.write() = Arc::new(keys);
        Ok(())
    }

    /// Fetches the keys of the JWKS now, if there is one; false when it gives none.
    pub async fn fetch_keys(&self) -> bool {
        let keys = Arc::clone(&self.keys.read());
        match &keys.jwks {
            Some(jwks) => !jwks.keys().await.is_empty(),
            None => true,
        }
    }

    /// Verifies a token. This waits only when keys must be fetched, and then for a few seconds at most.
    ///
    /// # Errors
    /// [`AuthError`] says why the token is no identity.
    pub async fn verify(&self, token: &str) -> Result<Identity, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::Invalid("it is longer than 16 KiB"));
        }
        let header = decode_header(token)
            .map_err(|_| AuthError::Invalid("it is not a JWT that is signed with a known algorithm"))?;
        // Extensions that the issuer wants understood, and none is (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(AuthError::Invalid("it wants extensions (crit)"));
        }
        let keys = Arc::clone(&self.keys.read());
        if let Some(outcome) = verify_with(&keys.own, &header, token) {
            return outcome;
        }
        match &keys.jwks {
            Some(jwks) => verify_fetched(jwks, &header, token).await,
            None => Err(AuthError::Invalid("no key made its signature")),
        }
    }
}

impl Keys {
    fn new(auth: &config::Auth, pace: Pace, before: Option<&Arc<Jwks>>) -> Result<Self, KeyError> {
        let rules = Rules::new(auth);
        let mut own: Vec<_> = auth.jwt_secrets.iter().map(|secret| VerifyingKey::secret(secret, &rules)).collect();
        for (index, pem) in auth.jwt_public_keys.iter().enumerate() {
            own.push(VerifyingKey::pem(pem, &rules).map_err(|problem| KeyError::Pem(index + 1, problem))?);
        }
        let jwks = match (&auth.jwks_url, before) {
            (None, _) => None,
            (Some(url), Some(before)) if before.serves(url, &rules) => Some(Arc::clone(before)),
            (Some(url), _) => Some(Arc::new(Jwks::new(url, rules, pace)?)),
        };
        if own.is_empty() && jwks.is_none() { Err(KeyError::None) } else { Ok(Self { own, jwks }) }
    }
}

async fn verify_fetched(jwks: &Arc<Jwks>, header: &Header, token: &str) -> Result<Identity, AuthError> {
    let keys = jwks.keys().await;
    if let Some(outcome) = verify_with(keys.iter(), header, token) {
        return outcome;
    }
    let wrong = AuthError::Invalid("no key made its signature");
    if header.kid.is_some() && keys.iter().any(|key| key.kid == header.kid) {
        return Err(wrong);
    }
    // The key may be newer than what is cached: this is how keys rotate.
    let keys = jwks.refetch().await?;
    verify_with(keys.iter(), header, token).unwrap_or(Err(wrong))
}

#[cfg(test)]
mod tests;
