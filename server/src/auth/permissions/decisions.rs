//! Decisions of a service outside the gateway: the permission service, or the backend of a declared service. They are
//! cached, and concurrent identical queries share one request. Without an answer the action is denied, unless an earlier
//! grant is at most `permissions.stale_grace` old.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;

use super::{AskAgain, cache::Cache};
use crate::{config, runtime::backoff::backoff, telemetry::log_limited};

/// The most decisions that are cached.
const CACHE_CAPACITY: usize = 50_000;
/// The size at which the table of pending requests is swept for requests that no caller awaits any more.
const PENDING_SWEEP_SIZE: usize = 1_000;
/// The longest time for which a denial without `ttlSeconds` is cached. It is short, so that a user who has just joined
/// a clan is not kept out.
const MAX_DENIAL_TTL: Duration = Duration::from_secs(2);
/// The longest time for which a decision is cached.
const MAX_TTL: Duration = Duration::from_secs(24 * 3600);
/// The shortest time between two requests about the same subscription, regardless of `ttlSeconds`.
const MIN_RECHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A service that decides.
#[async_trait]
pub(super) trait Decider: Send + Sync + 'static {
    /// A query.
    type Query: Send + Sync + 'static;
    /// What tells the decisions about queries apart.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;

    /// Returns the key of the decision about a query.
    fn key_of(query: &Self::Query) -> Self::Key;

    /// Returns the name of the service in the log: its configuration key.
    fn name(&self) -> String;

    /// Sends a query.
    ///
    /// # Errors
    /// Why there is no usable answer, for the log.
    async fn ask(&self, query: &Self::Query) -> Result<Answer, String>;
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The decision.
    pub(super) verdict: Verdict,
    /// How long it may be used. `None` for `permissions.cache_ttl`.
    pub(super) ttl: Option<Duration>,
}

/// Whether an action is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is allowed.
    Allowed,
    /// It is not allowed. The service may have said why.
    Denied(Option<Arc<Refusal>>),
}

/// What a service says about a denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The HTTP status. `None` over a broker.
    pub(super) status: Option<u16>,
    /// The code of the service.
    pub(super) code: String,
    /// The sentence of the service, if it gives one.
    pub(super) message: Option<String>,
}

/// How long decisions are used without an answer of the service.
#[derive(Debug, Clone, Copy)]
pub struct DecisionTimes {
    /// For how long a decision without `ttlSeconds` is used (`permissions.cache_ttl`).
    pub cache_ttl: Duration,
    /// For how long a grant is used while the service does not answer (`permissions.stale_grace`).
    pub stale_grace: Duration,
}

impl From<&config::Permissions> for DecisionTimes {
    fn from(permissions: &config::Permissions) -> Self {
        Self { cache_ttl: permissions.cache_ttl, stale_grace: permissions.stale_grace }
    }
}

/// A decision of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) verdict: Verdict,
    /// The decision is cached until this time.
    pub(super) cached_until: Instant,
    /// A subscription is checked again at this time.
    pub(super) recheck_at: Instant,
    /// A grant remains valid until this time while the service is unavailable.
    pub(super) stale_until: Instant,
    /// The number of requests that failed since the service made this decision.
    pub(super) failures: u32,
}

impl Decision {
    fn new(Answer { verdict, ttl }: Answer, times: DecisionTimes) -> Self {
        let ttl = match (ttl, &verdict) {
            (Some(ttl), _) => ttl.min(MAX_TTL),
            (None, Verdict::Allowed) => times.cache_ttl.min(MAX_TTL),
            (None, Verdict::Denied(_)) => times.cache_ttl.min(MAX_DENIAL_TTL),
        };
        let now = Instant::now();
        let recheck_at = now + ttl.max(MIN_RECHECK_INTERVAL);
        let stale_until = recheck_at + times.stale_grace;
        Self { verdict, cached_until: now + ttl, recheck_at, stale_until, failures: 0 }
    }

