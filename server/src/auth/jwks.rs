//! Public keys that an identity provider serves (RFC 7517). They are cached; concurrent callers share one fetch, and
//! the size and rate of fetches are limited.

mod unknown_kids;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use jsonwebtoken::{AlgorithmFamily, jwk::Jwk};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::timeout;

use self::unknown_kids::UnknownKids;
use super::{
    AuthError, Identity, KeyError,
    claims::{Unverified, verify_with},
    fetch::body,
    key::{Rules, VerifyingKey},
    key_source::KeySource,
};
use crate::{crypto, json_object::from_object, runtime::tasks::Tasks, telemetry::log_limited};

/// The largest response that is read, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// The most keys in a response. A larger set is rejected as a whole, because reading a part of it would reject valid
/// tokens.
const MAX_KEYS: usize = 1_000;
/// The largest set against which a token without a `kid` is checked, because every key of its algorithm has to be
/// tried.
const MAX_KEYS_WITHOUT_KID: usize = 100;
/// The time limit of a request. For an issuer, a fetch is two requests.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the verification of a token waits for a fetch. The fetch continues in the background.
const WAIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The error for a token whose key the provider does not serve.
const NO_KEY: AuthError = AuthError::Invalid("no key made its signature");

/// The cached keys.
type CachedKeys = Arc<[VerifyingKey]>;
type Fetch = Shared<BoxFuture<'static, Option<CachedKeys>>>;

/// Why keys are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The cached keys are old, or there are none yet.
    Schedule,
    /// A token needs keys that are not cached.
    Token,
}

/// The schedule of fetches.
#[derive(Debug, Clone, Copy)]
pub(super) struct FetchSchedule {
    /// The shortest time between two successful fetches that tokens cause, so that made-up `kid`s do not load the
    /// provider.
    pub(super) min_interval: Duration,
    /// The delay before the first retry after a failed fetch.
    pub(super) retry_delay: Duration,
    /// The age after which cached keys are fetched again, so that withdrawn keys are dropped and new ones are known
    /// before a token names them.
    pub(super) max_age: Duration,
}

impl Default for FetchSchedule {
    fn default() -> Self {
        Self {
            min_interval: Duration::from_secs(30),
            retry_delay: Duration::from_secs(1),
            max_age: Duration::from_secs(5 * 60),
        }
    }
}

impl FetchSchedule {
    /// Returns the delay before the next fetch after `failures` failed ones in a row. It doubles up to `min_interval`.
    fn delay(self, failures: u32) -> Duration {
        match failures.checked_sub(1) {
            None => self.min_interval,
            Some(doublings) => self.retry_delay.saturating_mul(1 << doublings.min(16)).min(self.min_interval),
        }
    }
}

/// The keys of one source.
pub(super) struct Jwks {
    source: KeySource,
    rules: Rules,
    schedule: FetchSchedule,
    client: reqwest::Client,
    /// Runs the current fetch, which ends within [`FETCH_TIMEOUT`].
    tasks: Tasks,
    state: Mutex<State>,
}

struct State {
    keys: CachedKeys,
    /// When the request for the current `keys` was sent; `None` before the first response.
    requested: Option<Instant>,
    /// Why the last fetch failed; `None` when it succeeded.
    problem: Option<String>,
    next_fetch: Instant,
    /// The number of failed fetches in a row.
    failures: u32,
    /// The current fetch. A task drives it, so it completes even when no token waits for it.
    fetch: Option<WeakShared<BoxFuture<'static, Option<CachedKeys>>>>,
    unknown_kids: UnknownKids,
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwks").finish_non_exhaustive()
    }
}

impl Jwks {
    pub(super) fn new(source: KeySource, rules: Rules, schedule: FetchSchedule) -> Result<Self, KeyError> {
        let client = crypto::https_client()
            .timeout(FETCH_TIMEOUT)
            .redirect(source.redirects())
            .build()
            .map_err(|error| KeyError::Client(error.without_url().to_string()))?;
        let state = State {
            keys: Arc::from([]),
            requested: None,
            problem: None,
            next_fetch: Instant::now(),
            failures: 0,
            fetch: None,
            unknown_kids: UnknownKids::default(),
        };
        Ok(Self { source, rules, schedule, client, tasks: Tasks::default(), state: Mutex::new(state) })
    }

