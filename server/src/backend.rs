//! Requests to the backend of a declared service: what the gateway sends, and what it makes of the response.
//!
//! A request is sent at most once. Its outcome says whether the backend may have acted, because a client must not repeat
//! a call blindly that may have been carried out.

mod broker;
mod http;
mod outcome;
mod request;
mod response;
mod retry_after;
mod signature;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use realtime_gateway_protocol::{RawJson, ServiceName, Timestamp, TraceContext};
use tokio::sync::{Semaphore, SemaphorePermit};

pub use broker::{BrokerRequest, RequestBroker};
pub use http::HttpBackend;
pub use outcome::{BackendFailure, UnknownReason, refusal_details};
pub use request::{BackendCall, Caller, PublishRequest, SubscribeRequest};
pub use response::SubscribeAnswer;
pub(crate) use retry_after::retry_after;
pub(crate) use signature::Signer;

use crate::{config::ClaimPath, telemetry::trace};

/// After how long a client may try again when the backend has no free slot or cannot be reached.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The bounds of requests to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackendBounds {
    /// The time limit of a request.
    pub timeout: Duration,
    /// The maximum number of concurrent requests of this node.
    pub max_in_flight: usize,
}

/// The backend of a service.
pub struct Backend {
    service: ServiceName,
    transport: Transport,
    bounds: BackendBounds,
    in_flight: Semaphore,
    claims: Vec<ClaimPath>,
}

/// How requests reach the backend.
enum Transport {
    Http(HttpBackend),
    /// The broker is opened after the contracts have been read.
    Broker(OnceLock<Arc<dyn RequestBroker>>),
}

impl fmt::Debug for Backend {
    /// Omits the URL and the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Backend {
    /// Creates a backend that is reached by HTTP. Sends no request yet.
    pub fn over_http(service: ServiceName, http: HttpBackend, bounds: BackendBounds) -> Self {
        Self::new(service, Transport::Http(http), bounds)
    }

    /// Creates a backend that is reached over the broker of [`Backend::use_broker`].
    pub fn over_broker(service: ServiceName, bounds: BackendBounds) -> Self {
        Self::new(service, Transport::Broker(OnceLock::new()), bounds)
    }

    fn new(service: ServiceName, transport: Transport, bounds: BackendBounds) -> Self {
        let in_flight = Semaphore::new(bounds.max_in_flight.min(Semaphore::MAX_PERMITS));
        Self { service, transport, bounds, in_flight, claims: Vec::new() }
    }

    /// Sets the claims of the client's token that requests contain.
    #[must_use]
    pub fn with_claims(self, claims: &[ClaimPath]) -> Self {
        Self { claims: claims.to_vec(), ..self }
    }

    /// Returns the claims of the client's token that requests contain.
    pub fn claims(&self) -> &[ClaimPath] {
        &self.claims
    }

    /// Sets the broker of a backend that is reached over one.
    pub fn use_broker(&self, broker: &Arc<dyn RequestBroker>) {
        if let Transport::Broker(used) = &self.transport {
            // A gateway has one broker.
            let _ = used.set(broker.clone());
        }
    }

    /// Returns whether requests to another backend would be the same.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let same_transport = match (&self.transport, &other.transport) {
            (Transport::Http(one), Transport::Http(other)) => one.is_same_as(other),
            (Transport::Broker(_), Transport::Broker(_)) => true,
            (Transport::Http(_), Transport::Broker(_)) | (Transport::Broker(_), Transport::Http(_)) => false,
        };
        same_transport && self.bounds == other.bounds && self.claims == other.claims
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
            key: format!("call.{}.{}", self.service, call.method),
            body: request::call(&self.service, caller, call),
            idempotency_key: request::idempotency_key(&self.service, caller, call),
            time_limit: time_limit.min(self.bounds.timeout),
            trace: trace::current(),
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
        let (key, body) = (format!("publish.{}", self.service), request::publish(&self.service, caller, publish));
        let request = self.question(key, body);
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
        let (key, body) = (format!("subscribe.{}", self.service), request::subscribe(&self.service, caller, subscribe));
        let request = self.question(key, body);
        let body = self.send(request, now).await?.unwrap_or_default();
        response::subscribe_answer(&body)
    }

    /// Returns a request for a decision.
    fn question(&self, key: String, body: String) -> Request {
        let (time_limit, trace) = (self.bounds.timeout, trace::current());
        Request { key, body, idempotency_key: None, time_limit, trace }
    }

    /// Sends a request and returns the body of the response; `None` for 204, or an empty reply over a broker.
    async fn send(&self, request: Request, now: Timestamp) -> Result<Option<Vec<u8>>, BackendFailure> {
        match &self.transport {
            Transport::Http(http) => http.send(request, now).await,
            Transport::Broker(broker) => {
                let broker = broker.get().ok_or(BackendFailure::NotDone { retry_after: RETRY_AFTER })?;
                let Request { key, body, time_limit, trace, idempotency_key: _ } = request;
                response::reply(&broker.request(BrokerRequest { key, body, trace, time_limit }).await?)
            }
        }
    }
}

/// A request to a backend.
struct Request {
    /// The routing key over a broker.
    key: String,
    body: String,
    idempotency_key: Option<String>,
    time_limit: Duration,
    trace: Option<TraceContext>,
}
