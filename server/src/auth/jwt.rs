//! Verifies tokens (RFC 7519) with configured secrets and public keys, and with the keys of identity providers, which
//! are fetched first. The `iss` of a token decides which of them may verify it.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::decode_header;
use parking_lot::RwLock;
use serde::Deserialize;
use tokio::time::sleep;

use super::{
    AuthError, Identity, KeyError,
    claims::{ClaimReader, Unverified, verify_with},
    jwks::{FetchSchedule, Jwks},
    key::{Rules, VerifyingKey},
    key_source::KeySource,
};
use crate::{config, crypto, json_object::from_object};

/// The longest token that is accepted, in bytes.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The pause between two looks whether keys of an identity provider have to be fetched again.
const REFRESH_PAUSE: Duration = Duration::from_secs(1);

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
    /// The keys of `auth.jwks_url`.
    jwks: Option<Arc<Jwks>>,
    /// The keys of each issuer of `auth.oidc_issuer`. Only they verify the tokens that name the issuer.
    providers: Vec<(String, Arc<Jwks>)>,
    reader: ClaimReader,
}

/// The result of a fetch of keys, for `gateway check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedKeys {
    /// The key of the configuration, and for `auth.oidc_issuer` the issuer.
    pub source: String,
    /// Why there are no keys, if there are none.
    pub problem: Option<String>,
}

impl Authenticator {
    /// Prepares the configured keys. Keys of identity providers are fetched by [`Authenticator::keep_keys_fresh`], or by
    /// the first token that needs them.
    ///
    /// # Errors
    /// Returns a [`KeyError`] when there is no key, or one that cannot be used.
    pub fn new(auth: &config::Auth) -> Result<Self, KeyError> {
        Self::with_schedule(auth, FetchSchedule::default())
    }

    pub(super) fn with_schedule(auth: &config::Auth, schedule: FetchSchedule) -> Result<Self, KeyError> {
        crypto::install();
        let keys = Keys::new(auth, schedule, &[])?;
        Ok(Self { keys: RwLock::new(Arc::new(keys)), schedule })
    }

    /// Prepares the keys and rules of a new configuration, for use with [`Authenticator::replace`].
    ///
    /// # Errors
    /// The same as [`Authenticator::new`].
    pub fn prepare(&self, auth: &config::Auth) -> Result<KeySet, KeyError> {
        let previous: Vec<_> = self.keys.read().fetched().cloned().collect();
        Ok(KeySet(Keys::new(auth, self.schedule, &previous)?))
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

    /// Fetches the keys of identity providers before a token needs them: at the start, after a reload that adds a
    /// provider, and when the cached ones are old. Runs until it is dropped.
    pub async fn keep_keys_fresh(self: Arc<Self>) {
        loop {
            // The lock is not held while a fetch starts.
            let keys = Arc::clone(&self.keys.read());
            keys.fetched().for_each(Jwks::refresh);
            drop(keys);
            sleep(REFRESH_PAUSE).await;
        }
    }

    /// Fetches the keys of all identity providers now, and returns what came of it.
    pub async fn fetch_keys(&self) -> Vec<FetchedKeys> {
        let keys = Arc::clone(&self.keys.read());
        let fetches = keys.fetched().map(|jwks| async move {
            FetchedKeys { source: jwks.source().name(), problem: jwks.fetch_now().await.err() }
        });
        futures_util::future::join_all(fetches).await
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
        let unverified = Unverified { header: &header, text: token, reader: &keys.reader };
        if let Some(provider) = keys.provider(token) {
            return provider.verify(unverified).await;
        }
        if let Some(outcome) = verify_with(&keys.configured, unverified) {
            return outcome;
        }
        match &keys.jwks {
            Some(jwks) => jwks.verify(unverified).await,
            None if keys.configured.is_empty() => {
                Err(AuthError::Invalid("its issuer (iss) is none of auth.oidc_issuer"))
            }
            None => Err(AuthError::Invalid("no key made its signature")),
        }
    }
}

impl Keys {
    /// Creates the keys. Those that were fetched before, and that the new configuration fetches from the same source
    /// for the same rules, stay in use.
    fn new(auth: &config::Auth, schedule: FetchSchedule, previous: &[Arc<Jwks>]) -> Result<Self, KeyError> {
        let rules = Rules::new(auth);
        let mut configured: Vec<_> =
            auth.jwt_secrets.iter().map(|secret| VerifyingKey::secret(secret, &rules)).collect();
        for (index, pem) in auth.jwt_public_keys.iter().enumerate() {
            configured.push(VerifyingKey::pem(pem, &rules).map_err(|problem| KeyError::Pem(index + 1, problem))?);
        }
        let fetched_from =
            |source: KeySource, rules: Rules| match previous.iter().find(|jwks| jwks.matches_config(&source, &rules)) {
                Some(jwks) => Ok(Arc::clone(jwks)),
                None => Jwks::new(source, rules, schedule).map(Arc::new),
            };
        let jwks = auth.jwks_url.as_ref().map(|url| fetched_from(KeySource::Url(url.clone()), rules));
        let provider = |issuer: &String| {
            let jwks = fetched_from(KeySource::Issuer(issuer.clone()), Rules::of_issuer(auth, issuer))?;
            Ok((issuer.clone(), jwks))
        };
        let providers = auth.oidc_issuers.iter().map(provider).collect::<Result<Vec<_>, _>>()?;
        let keys = Self { configured, jwks: jwks.transpose()?, providers, reader: ClaimReader::new(auth) };
        if keys.configured.is_empty() && keys.fetched().next().is_none() { Err(KeyError::None) } else { Ok(keys) }
    }

    /// Returns the keys that are fetched.
    fn fetched(&self) -> impl Iterator<Item = &Arc<Jwks>> {
        self.jwks.iter().chain(self.providers.iter().map(|(_, jwks)| jwks))
    }

    /// Returns the keys of the provider that a token names, without verifying it. The keys of a provider verify only
    /// tokens with its issuer, so a token that names another one gains nothing.
    fn provider(&self, token: &str) -> Option<&Arc<Jwks>> {
        #[derive(Deserialize)]
        struct Issued {
            iss: String,
        }
        if self.providers.is_empty() {
            return None;
        }
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let Issued { iss } = from_object(&claims)?;
        self.providers.iter().find(|(issuer, _)| *issuer == iss).map(|(_, jwks)| jwks)
    }
}

#[cfg(test)]
mod tests;
