//! Asks the permission service (`permissions.url`).

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use parking_lot::RwLock;
use realtime_gateway_protocol::{Timestamp, TraceContext};
use serde::Deserialize;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    PermissionObserver, PermissionOutcome, PermissionsError, Requester,
    decisions::{Answer, Decider, Verdict},
    query::{PermissionKey, PermissionQuery, Subject},
};
use crate::{
    auth::fetch::body,
    backend::Signer,
    config::{self, ClaimPath, Secret},
    crypto,
    json_object::from_object,
    telemetry::trace,
};

/// The most queries that may wait for a request slot. Further ones fail immediately.
const MAX_WAITING: usize = 10_000;
/// The largest response that is read, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// What a reload replaces of the requests to the permission service.
pub struct CallbackSettings {
    /// Signs each request, if secrets are configured.
    signer: Option<Signer>,
    /// The claims that each request contains.
    claims: Vec<ClaimPath>,
}

impl CallbackSettings {
    /// Prepares the settings of a configuration.
    ///
    /// # Errors
    /// A [`PermissionsError`] when a secret is not valid.
    pub fn new(permissions: &config::Permissions) -> Result<Self, PermissionsError> {
        let signer = (!permissions.secrets.is_empty()).then(|| Signer::new(&permissions.secrets)).transpose();
        let signer = signer.map_err(|problem| PermissionsError(format!("permissions.secret: {problem}")))?;
        Ok(Self { signer, claims: permissions.claims.clone() })
    }
}

/// The client of the permission service.
pub(super) struct Callback {
    url: Secret,
    client: reqwest::Client,
    settings: RwLock<Arc<CallbackSettings>>,
    /// Receives what becomes of requests, once it is set.
    observer: OnceLock<Arc<dyn PermissionObserver>>,
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
    pub(super) fn new(url: &Secret, permissions: &config::Permissions) -> Result<Self, PermissionsError> {
        let client = crypto::https_client()
            .timeout(permissions.timeout)
            // Idle connections are limited to the number that can be in use.
            .pool_max_idle_per_host(permissions.max_in_flight)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| PermissionsError(format!("permissions.url: {}", error.without_url())))?;
        Ok(Self {
            url: url.clone(),
            client,
            settings: RwLock::new(Arc::new(CallbackSettings::new(permissions)?)),
            observer: OnceLock::new(),
            timeout: permissions.timeout,
            in_flight: Semaphore::new(permissions.max_in_flight.min(Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Reports requests to an observer. The first one stays.
    pub(super) fn report_to(&self, observer: Arc<dyn PermissionObserver>) {
        let _ = self.observer.set(observer);
    }

    /// Replaces the settings for further requests.
    pub(super) fn replace(&self, settings: CallbackSettings) {
        *self.settings.write() = Arc::new(settings);
    }

    /// Returns a query about a client, with the claims that are configured.
    pub(super) fn query(&self, requester: Requester<'_>, subject: Subject) -> PermissionQuery {
        let settings = Arc::clone(&self.settings.read());
        PermissionQuery::new(requester, &settings.claims, subject)
    }

    async fn fetch(&self, query: &PermissionQuery) -> Result<Answer, String> {
        let (text, settings) = (query.body(), Arc::clone(&self.settings.read()));
        let mut request = self.client.post(&self.url.0).header("content-type", "application/json");
        if let Some(signer) = &settings.signer {
            // The service compares the time with its wall clock.
            request = signer.sign(request, Timestamp::from(SystemTime::now()), &text);
        }
        let trace = trace::current();
        for (name, value) in trace.iter().flat_map(TraceContext::headers) {
            request = request.header(name, value);
        }
        let body = body(request.body(text).send().await, MAX_BYTES).await?;
        let body: Body = from_object(&body).ok_or("the response is not {allowed, ttlSeconds?}")?;
        let verdict = if body.allowed { Verdict::Allowed } else { Verdict::Denied(None) };
        Ok(Answer { verdict, ttl: body.ttl_seconds.map(Duration::from_secs) })
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
    type Key = PermissionKey;

    fn key_of(query: &PermissionQuery) -> PermissionKey {
        query.key.clone()
    }

    fn name(&self) -> String {
        "permissions.url".into()
    }

    async fn ask(&self, query: &PermissionQuery) -> Result<Answer, String> {
        let observer = self.observer.get();
        let slot = self.acquire_slot().await;
        if let (Err(_), Some(observer)) = (&slot, observer) {
            observer.permission_request_not_sent();
        }
        let _slot = slot?;
        let began = Instant::now();
        let answer = self.fetch(query).await;
        if let Some(observer) = observer {
            let outcome = match &answer {
                Ok(Answer { verdict: Verdict::Allowed, .. }) => PermissionOutcome::Allowed,
                Ok(_) => PermissionOutcome::Denied,
                Err(_) => PermissionOutcome::Failed,
            };
            observer.permission_request_ended(outcome, began.elapsed());
        }
        answer
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
