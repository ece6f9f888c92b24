//! Public keys that an identity provider serves (RFC 7517): cached, fetched by one caller for all, bounded.

mod unknown_kids;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use jsonwebtoken::{AlgorithmFamily, Header, jwk::Jwk};
use parking_lot::Mutex;
use reqwest::redirect::{Action, Attempt, Policy};
use serde::Deserialize;
use tokio::time::timeout;

use self::unknown_kids::UnknownKids;
use super::{
    AuthError, Identity, KeyError,
    claims::verify_with,
    fetch::body,
    key::{Rules, VerifyingKey},
};
use crate::{crypto, drain::Tasks, telemetry::log_limited};

/// The largest answer that is read, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// The most keys that an answer may have. One with more is refused as a whole: a part of it would refuse good tokens.
const MAX_KEYS: usize = 1_000;
/// A token without a `kid` is checked with every key of its algorithm, so only against a set of at most this size.
const MAX_KEYS_WITHOUT_KID: usize = 100;
/// How long a fetch may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long a token may wait for a fetch, which goes on without it.
const WAIT: Duration = Duration::from_secs(1);
/// How many redirects are followed.
const MAX_REDIRECTS: usize = 3;

/// What a token gets whose key the provider does not serve.
const NO_KEY: AuthError = AuthError::Invalid("no key made its signature");

/// The keys that are known now.
type CachedKeys = Arc<[VerifyingKey]>;
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

impl Pace {
    /// How long it is until the next fetch after so many in a row that gave no keys: it doubles up to `between`.
    fn pause(self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => self.between,
            Some(doublings) => self.without_keys.saturating_mul(1 << doublings.min(16)).min(self.between),
        }
    }
}

/// Follows redirects within the origin of the first request, and so never from https to http.
fn follow(attempt: Attempt<'_>) -> Action {
    let stays = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if !stays {
        attempt.error("it redirects to another origin; set auth.jwks_url to where it leads")
    } else if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("it redirects more than 3 times")
    } else {
        attempt.follow()
    }
}

/// The keys behind one URL.
pub(super) struct Jwks {
    url: String,
    rules: Rules,
    pace: Pace,
    client: reqwest::Client,
    /// The fetch under way, which ends within [`TIMEOUT`].
    tasks: Tasks,
    state: Mutex<State>,
}

