//! Public keys that an identity provider serves (RFC 7517): cached, fetched by one caller for all, bounded.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use jsonwebtoken::jwk::Jwk;
use parking_lot::Mutex;
use serde::Deserialize;

use super::{
    AuthError, KeyError,
    fetch::body,
    key::{Rules, VerifyingKey},
};
use crate::crypto;

/// The largest answer that is read, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// The most keys that are taken from one answer.
const MAX_KEYS: usize = 100;
/// How long a fetch may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The keys that are known now.
pub(super) type CachedKeys = Arc<[VerifyingKey]>;
type Fetch = Shared<BoxFuture<'static, Option<CachedKeys>>>;

/// How often keys are fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// At least so long between two fetches, so that made-up `kid`s cost the provider nothing.
    pub(super) between: Duration,
    /// At least so long after a fetch that left us without any key.
    pub(super) without_keys: Duration,
    /// After so long keys are fetched anew, so that a withdrawn one is forgotten.
    pub(super) fresh: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            between: Duration::from_secs(30),
            without_keys: Duration::from_secs(1),
            fresh: Duration::from_secs(10 * 60),
        }
    }
}

/// The keys behind one URL.
pub(super) struct Jwks {
    url: String,
    rules: Rules,
    pace: Pace,
    client: reqwest::Client,
    state: Mutex<State>,
}

struct State {
    keys: CachedKeys,
    /// When `keys` were served; `None` before the first answer.
    served: Option<Instant>,
    /// Whether the last fetch gave keys.
    healthy: bool,
    next_fetch: Instant,
    /// Ends with the last caller that waits for it.
    fetch: Option<WeakShared<BoxFuture<'static, Option<CachedKeys>>>>,
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwks").finish_non_exhaustive()
    }
}

impl Jwks {
    pub(super) fn new(url: &str, rules: Rules, pace: Pace) -> Result<Self, KeyError> {
        let client = crypto::https_client()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::limited(3))
            .build()
            .map_err(|error| KeyError::Jwks(error.without_url().to_string()))?;
        let state = State { keys: Arc::from([]), served: None, healthy: true, next_fetch: Instant::now(), fetch: None };
        Ok(Self { url: url.to_owned(), rules, pace, client, state: Mutex::new(state) })
    }

    /// Whether the cache can be kept under a new configuration.
    pub(super) fn serves(&self, url: &str, rules: &Rules) -> bool {
        self.url == url && self.rules == *rules
    }

    /// The cached keys, fetched when there are none or they are old. When the provider is away, old keys still hold.
    pub(super) async fn keys(self: &Arc<Self>) -> CachedKeys {
        let (keys, fetch) = {
            let mut state = self.state.lock();
            let fresh = state.served.is_some_and(|served| served.elapsed() < self.pace.fresh);
            let fetch = if fresh { None } else { self.join(&mut state) };
            (Arc::clone(&state.keys), fetch)
        };
        match fetch {
            Some(fetch) => fetch.await.unwrap_or(keys),
            None => keys,
        }
    }

    /// Fetches the keys again, unless that was done a moment ago.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] when the provider is away, so that nobody can say whether the key exists.
    pub(super) async fn refetch(self: &Arc<Self>) -> Result<CachedKeys, AuthError> {
        let fetch = {
            let mut state = self.state.lock();
            match self.join(&mut state) {
                Some(fetch) => fetch,
                None if state.healthy && state.served.is_some() => return Ok(Arc::clone(&state.keys)),
                None => return Err(AuthError::Unavailable),
            }
        };
        fetch.await.ok_or(AuthError::Unavailable)
    }

    /// The fetch that is under way, or a new one when it is time.
    fn join(self: &Arc<Self>, state: &mut State) -> Option<Fetch> {
        if let Some(fetch) = state.fetch.as_ref().and_then(WeakShared::upgrade) {
            return Some(fetch);
        }
        let now = Instant::now();
        if now < state.next_fetch {
            return None;
        }
        // Should all callers go away meanwhile, the fetch is dropped with them and may be tried again soon.
        state.next_fetch = now + self.pace.without_keys;
        let jwks = Arc::clone(self);
        let fetch = async move { jwks.fetch().await }.boxed().shared();
        state.fetch = fetch.downgrade();
        Some(fetch)
    }

    async fn fetch(&self) -> Option<CachedKeys> {
        let answer = self.request().await;
        let mut state = self.state.lock();
        state.fetch = None;
        state.healthy = answer.is_ok();
        match answer {
            Ok(keys) => {
                state.keys = keys;
                state.served = Some(Instant::now());
                tracing::info!(keys = state.keys.len(), "fetched the keys that verify tokens");
            }
            Err(reason) => {
                tracing::warn!(reason, cached = state.keys.len(), "cannot fetch the keys of auth.jwks_url");
            }
        }
        let pause = if state.served.is_some() { self.pace.between } else { self.pace.without_keys };
        state.next_fetch = Instant::now() + pause;
        state.healthy.then(|| Arc::clone(&state.keys))
    }

    async fn request(&self) -> Result<CachedKeys, String> {
        let body = body(self.client.get(&self.url).send().await, MAX_BYTES).await?;
        let keys = parse(&body, &self.rules)?;
        if keys.is_empty() { Err("the answer has no public key for signatures".into()) } else { Ok(keys.into()) }
    }
}

/// One key that is not understood does not spoil the others (RFC 7517, section 5).
fn parse(body: &[u8], rules: &Rules) -> Result<Vec<VerifyingKey>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(body).map_err(|_| "the answer is not a JWK set".to_owned())?;
    let known = set.keys.into_iter().take(MAX_KEYS).filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    Ok(known.filter_map(|jwk| VerifyingKey::jwk(&jwk, rules)).collect())
}

#[cfg(test)]
mod tests;
