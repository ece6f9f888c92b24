//! Calls: requests of clients to the backend of a service. Each runs in a task of its own, so that a slow backend delays
//! no other command.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use realtime_gateway_protocol::{Call, CallResult, ErrorCode, RawJson, RequestId, Subject};

use super::{
    Services,
    refused::refused,
    service::{Service, ServiceCall},
};
use crate::{
    auth::Permissions,
    backend::{BackendCall, Caller},
    bus::ActivityKind,
    command_error::CommandError,
    config::LiveConfig,
    delivery::activity_feed::ActivityFeed,
    metrics::Metrics,
    runtime::tasks::Tasks,
    session::Session,
    telemetry::trace,
};

/// How long a client waits for the result of a call without a `timeoutMs`, unless its service waits less.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// After how long a client with too many calls may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The calls of this node.
pub(crate) struct Calls {
    pub(crate) services: Arc<Services>,
    pub(crate) permissions: Arc<Permissions>,
    pub(crate) config: LiveConfig,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Tasks,
    pub(crate) activity: Arc<ActivityFeed>,
}

impl Calls {
    /// Starts a call. Its result, or the error of the backend, is sent to the client when it is known.
    ///
    /// # Errors
    /// When the call is not made: `unknown_service`, `unknown_method`, `invalid_message` for a `timeoutMs` of 0, `forbidden`,
    /// and `unavailable` when the session has too many calls under way.
    pub(crate) async fn start(
        self: &Arc<Self>,
        session: Arc<Session>,
        request_id: Option<RequestId>,
        call: Call,
    ) -> Result<(), CommandError> {
        let service = match self.permitted(&session, &call).await {
            Ok(service) => service,
            Err(error) => {
                self.report(&session, &call, error.code.as_str(), Duration::ZERO);
                return Err(error);
            }
        };
        let Some(under_way) = session.begin_call(self.config.get().limits.calls_in_flight) else {
            let message = "too many calls of this session are under way; wait for a result";
            return Err(CommandError::retry(ErrorCode::Unavailable, message, RETRY_AFTER));
        };
        let calls = Arc::clone(self);
        self.tasks.spawn(trace::carried(async move {
            calls.carry_out(&session, request_id, call, &*service).await;
            drop(under_way);
        }));
        Ok(())
    }

    /// Returns the service of a call that the session may make.
    async fn permitted(&self, session: &Session, call: &Call) -> Result<Arc<dyn Service>, CommandError> {
        let service = self.services.with_calls(&call.service)?;
        let policy = service.call_policy(&call.method)?;
        if call.timeout_ms == Some(0) {
            return Err(CommandError::field("timeoutMs", "at least 1 is expected"));
        }
        let identity = session.identity();
        self.permissions.check_call(session.requester(&identity), policy, &call.service, &call.method).await?;
        Ok(service)
    }

    async fn carry_out(&self, session: &Session, request_id: Option<RequestId>, call: Call, service: &dyn Service) {
        let began = Instant::now();
        // A service in code may panic. The client gets an error in this case too.
        let result = AssertUnwindSafe(self.result(session, &call, service)).catch_unwind().await;
        let result = result.unwrap_or_else(|_| Err(CommandError::internal("a service has panicked")));
        let outcome = result.as_ref().map_or_else(|error| error.code.as_str(), |_| "succeeded");
        self.metrics.call_ended(call.service.as_str(), outcome, began.elapsed());
        self.report(session, &call, outcome, began.elapsed());
        match result {
            Ok(data) => {
                let Call { service, method, call_id, .. } = call;
                session.reply(request_id, CallResult { service, method, data, call_id });
            }
            Err(error) => {
                self.metrics.error(&error.code);
                let subject = Subject::Call(call.service, call.method);
                session.reply(request_id, refused(Some("call"), &error, subject));
            }
        }
    }

    /// Reports a call that has ended to operators who follow what goes on.
    fn report(&self, session: &Session, call: &Call, outcome: &str, took: Duration) {
        self.activity.report(session.user(), session.id(), || ActivityKind::Call {
            service: call.service.clone(),
            method: call.method.clone(),
            outcome: outcome.to_owned(),
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
    }

    async fn result(&self, session: &Session, call: &Call, service: &dyn Service) -> Result<RawJson, CommandError> {
        let request = BackendCall { method: &call.method, data: &call.data, call_id: call.call_id.as_ref() };
        let time_limit = call.timeout_ms.map_or(TIME_LIMIT, Duration::from_millis);
        let claims = session.claims();
        let (caller, kept_claims) = (caller_of(session), claims.as_deref());
        service.call(ServiceCall { caller, kept_claims, request, time_limit }).await
    }
}

/// Returns the client of a session, for requests to a backend. The service adds the claims.
pub(super) fn caller_of(session: &Session) -> Caller<'_> {
    Caller { user: session.user(), session: session.id(), device: session.client.device.as_ref(), claims: None }
}