struct State {
    keys: CachedKeys,
    /// When the request that brought `keys` was sent; `None` before the first answer.
    requested: Option<Instant>,
    /// Whether the last fetch gave keys.
    healthy: bool,
    next_fetch: Instant,
    /// Fetches in a row that gave no keys.
    failures: u32,
    /// The fetch under way. A task drives it, whether a token waits for it or not.
    fetch: Option<WeakShared<BoxFuture<'static, Option<CachedKeys>>>>,
    unknown_kids: UnknownKids,
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
            .redirect(Policy::custom(follow))
            .build()
            .map_err(|error| KeyError::Jwks(error.without_url().to_string()))?;
        let state = State {
            keys: Arc::from([]),
            requested: None,
            healthy: true,
            next_fetch: Instant::now(),
            failures: 0,
            fetch: None,
            unknown_kids: UnknownKids::default(),
        };
        Ok(Self { url: url.to_owned(), rules, pace, client, tasks: Tasks::default(), state: Mutex::new(state) })
    }

    /// Whether the cache can be kept under a new configuration.
    pub(super) fn serves(&self, url: &str, rules: &Rules) -> bool {
        self.url == url && self.rules == *rules
    }

    /// The cached keys, which are fetched first when there are none. Old keys hold until newer ones have come.
    pub(super) async fn keys(self: &Arc<Self>) -> CachedKeys {
        let (keys, fetch) = {
            let mut state = self.state.lock();
            let fresh = state.requested.is_some_and(|requested| requested.elapsed() < self.pace.fresh);
            let fetch = if fresh { None } else { self.join(&mut state) };
            (Arc::clone(&state.keys), fetch)
        };
        match fetch {
            Some(fetch) if keys.is_empty() => fetch.await.unwrap_or(keys),
            _ => keys,
        }
    }

    /// Verifies a token with the cached keys, and with keys that are fetched again when none of those fits.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] when it is not known whether the provider serves the token's key.
    pub(super) async fn verify(self: &Arc<Self>, header: &Header, token: &str) -> Result<Identity, AuthError> {
        // A set has public keys only.
        if AlgorithmFamily::Hmac.algorithms().contains(&header.alg) {
            return Err(NO_KEY);
        }
        let asked = Instant::now();
        let Ok(keys) = timeout(WAIT, self.keys()).await else { return Err(AuthError::Unavailable) };
        if header.kid.is_none() && keys.len() > MAX_KEYS_WITHOUT_KID {
            return Err(AuthError::Invalid("it has no kid, and auth.jwks_url serves more than 100 keys"));
        }
        if let Some(outcome) = verify_with(keys.iter(), header, token) {
            return outcome;
        }
        match header.kid.as_deref().filter(|kid| !keys.iter().any(|key| key.kid.as_deref() == Some(kid))) {
            Some(kid) => self.verify_with_new_kid(kid, header, token, asked).await,
            None => self.verify_with_replaced_key(header, token).await,
        }
    }

    /// Verifies a token whose `kid` is not cached: this is how keys rotate.
    async fn verify_with_new_kid(
        self: &Arc<Self>,
        kid: &str,
        header: &Header,
        token: &str,
        asked: Instant,
    ) -> Result<Identity, AuthError> {
        let (first_asked, fetch) = {
            let mut state = self.state.lock();
            (state.unknown_kids.first_asked(kid, asked), self.join(&mut state))
        };
        if let Some(fetch) = fetch {
            let keys = timeout(WAIT, fetch).await.ok().flatten().ok_or(AuthError::Unavailable)?;
            if let Some(outcome) = verify_with(keys.iter(), header, token) {
                return outcome;
            }
        }
        let state = self.state.lock();
        // A set that was requested before the first token with this kid came may be from before the rotation.
        let settled = state.healthy && state.requested.is_some_and(|requested| requested >= first_asked);
        Err(if settled { NO_KEY } else { AuthError::Unavailable })
    }

    /// Verifies a token that names no key, or one that is cached and did not make its signature. Most such tokens are
    /// forged; a provider that replaced the key under the same `kid` is believed after the next fetch.
    async fn verify_with_replaced_key(self: &Arc<Self>, header: &Header, token: &str) -> Result<Identity, AuthError> {
        let fetch = self.join(&mut self.state.lock());
        let fetched = match fetch {
            Some(fetch) => timeout(WAIT, fetch).await.ok().flatten(),
            None => None,
        };
        if let Some(outcome) = fetched.and_then(|keys| verify_with(keys.iter(), header, token)) {
            return outcome;
        }
        let state = self.state.lock();
        let settled = state.healthy && state.requested.is_some();
        Err(if header.kid.is_some() || settled { NO_KEY } else { AuthError::Unavailable })
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
        state.next_fetch = now + self.pace.without_keys;
        let jwks = Arc::clone(self);
        let fetch = async move { jwks.fetch().await }.boxed().shared();
        state.fetch = fetch.downgrade();
        let driven = fetch.clone();
        self.tasks.spawn(async move { drop(driven.await) });
        Some(fetch)
    }

    async fn fetch(&self) -> Option<CachedKeys> {
        let requested = Instant::now();
        let answer = self.request().await;
        let mut state = self.state.lock();
        state.fetch = None;
        state.healthy = answer.is_ok();
        match answer {
            Ok(keys) => {
                state.failures = 0;
                state.keys = keys;
                state.requested = Some(requested);
                log_limited!(INFO, { keys = state.keys.len() }, "fetched the keys that verify tokens");
            }
            Err(reason) => {
                state.failures = state.failures.saturating_add(1);
                log_limited!(WARN, { reason, cached = state.keys.len() }, "cannot fetch the keys of auth.jwks_url");
            }
        }
        let pause = self.pace.pause(state.failures);
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
    if set.keys.len() > MAX_KEYS {
        return Err(format!("the answer has {} keys, and at most {MAX_KEYS} are read", set.keys.len()));
    }
    let known = set.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    Ok(known.filter_map(|jwk| VerifyingKey::jwk(&jwk, rules)).collect())
}

#[cfg(test)]
mod tests;
