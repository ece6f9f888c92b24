//! Asks a backend service for permissions. Decisions are cached, and concurrent identical queries share one request.
//! Without an answer the action is denied, unless an earlier grant is at most `permissions.stale_grace` old.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;
use realtime_gateway_protocol::{MethodName, ServiceName, UserId};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{AskAgain, cache::Cache};
use crate::{
    auth::{Action, fetch::body},
    config::{self, Secret},
    crypto,
    runtime::backoff::backoff,
    telemetry::log_limited,
    topic::Topic,
};

/// The most decisions that are cached.
const CACHE_CAPACITY: usize = 50_000;
/// The size at which the table of pending requests is swept for requests that no caller awaits any more.
const PENDING_SWEEP_SIZE: usize = 1_000;
/// The most queries that may wait for a request slot. Further ones fail immediately.
const MAX_WAITING: usize = 10_000;
/// The largest response that is read, in bytes.
const MAX_BYTES: usize = 16 * 1024;
/// The longest time for which a denial without `ttlSeconds` is cached. It is short, so that a user who has just joined
/// a clan is not kept out.
const MAX_DENIAL_TTL: Duration = Duration::from_secs(2);
/// The longest time for which a decision is cached.
const MAX_TTL: Duration = Duration::from_secs(24 * 3600);
/// The shortest time between two requests about the same subscription, regardless of `ttlSeconds`.
const MIN_RECHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A query to the backend service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum PermissionQuery {
    /// May a user perform an action on a topic?
    Topic { user: UserId, action: Action, topic: Topic },
    /// May a user use a call of a service?
    Call { user: UserId, service: ServiceName, method: MethodName },
}

impl PermissionQuery {
    /// Returns the body of the request.
    fn body(&self) -> serde_json::Value {
        match self {
            Self::Topic { user, action, topic } => {
                let action = match action {
                    Action::Subscribe => "subscribe",
                    Action::Publish => "publish",
                    Action::Read => "read",
                };
                let name = match topic {
                    Topic::User(user) => user.as_str(),
                    Topic::Clan(clan) => clan.as_str(),
                    Topic::Service(_, topic) => topic.as_str(),
                };
                json!({ "userId": user, "action": action, "service": topic.service(), "topic": name })
            }
            Self::Call { user, service, method } => {
                json!({ "userId": user, "action": "call", "service": service, "method": method })
            }
        }
    }
}

/// A decision of the backend service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) allowed: bool,
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
        *self
    }
}

type PendingRequest = BoxFuture<'static, Option<Decision>>;

/// The client of the backend service that decides.
pub(super) struct Callback {
    url: Secret,
    cache_ttl: Duration,
    stale_grace: Duration,
    client: reqwest::Client,
    /// The time limit of a request, and of the wait for a request slot.
    timeout: Duration,
    in_flight: Semaphore,
    waiting: AtomicUsize,
    state: Mutex<State>,
    is_failing: AtomicBool,
}

struct State {
    cache: Cache,
    /// Requests in progress. Each is cancelled when its last caller goes away.
    pending: HashMap<PermissionQuery, WeakShared<PendingRequest>>,
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callback").finish_non_exhaustive()
    }
}

/// The body of a response.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    allowed: bool,
    ttl_seconds: Option<u64>,
}