    /// Returns whether the cache can be kept under a new configuration.
    pub(super) fn matches_config(&self, source: &KeySource, rules: &Rules) -> bool {
        self.source == *source && self.rules == *rules
    }

    /// Returns where the keys come from.
    pub(super) fn source(&self) -> &KeySource {
        &self.source
    }

    /// Starts a fetch if the cached keys are old and none is under way.
    pub(super) fn refresh(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if !self.is_fresh(&state) {
            // A task drives the fetch.
            drop(self.join_or_start(&mut state, Cause::Schedule));
        }
    }

    /// Fetches the keys now unless they are fresh.
    ///
    /// # Errors
    /// The problem, when no keys are available.
    pub(super) async fn fetch_now(self: &Arc<Self>) -> Result<(), String> {
        if self.keys().await.is_empty() {
            return Err(self.state.lock().problem.clone().unwrap_or_else(|| "no keys are available".into()));
        }
        Ok(())
    }

    fn is_fresh(&self, state: &State) -> bool {
        state.requested.is_some_and(|requested| requested.elapsed() < self.schedule.max_age)
    }

    /// Returns the cached keys, and fetches them first when there are none. Old keys stay in use until newer ones
    /// arrive.
    pub(super) async fn keys(self: &Arc<Self>) -> CachedKeys {
        let (keys, fetch) = {
            let mut state = self.state.lock();
            let fetch = if self.is_fresh(&state) { None } else { self.join_or_start(&mut state, Cause::Token) };
            (Arc::clone(&state.keys), fetch)
        };
        match fetch {
            Some(fetch) if keys.is_empty() => fetch.await.unwrap_or(keys),
            _ => keys,
        }
    }

    /// Verifies a token with the cached keys. Fetches the keys again when none of them fits.
    ///
    /// # Errors
    /// Returns [`AuthError::Unavailable`] when it is unknown whether the provider serves the token's key.
    pub(super) async fn verify(self: &Arc<Self>, token: Unverified<'_>) -> Result<Identity, AuthError> {
        let header = token.header;
        // A JWKS contains public keys only.
        if AlgorithmFamily::Hmac.algorithms().contains(&header.alg) {
            return Err(NO_KEY);
        }
        let received_at = Instant::now();
        let Ok(keys) = timeout(WAIT_TIMEOUT, self.keys()).await else { return Err(AuthError::Unavailable) };
        if header.kid.is_none() && keys.len() > MAX_KEYS_WITHOUT_KID {
            return Err(AuthError::Invalid("it has no kid, and its provider has more than 100 keys"));
        }
        if let Some(outcome) = verify_with(keys.iter(), token) {
            return outcome;
        }
        match header.kid.as_deref().filter(|kid| !keys.iter().any(|key| key.kid.as_deref() == Some(kid))) {
            Some(kid) => self.verify_with_new_kid(kid, token, received_at).await,
            None => self.verify_with_replaced_key(token).await,
        }
    }

    /// Verifies a token whose `kid` is not cached, which happens when keys rotate.
    async fn verify_with_new_kid(
        self: &Arc<Self>,
        kid: &str,
        token: Unverified<'_>,
        received_at: Instant,
    ) -> Result<Identity, AuthError> {
        let (first_seen, fetch) = {
            let mut state = self.state.lock();
            (state.unknown_kids.first_seen(kid, received_at), self.join_or_start(&mut state, Cause::Token))
        };
        if let Some(fetch) = fetch {
            let keys = timeout(WAIT_TIMEOUT, fetch).await.ok().flatten().ok_or(AuthError::Unavailable)?;
            if let Some(outcome) = verify_with(keys.iter(), token) {
                return outcome;
            }
        }
        let state = self.state.lock();
        // A set that was requested before the first token with this kid arrived may predate the rotation.
        let settled = state.problem.is_none() && state.requested.is_some_and(|requested| requested >= first_seen);
        Err(if settled { NO_KEY } else { AuthError::Unavailable })
    }