    /// Returns when to check a subscription again that this decision allows.
    pub(super) fn ask_again(&self) -> AskAgain {
        let after = self.recheck_at.saturating_duration_since(Instant::now());
        AskAgain { after, holds_until: self.stale_until }
    }

    /// Extends a grant after a failed request, with a backoff before the next one.
    fn postpone(&mut self, now: Instant) -> Self {
        self.failures = self.failures.saturating_add(1);
        self.cached_until = (now + backoff(self.failures)).min(self.stale_until);
        self.recheck_at = self.cached_until;
        self.clone()
    }
}

type PendingRequest = BoxFuture<'static, Option<Decision>>;

/// The decisions of one service.
pub(super) struct Decisions<D: Decider> {
    decider: D,
    times: DecisionTimes,
    state: Mutex<State<D::Key>>,
    is_failing: AtomicBool,
}

struct State<K> {
    cache: Cache<K>,
    /// Requests in progress. Each is cancelled when its last caller goes away.
    pending: HashMap<K, WeakShared<PendingRequest>>,
}

impl<D: Decider> std::fmt::Debug for Decisions<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decisions").field("of", &self.decider.name()).finish_non_exhaustive()
    }
}

impl<D: Decider> Decisions<D> {
    /// Creates an empty cache of decisions.
    pub(super) fn new(decider: D, times: DecisionTimes) -> Self {
        let state = State { cache: Cache::new(CACHE_CAPACITY), pending: HashMap::new() };
        Self { decider, times, state: Mutex::new(state), is_failing: AtomicBool::new(false) }
    }

    /// Returns the service that decides.
    pub(super) fn decider(&self) -> &D {
        &self.decider
    }

    /// Returns the decision, from the cache if possible. Returns `None` when the service does not answer and no earlier
    /// grant is valid.
    pub(super) async fn decide(self: &Arc<Self>, query: D::Query) -> Option<Decision> {
        let request = {
            let mut state = self.state.lock();
            if let Some(decision) = state.cache.get(&D::key_of(&query), Instant::now()) {
                return Some(decision);
            }
            self.join_or_start(&mut state, query)
        };
        request.await
    }

    fn join_or_start(self: &Arc<Self>, state: &mut State<D::Key>, query: D::Query) -> Shared<PendingRequest> {
        let key = D::key_of(&query);
        if let Some(request) = state.pending.get(&key).and_then(WeakShared::upgrade) {
            return request;
        }
        if state.pending.len() >= PENDING_SWEEP_SIZE {
            state.pending.retain(|_, request| request.upgrade().is_some());
        }
        let decisions = Arc::clone(self);
        let request = async move { decisions.request(query).await }.boxed().shared();
        if let Some(weak) = request.downgrade() {
            state.pending.insert(key, weak);
        }
        request
    }

    async fn request(&self, query: D::Query) -> Option<Decision> {
        let outcome = self.decider.ask(&query).await;
        let key = D::key_of(&query);
        let mut state = self.state.lock();
        state.pending.remove(&key);
        // Log only transitions: once when an outage begins, and once when it ends.
        let failed_before = self.is_failing.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(answer) => {
                let decision = Decision::new(answer, self.times);
                if failed_before {
                    log_limited!(
                        INFO,
                        { service = self.decider.name() },
                        "a service that decides about permissions responds again"
                    );
                }
                if decision.cached_until > Instant::now() {
                    state.cache.insert(key, decision.clone());
                } else {
                    state.cache.remove(&key);
                }
                Some(decision)
            }
            Err(reason) => {
                if !failed_before {
                    log_limited!(
                        WARN,
                        { reason, service = self.decider.name(), stale_grace = ?self.times.stale_grace },
                        "a service that decides about permissions does not respond: earlier grants remain valid for \
                         permissions.stale_grace, and every other action is denied"
                    );
                }
                let now = Instant::now();
                state.cache.stale(&key, now).map(|decision| decision.postpone(now))
            }
        }
    }
}