impl Callback {
    pub(super) fn new(url: &Secret, permissions: &config::Permissions) -> Result<Self, String> {
        let client = crypto::https_client()
            .timeout(permissions.timeout)
            // Idle connections are limited to the number that can be in use.
            .pool_max_idle_per_host(permissions.max_in_flight)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.without_url().to_string())?;
        let state = State { cache: Cache::new(CACHE_CAPACITY), pending: HashMap::new() };
        Ok(Self {
            url: url.clone(),
            cache_ttl: permissions.cache_ttl,
            stale_grace: permissions.stale_grace,
            client,
            timeout: permissions.timeout,
            in_flight: Semaphore::new(permissions.max_in_flight.min(Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            state: Mutex::new(state),
            is_failing: AtomicBool::new(false),
        })
    }

    /// Returns the decision, from the cache if possible. Returns `None` when the service does not answer and no earlier
    /// grant is valid.
    pub(super) async fn decide(self: &Arc<Self>, query: PermissionQuery) -> Option<Decision> {
        let request = {
            let mut state = self.state.lock();
            if let Some(decision) = state.cache.get(&query, Instant::now()) {
                return Some(decision);
            }
            self.join_or_start(&mut state, query)
        };
        request.await
    }

    fn join_or_start(self: &Arc<Self>, state: &mut State, query: PermissionQuery) -> Shared<PendingRequest> {
        if let Some(request) = state.pending.get(&query).and_then(WeakShared::upgrade) {
            return request;
        }
        if state.pending.len() >= PENDING_SWEEP_SIZE {
            state.pending.retain(|_, request| request.upgrade().is_some());
        }
        let (callback, sent_query) = (Arc::clone(self), query.clone());
        let request = async move { callback.request(sent_query).await }.boxed().shared();
        if let Some(weak) = request.downgrade() {
            state.pending.insert(query, weak);
        }
        request
    }

    async fn request(&self, query: PermissionQuery) -> Option<Decision> {
        let outcome = match self.acquire_slot().await {
            Ok(_permit) => self.fetch(&query).await,
            Err(reason) => Err(reason.to_owned()),
        };
        let mut state = self.state.lock();
        state.pending.remove(&query);
        // Log only transitions: once when an outage begins, and once when it ends.
        let failed_before = self.is_failing.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(decision) => {
                if failed_before {
                    log_limited!(INFO, {}, "permissions.url responds again");
                }
                if decision.cached_until > Instant::now() {
                    state.cache.insert(query, decision);
                } else {
                    state.cache.remove(&query);
                }
                Some(decision)
            }
            Err(reason) => {
                if !failed_before {
                    log_limited!(
                        WARN,
                        { reason, stale_grace = ?self.stale_grace },
                        "permissions.url does not respond: earlier grants remain valid for permissions.stale_grace, \
                         and every other action is denied"
                    );
                }
                let now = Instant::now();
                state.cache.stale(&query, now).map(|decision| decision.postpone(now))
            }
        }
    }

    /// Waits for one of the `permissions.max_in_flight` request slots, for at most `permissions.timeout`.
    async fn acquire_slot(&self) -> Result<SemaphorePermit<'_>, &'static str> {
        if let Ok(permit) = self.in_flight.try_acquire() {
            return Ok(permit);
        }
        let waiting = WaitingGuard::new(&self.waiting).ok_or("too many queries wait for permissions.max_in_flight")?;
        let permit = tokio::time::timeout(self.timeout, self.in_flight.acquire()).await;
        drop(waiting);
        match permit {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err("permissions.max_in_flight requests are in progress, and none of them completed in time"),
        }
    }

    async fn fetch(&self, query: &PermissionQuery) -> Result<Decision, String> {
        let body = body(self.client.post(&self.url.0).json(&query.body()).send().await, MAX_BYTES).await?;
        let body: Body = serde_json::from_slice(&body).map_err(|_| "the response is not {allowed, ttlSeconds?}")?;
        let ttl = match (body.ttl_seconds, body.allowed) {
            (Some(seconds), _) => Duration::from_secs(seconds).min(MAX_TTL),
            (None, true) => self.cache_ttl.min(MAX_TTL),
            (None, false) => self.cache_ttl.min(MAX_DENIAL_TTL),
        };
        let now = Instant::now();
        let recheck_at = now + ttl.max(MIN_RECHECK_INTERVAL);
        Ok(Decision {
            allowed: body.allowed,
            cached_until: now + ttl,
            recheck_at,
            stale_until: recheck_at + self.stale_grace,
            failures: 0,
        })
    }
}

/// Counts a query that waits for a request slot. Dropped when the query gets one, or when its callers have all gone
/// away.
struct WaitingGuard<'a>(&'a AtomicUsize);

impl<'a> WaitingGuard<'a> {
    fn new(count: &'a AtomicUsize) -> Option<Self> {
        // Create the guard before comparing: when the limit is reached, dropping it takes the increment back.
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(waiting)
    }
}

impl Drop for WaitingGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