    /// Verifies a token without a `kid`, or with a cached `kid` whose key did not make the signature. Most such tokens
    /// are forged. A key that the provider replaced under the same `kid` takes effect with the next fetch.
    async fn verify_with_replaced_key(self: &Arc<Self>, token: Unverified<'_>) -> Result<Identity, AuthError> {
        let fetch = self.join_or_start(&mut self.state.lock(), Cause::Token);
        let fetched = match fetch {
            Some(fetch) => timeout(WAIT_TIMEOUT, fetch).await.ok().flatten(),
            None => None,
        };
        if let Some(outcome) = fetched.and_then(|keys| verify_with(keys.iter(), token)) {
            return outcome;
        }
        let state = self.state.lock();
        let settled = state.problem.is_none() && state.requested.is_some();
        Err(if token.header.kid.is_some() || settled { NO_KEY } else { AuthError::Unavailable })
    }

    /// Joins the current fetch, or starts a new one when the schedule allows it.
    fn join_or_start(self: &Arc<Self>, state: &mut State, cause: Cause) -> Option<Fetch> {
        if let Some(fetch) = state.fetch.as_ref().and_then(WeakShared::upgrade) {
            return Some(fetch);
        }
        let now = Instant::now();
        if now < state.next_fetch {
            return None;
        }
        // Provisional: the fetch sets the final time when it completes. This applies if it is cancelled or panics.
        state.next_fetch = now + self.schedule.retry_delay;
        let jwks = Arc::clone(self);
        let fetch = async move { jwks.fetch(cause).await }.boxed().shared();
        state.fetch = fetch.downgrade();
        let driver = fetch.clone();
        self.tasks.spawn(async move { drop(driver.await) });
        Some(fetch)
    }

    async fn fetch(&self, cause: Cause) -> Option<CachedKeys> {
        let requested = Instant::now();
        let response = self.request().await;
        let (mut state, source) = (self.state.lock(), self.source.name());
        state.fetch = None;
        match &response {
            Ok(keys) => {
                state.failures = 0;
                state.problem = None;
                state.keys = Arc::clone(keys);
                state.requested = Some(requested);
                log_limited!(INFO, { source, keys = keys.len() }, "fetched the keys that verify tokens");
            }
            Err(reason) => {
                state.failures = state.failures.saturating_add(1);
                state.problem = Some(reason.clone());
                log_limited!(WARN, { source, reason, cached = state.keys.len() }, "cannot fetch the keys that verify tokens");
            }
        }
        let pause = match (cause, state.failures) {
            // So that a key which the provider adds right after a scheduled fetch is not unknown for the whole interval.
            (Cause::Schedule, 0) => Duration::ZERO,
            (_, failures) => self.schedule.delay(failures),
        };
        state.next_fetch = Instant::now() + pause;
        response.ok()
    }

    async fn request(&self) -> Result<CachedKeys, String> {
        let url = self.source.url(&self.client).await?;
        let body = body(self.client.get(url).send().await, MAX_BYTES).await?;
        let keys = parse(&body, &self.rules)?;
        if keys.is_empty() { Err("the response has no public key for signatures".into()) } else { Ok(keys.into()) }
    }
}

/// Parses a JWK set. Keys that are not understood are skipped (RFC 7517, section 5).
fn parse(body: &[u8], rules: &Rules) -> Result<Vec<VerifyingKey>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = from_object(body).ok_or("the response is not a JWK set")?;
    if set.keys.len() > MAX_KEYS {
        return Err(format!("the response has {} keys, and at most {MAX_KEYS} are read", set.keys.len()));
    }
    let known = set.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    Ok(known.filter_map(|jwk| VerifyingKey::jwk(&jwk, rules)).collect())
}

#[cfg(test)]
mod tests;
