//! Requests to the backend of a declared service: what the gateway sends, and what it makes of the response.
//!
//! A request is sent at most once. Its outcome says whether the backend may have acted, because a client must not repeat
//! a call blindly that may have been carried out.

mod outcome;
mod request;
mod response;
mod signature;

use std::{fmt, time::Duration};

use realtime_gateway_protocol::{RawJson, ServiceName, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit};

pub use outcome::{BackendFailure, UnknownReason};
pub use request::{BackendCall, Caller, PublishRequest, SubscribeRequest};
pub use response::SubscribeAnswer;
use signature::Signer;

use crate::{config::Secret, crypto};

/// The longest time for which a connection to a backend may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After how long a client may try again when the backend has no free slot or cannot be reached.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The properties of a backend that is reached by HTTP.
pub struct HttpBackend<'a> {
    /// The service.
    pub service: ServiceName,
    /// The URL of every request.
    pub url: Secret,
    /// The secrets of Standard Webhooks (`whsec_` and base64). Each signs every request.
    pub secrets: &'a [Secret],
    /// The time limit of a request.
    pub timeout: Duration,
    /// The maximum number of concurrent requests of this node.
    pub max_in_flight: usize,
}

/// The backend of a service.
pub struct Backend {
    service: ServiceName,
    url: Secret,
    signer: Signer,
    secrets: Vec<Secret>,
    client: reqwest::Client,
    timeout: Duration,
    max_in_flight: usize,
    in_flight: Semaphore,
}

impl fmt::Debug for Backend {
    /// Omits the URL and the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Backend {
    /// Prepares requests to a backend. Sends none yet.
    ///
    /// # Errors
    /// A sentence when a secret is not valid or the HTTP client cannot be created.
    pub fn new(backend: HttpBackend<'_>) -> Result<Self, String> {
        let HttpBackend { service, url, secrets, timeout, max_in_flight } = backend;
        let client = crypto::https_client()
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            // Idle connections are limited to the number that can be in use.
            .pool_max_idle_per_host(max_in_flight)
            // A redirect could send the signed body to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.without_url().to_string())?;
        let in_flight = Semaphore::new(max_in_flight.min(Semaphore::MAX_PERMITS));
        let (signer, secrets) = (Signer::new(secrets)?, secrets.to_vec());
        Ok(Self { service, url, signer, secrets, client, timeout, max_in_flight, in_flight })
    }

    /// Returns whether requests to another backend would be the same.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let properties = |backend: &Self| (backend.timeout, backend.max_in_flight);
        self.url == other.url && self.secrets == other.secrets && properties(self) == properties(other)
    }

    /// Takes one of the slots for concurrent requests. It does not wait for one, so that the client learns immediately
    /// that nothing was sent.
    ///
    /// # Errors
    /// [`BackendFailure::NotDone`] when all slots are in use.
    pub fn slot(&self) -> Result<SemaphorePermit<'_>, BackendFailure> {
        self.in_flight.try_acquire().map_err(|_| BackendFailure::NotDone { retry_after: RETRY_AFTER })
    }

    /// Returns the service.
    pub fn service(&self) -> &ServiceName {
        &self.service
    }

    /// Sends a call and returns the `data` of the response. `now` is the time of the signature.
    ///
    /// # Errors
    /// A [`BackendFailure`].
    pub async fn call(
        &self,
        caller: &Caller<'_>,
        call: &BackendCall<'_>,
        time_limit: Duration,
        now: Timestamp,
    ) -> Result<RawJson, BackendFailure> {
        let request = Request {
            body: request::call(&self.service, caller, call),
            idempotency_key: request::idempotency_key(&self.service, caller, call),
            time_limit: time_limit.min(self.timeout),
        };
        match self.send(request, now).await? {
            Some(body) => response::data(&body),
            None => Ok(RawJson::default()),
        }
    }

    /// Asks about a publication, and returns the data that replaces that of the client; `None` if it stays as it is.
    ///
    /// # Errors
    /// A [`BackendFailure`].
    pub async fn publish(
        &self,
        caller: &Caller<'_>,
        publish: &PublishRequest<'_>,
        now: Timestamp,
    ) -> Result<Option<RawJson>, BackendFailure> {
        let body = request::publish(&self.service, caller, publish);
        let request = Request { body, idempotency_key: None, time_limit: self.timeout };
        self.send(request, now).await?.map(|body| response::data(&body)).transpose()
    }

    /// Asks whether a client may subscribe to a topic, and read its history and presence.
    ///
    /// # Errors
    /// A [`BackendFailure`].
    pub async fn may_subscribe(
        &self,
        caller: &Caller<'_>,
        subscribe: &SubscribeRequest<'_>,
        now: Timestamp,
    ) -> Result<SubscribeAnswer, BackendFailure> {
        let body = request::subscribe(&self.service, caller, subscribe);
        let request = Request { body, idempotency_key: None, time_limit: self.timeout };
        let body = self.send(request, now).await?.unwrap_or_default();
        response::subscribe_answer(&body)
    }

    /// Sends a request and returns the body of the response; `None` for 204.
    async fn send(&self, request: Request, now: Timestamp) -> Result<Option<Vec<u8>>, BackendFailure> {
        let Request { body, idempotency_key, time_limit } = request;
        let id = format!("msg_{}", uuid::Uuid::now_v7().simple());
        let mut request = self.client.post(&self.url.0).timeout(time_limit);
        for (name, value) in self.signer.headers(&id, now, &body) {
            request = request.header(name, value);
        }
        request = request.header("content-type", "application/json");
        request = request.header("gateway-timeout-ms", time_limit.as_millis().to_string());
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let response = request.body(body).send().await.map_err(|error| response::failure(&error))?;
        response::success(response).await
    }
}

/// A request to a backend.
struct Request {
    body: String,
    idempotency_key: Option<String>,
    time_limit: Duration,
}
