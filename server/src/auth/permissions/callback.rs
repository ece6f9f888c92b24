//! Asks a backend service: answers are cached, and one request serves all who ask the same. No answer means no, except
//! where an earlier grant is not older than `permissions.stale_grace`.

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
use realtime_gateway_protocol::UserId;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{AskAgain, cache::Cache};
use crate::{
    auth::{Action, fetch::body},
    backoff::backoff,
    config::{self, Secret},
    crypto,
    telemetry::log_limited,
    topic::Topic,
};

/// Answers that are remembered.
const CACHED: usize = 50_000;
/// Requests under way, after which those that nobody waits for any more are cleared away.
const UNDER_WAY: usize = 1_000;
/// Questions that may wait for one of the requests under way to end. A further one is refused immediately.
const WAITING: usize = 10_000;
/// The largest answer that is read, in bytes.
const MAX_BYTES: usize = 16 * 1024;
/// An answer that does not say how long it holds holds no longer than this when it is a no: who was just let into a
/// clan shall not be kept out of it.
const REFUSED: Duration = Duration::from_secs(2);
/// The longest time for which an answer is believed.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// A subscription is not asked about more often than this, however short the answers hold.
const SHORTEST: Duration = Duration::from_secs(1);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) user: UserId,
    pub(super) action: Action,
    pub(super) topic: Topic,
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) allowed: bool,
    /// Until then it is not asked again.
    pub(super) until: Instant,
    /// Then a subscription is asked about again.
    pub(super) ask_at: Instant,
    /// Until then a grant holds while the service cannot be asked.
    pub(super) holds_until: Instant,
    /// Requests that failed since the service gave this answer.
    pub(super) failures: u32,
}

impl Answer {
    /// When to ask again for a subscription that this answer allows.
    pub(super) fn ask_again(&self) -> AskAgain {
        let after = self.ask_at.saturating_duration_since(Instant::now());
        AskAgain { after, holds_until: self.holds_until }
    }

    /// The service could not be asked: the grant goes on, and the next request waits a while.
    fn postpone(&mut self, now: Instant) -> Self {
        self.failures = self.failures.saturating_add(1);
        self.until = (now + backoff(self.failures)).min(self.holds_until);
        self.ask_at = self.until;
        *self
    }
}

type Asking = BoxFuture<'static, Option<Answer>>;

/// A backend service that decides.
pub(super) struct Callback {
    url: Secret,
    cache_ttl: Duration,
    stale_grace: Duration,
    client: reqwest::Client,
    /// How long an answer may take, and how long a question may wait before it is asked.
    timeout: Duration,
    in_flight: Semaphore,
    waiting: AtomicUsize,
    state: Mutex<State>,
    failing: AtomicBool,
}

struct State {
    cache: Cache,
    /// Each ends with the last caller that waits for it.
    under_way: HashMap<Question, WeakShared<Asking>>,
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callback").finish_non_exhaustive()
    }
}

/// The body of an answer.
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
            // Connections that are kept are then no more than those in use can be.
            .pool_max_idle_per_host(permissions.max_in_flight)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.without_url().to_string())?;
        let state = State { cache: Cache::new(CACHED), under_way: HashMap::new() };
        Ok(Self {
            url: url.clone(),
            cache_ttl: permissions.cache_ttl,
            stale_grace: permissions.stale_grace,
            client,
            timeout: permissions.timeout,
            in_flight: Semaphore::new(permissions.max_in_flight.min(Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            state: Mutex::new(state),
            failing: AtomicBool::new(false),
        })
    }

    /// The answer, from the cache when it still holds; `None` when the service does not answer and no earlier grant
    /// holds.
    pub(super) async fn ask(self: &Arc<Self>, question: Question) -> Option<Answer> {
        let asking = {
            let mut state = self.state.lock();
            if let Some(answer) = state.cache.get(&question, Instant::now()) {
                return Some(answer);
            }
            self.join(&mut state, question)
        };
        asking.await
    }

    fn join(self: &Arc<Self>, state: &mut State, question: Question) -> Shared<Asking> {
        if let Some(asking) = state.under_way.get(&question).and_then(WeakShared::upgrade) {
            return asking;
        }
        if state.under_way.len() >= UNDER_WAY {
            state.under_way.retain(|_, asking| asking.upgrade().is_some());
        }
        let (callback, asked) = (Arc::clone(self), question.clone());
        let asking = async move { callback.request(asked).await }.boxed().shared();
        if let Some(weak) = asking.downgrade() {
            state.under_way.insert(question, weak);
        }
        asking
    }

    async fn request(&self, question: Question) -> Option<Answer> {
        let outcome = match self.turn().await {
            Ok(_turn) => self.fetch(&question).await,
            Err(reason) => Err(reason.to_owned()),
        };
        let mut state = self.state.lock();
        state.under_way.remove(&question);
        // Said once for a whole outage, and once when it is over.
        let failed_before = self.failing.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(answer) => {
                if failed_before {
                    log_limited!(INFO, {}, "permissions.url answers again");
                }
                if answer.until > Instant::now() {
                    state.cache.insert(question, answer);
                } else {
                    state.cache.remove(&question);
                }
                Some(answer)
            }
            Err(reason) => {
                if !failed_before {
                    log_limited!(
                        WARN,
                        { reason, stale_grace = ?self.stale_grace },
                        "permissions.url does not answer: what it granted holds for permissions.stale_grace, and everything \
                         else is refused"
                    );
                }
                let now = Instant::now();
                state.cache.stale(&question, now).map(|answer| answer.postpone(now))
            }
        }
    }

    /// Waits until fewer than `permissions.max_in_flight` requests are under way, for as long as an answer may take.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, &'static str> {
        if let Ok(turn) = self.in_flight.try_acquire() {
            return Ok(turn);
        }
        let waiting = Waiting::new(&self.waiting).ok_or("too many questions wait for permissions.max_in_flight")?;
        let turn = tokio::time::timeout(self.timeout, self.in_flight.acquire()).await;
        drop(waiting);
        match turn {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err("permissions.max_in_flight requests are under way, and none of them ended in time"),
        }
    }

    async fn fetch(&self, question: &Question) -> Result<Answer, String> {
        let action = match question.action {
            Action::Subscribe => "subscribe",
            Action::Publish => "publish",
            Action::Read => "read",
        };
        let topic = match &question.topic {
            Topic::User(user) => user.as_str(),
            Topic::Clan(clan) => clan.as_str(),
            Topic::Service(_, topic) => topic.as_str(),
        };
        let asked = json!({
            "userId": question.user, "action": action, "service": question.topic.service(), "topic": topic,
        });
        let body = body(self.client.post(&self.url.0).json(&asked).send().await, MAX_BYTES).await?;
        let body: Body = serde_json::from_slice(&body).map_err(|_| "the answer is not {allowed, ttlSeconds?}")?;
        let ttl = match (body.ttl_seconds, body.allowed) {
            (Some(seconds), _) => Duration::from_secs(seconds).min(LONGEST),
            (None, true) => self.cache_ttl.min(LONGEST),
            (None, false) => self.cache_ttl.min(REFUSED),
        };
        let now = Instant::now();
        let ask_at = now + ttl.max(SHORTEST);
        Ok(Answer {
            allowed: body.allowed,
            until: now + ttl,
            ask_at,
            holds_until: ask_at + self.stale_grace,
            failures: 0,
        })
    }
}

/// A question that waits; it no longer does when this is dropped, also because nobody waits for its answer any more.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
