//! Verifies tokens (RFC 7519) with configured secrets and public keys, and with the keys of a JWKS, which are fetched
//! first.

use std::sync::Arc;

use jsonwebtoken::decode_header;
use parking_lot::RwLock;

use super::{
    AuthError, Identity, KeyError,
    claims::verify_with,
    jwks::{FetchSchedule, Jwks},
    key::{Rules, VerifyingKey},
};
use crate::{config, crypto};

/// The longest token that is accepted, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Verifies tokens and returns identities.
#[derive(Debug)]
pub struct Authenticator {
    keys: RwLock<Arc<Keys>>,
    schedule: FetchSchedule,
}

/// Validated keys that are not in use yet.
#[derive(Debug)]
pub struct KeySet(Keys);

/// The keys of one configuration.
#[derive(Debug)]
struct Keys {
    /// Configured secrets and public keys.
    configured: Vec<VerifyingKey>,
    jwks: Option<Arc<Jwks>>,
}

impl Authenticator {
    /// Prepares the configured keys. Keys of a JWKS are fetched by the first token that needs them.
    ///
    /// # Errors
    /// Returns a [`KeyError`] when there is no key, or one that cannot be used.
    pub fn new(auth: &config::Auth) -> Result<Self, KeyError> {
        Self::with_schedule(auth, FetchSchedule::default())
    }

    pub(super) fn with_schedule(auth: &config::Auth, schedule: FetchSchedule) -> Result<Self, KeyError> {
        crypto::install();
        let keys = Keys::new(auth, schedule, None)?;
        Ok(Self { keys: RwLock::new(Arc::new(keys)), schedule })
    }

    /// Prepares the keys and rules of a new configuration, for use with [`Authenticator::replace`].
    ///
    /// # Errors
    /// The same as [`Authenticator::new`].
    pub fn prepare(&self, auth: &config::Auth) -> Result<KeySet, KeyError> {
        let previous = Arc::clone(&self.keys.read());
        Ok(KeySet(Keys::new(auth, self.schedule, previous.jwks.as_ref())?))
    }

    /// Prepares new keys and puts them into use.
    #[cfg(test)]
    pub(super) fn reload(&self, auth: &config::Auth) -> Result<(), KeyError> {
        self.prepare(auth).map(|keys| self.replace(keys))
    }

    /// Puts new keys and rules into use. Tokens that were verified before remain valid.
    pub fn replace(&self, keys: KeySet) {
        *self.keys.write() = Arc::new(keys.0);
    }

    /// Fetches the keys of the JWKS now, if one is configured. Returns false when no keys are available.
    pub async fn fetch_keys(&self) -> bool {
        let keys = Arc::clone(&self.keys.read());
        match &keys.jwks {
            Some(jwks) => !jwks.keys().await.is_empty(),
            None => true,
        }
    }

    /// Verifies a token. Waits only when keys must be fetched, for a few seconds at most.
    ///
    /// # Errors
    /// Returns the [`AuthError`] that explains why the token was rejected.
    pub async fn verify(&self, token: &str) -> Result<Identity, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::Invalid("it is longer than 16 KiB"));
        }
        let header = decode_header(token)
            .map_err(|_| AuthError::Invalid("it is not a JWT that is signed with a known algorithm"))?;
        // `crit` names extensions that a verifier must understand (RFC 7515, section 4.1.11). None are supported.
        if header.crit.is_some() {
            return Err(AuthError::Invalid("it requires extensions (crit)"));
        }
        let keys = Arc::clone(&self.keys.read());
        if let Some(outcome) = verify_with(&keys.configured, &header, token) {
            return outcome;
        }
        match &keys.jwks {
            Some(jwks) => jwks.verify(&header, token).await,
            None => Err(AuthError::Invalid("no key made its signature")),
        }
    }
}

impl Keys {
    fn new(auth: &config::Auth, schedule: FetchSchedule, previous: Option<&Arc<Jwks>>) -> Result<Self, KeyError> {
        let rules = Rules::new(auth);
        let mut configured: Vec<_> =
            auth.jwt_secrets.iter().map(|secret| VerifyingKey::secret(secret, &rules)).collect();
        for (index, pem) in auth.jwt_public_keys.iter().enumerate() {
            configured.push(VerifyingKey::pem(pem, &rules).map_err(|problem| KeyError::Pem(index + 1, problem))?);
        }
        let jwks = match (&auth.jwks_url, previous) {
            (None, _) => None,
            (Some(url), Some(previous)) if previous.matches_config(url, &rules) => Some(Arc::clone(previous)),
            (Some(url), _) => Some(Arc::new(Jwks::new(url, rules, schedule)?)),
        };
        if configured.is_empty() && jwks.is_none() { Err(KeyError::None) } else { Ok(Self { configured, jwks }) }
    }
}

#[cfg(test)]
mod tests;
