//! Asks the permission service (`permissions.url`).

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use realtime_gateway_protocol::{MethodName, ServiceName, UserId};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::decisions::{Answer, Decider, Verdict};
use crate::{
    auth::{Action, fetch::body},
    config::{self, Secret},
    crypto,
    topic::Topic,
};

/// The most queries that may wait for a request slot. Further ones fail immediately.
const MAX_WAITING: usize = 10_000;
/// The largest response that is read, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// A query to the permission service.
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

/// The client of the permission service.
pub(super) struct Callback {
    url: Secret,
    client: reqwest::Client,
    /// The time limit of a request, and of the wait for a request slot.
    timeout: Duration,
    in_flight: Semaphore,
    waiting: AtomicUsize,
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
        Ok(Self {
            url: url.clone(),
            client,
            timeout: permissions.timeout,
            in_flight: Semaphore::new(permissions.max_in_flight.min(Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
        })
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
}

#[async_trait]
impl Decider for Callback {
    type Query = PermissionQuery;

    fn key(&self) -> String {
        "permissions.url".into()
    }

    async fn ask(&self, query: &PermissionQuery) -> Result<Answer, String> {
        let _slot = self.acquire_slot().await?;
        let body = body(self.client.post(&self.url.0).json(&query.body()).send().await, MAX_BYTES).await?;
        let body: Body = serde_json::from_slice(&body).map_err(|_| "the response is not {allowed, ttlSeconds?}")?;
        let verdict = if body.allowed { Verdict::Allowed } else { Verdict::Denied(None) };
        Ok(Answer { verdict, ttl: body.ttl_seconds.map(Duration::from_secs) })
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
