//! Asks a backend service: answers are cached, one request serves all who ask the same, and no answer means no.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
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

use super::cache::Cache;
use crate::{
    auth::{Action, fetch::body},
    config::Secret,
    crypto,
    topic::Topic,
};

/// Answers that are remembered.
const CACHED: usize = 50_000;
/// Requests under way, after which those that nobody waits for any more are cleared away.
const UNDER_WAY: usize = 1_000;
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
}

impl Answer {
    pub(super) fn ask_again(&self) -> Duration {
        self.ask_at.saturating_duration_since(Instant::now())
    }
}

type Asking = BoxFuture<'static, Option<Answer>>;

/// A backend service that decides.
pub(super) struct Callback {
    url: Secret,
    cache_ttl: Duration,
    client: reqwest::Client,
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
    pub(super) fn new(url: &Secret, timeout: Duration, cache_ttl: Duration) -> Result<Self, String> {
        let client = crypto::https_client()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.without_url().to_string())?;
        let state = State { cache: Cache::new(CACHED), under_way: HashMap::new() };
        Ok(Self { url: url.clone(), cache_ttl, client, state: Mutex::new(state), failing: AtomicBool::new(false) })
    }

    /// The answer, from the cache when it still holds; `None` when there is none to be had.
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
        let outcome = self.fetch(&question).await;
        let mut state = self.state.lock();
        state.under_way.remove(&question);
        // Said once for a whole outage, and once when it is over.
        let failed_before = self.failing.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Ok(answer) => {
                if failed_before {
                    tracing::info!("permissions.url answers again");
                }
                if answer.until > Instant::now() {
                    state.cache.insert(question, answer);
                }
                Some(answer)
            }
            Err(reason) => {
                if !failed_before {
                    tracing::warn!(reason, "permissions.url does not answer: what it decides is refused");
                }
                None
            }
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
            (None, true) => self.cache_ttl,
            (None, false) => self.cache_ttl.min(REFUSED),
        };
        let now = Instant::now();
        Ok(Answer { allowed: body.allowed, until: now + ttl, ask_at: now + ttl.max(SHORTEST) })
    }
}
