//! Declared services: services that a contract file declares instead of code.
//!
//! `declared/read.rs` reads the contracts of a configuration.

mod fingerprint;
mod read;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gateway_contracts::{
    Call, CallPolicy, Contract, DataType, DeclaredTopic, ParameterValues, Policy, TopicHistory, TopicPresence,
};
use realtime_gateway_protocol::{ErrorCode, MethodName, ObjectText, RawJson, ServiceName, TopicName, UserId};
use serde_json::json;

use super::{
    ServiceContext,
    service::{
        HistoryKind, PresenceKind, PublicationCheck, Service, ServiceCall, ServicePublication, TopicRetention,
        unknown_method,
    },
};
use crate::{
    auth::{Action, BackendPolicy, KeptClaims, SubscribeDecisions, TopicAccess, TopicPolicy},
    backend::{Backend, BackendFailure, Caller, PublishRequest, UnknownReason, refusal_details},
    command_error::CommandError,
    metrics::Metrics,
    runtime::clock::NodeClock,
    telemetry::log_limited,
};

pub use fingerprint::fingerprints;
pub use read::{DeclaredServiceError, read_declarations};

/// A contract, and the backend of its service.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// The contract.
    pub contract: Arc<Contract>,
    /// The backend, if the service has one.
    pub backend: Option<Arc<Backend>>,
}

impl Declaration {
    /// Returns whether another declaration is the same in content.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let same_backend = match (&self.backend, &other.backend) {
            (Some(one), Some(other)) => one.is_same_as(other),
            (None, None) => true,
            _ => false,
        };
        same_backend && self.contract.to_json() == other.contract.to_json()
    }
}

/// A service whose topics, calls, types and policies a contract declares.
pub struct DeclaredService {
    contract: Arc<Contract>,
    backend: Option<Arc<Backend>>,
    /// The decisions of the backend about subscriptions.
    decisions: Option<Arc<SubscribeDecisions>>,
    clock: NodeClock,
    metrics: Arc<Metrics>,
}

impl DeclaredService {
    /// Creates the service of a declaration.
    pub fn new(Declaration { contract, backend }: Declaration, context: &ServiceContext) -> Self {
        let ServiceContext { clock, decision_times, broker, metrics } = context.clone();
        if let (Some(backend), Some(broker)) = (&backend, &broker) {
            backend.use_broker(broker);
        }
        let decisions = backend.clone().map(|backend| SubscribeDecisions::new(backend, clock.clone(), decision_times));
        Self { contract, backend, decisions: decisions.map(Arc::new), clock, metrics }
    }

    /// Returns the kind of a topic.
    ///
    /// # Errors
    /// `unknown_service` when the service has no such topic.
    fn kind(&self, topic: &TopicName) -> Result<&DeclaredTopic, CommandError> {
        self.contract.kind_of_topic(topic).ok_or_else(super::services::unknown_topic)
    }

    /// Returns the kind of a topic, and the values of its parameters.
    fn topic<'a>(&'a self, topic: &'a TopicName) -> Option<(&'a DeclaredTopic, ParameterValues<'a>)> {
        self.contract.topic(topic).map(|(_, declared, values)| (declared, values))
    }

    fn declared_call(&self, method: &MethodName) -> Result<&Call, CommandError> {
        let mut calls = self.contract.calls.iter();
        calls.find(|(name, _)| name.as_str() == method.as_str()).map(|(_, call)| call).ok_or_else(unknown_method)
    }
}

/// Returns the error of a call that the backend did not carry out, or may not have carried out.
fn failed(failure: BackendFailure) -> CommandError {
    let details = |details| RawJson::encode(&details).ok();
    match failure {
        BackendFailure::NotDone { retry_after } => {
            let message = "the backend of the service cannot take the call now, and it was not made; try again later";
            CommandError::retry(ErrorCode::Unavailable, message, retry_after)
        }
        BackendFailure::Refused { status, code, message } => {
            let text = message.clone().unwrap_or_else(|| format!("the backend refused this ({code})"));
            let details = refusal_details(status, &code, message.as_deref());
            CommandError { details, ..CommandError::new(ErrorCode::CallFailed, text) }
        }
        BackendFailure::Unknown(reason) => {
            let message = "the backend may have carried out the call; repeat it only with the same callId";
            let details = details(json!({ "reason": reason.as_str() }));
            CommandError { details, ..CommandError::new(ErrorCode::CallUnknown, message) }
        }
    }
}

/// Returns the error of a publication that the backend has not allowed.
fn undecided(failure: BackendFailure) -> CommandError {
    let message = "the backend of the service does not answer; try again";
    match failure {
        BackendFailure::NotDone { retry_after } => CommandError::retry(ErrorCode::Unavailable, message, retry_after),
        BackendFailure::Unknown(_) => CommandError::retry(ErrorCode::Unavailable, message, Duration::from_secs(1)),
        refused @ BackendFailure::Refused { .. } => CommandError { code: ErrorCode::Forbidden, ..failed(refused) },
    }
}

/// Returns the values of the parameters of a topic as a JSON object.
fn params(values: &ParameterValues<'_>) -> Result<RawJson, CommandError> {
    let mut text = ObjectText::default();
    for (name, value) in values.iter() {
        text.text(name.as_str(), value);
    }
    RawJson::parse(&text.into_string()).map_err(CommandError::internal)
}

/// Contracts that need a backend and have none are refused when they are read.
fn no_backend() -> CommandError {
    CommandError::internal("a service without a backend has a topic that needs one")
}

fn forbidden(message: &'static str) -> CommandError {
    CommandError::new(ErrorCode::Forbidden, message)
}

fn no_publications() -> CommandError {
    forbidden("clients may not publish to this topic")
}

/// Returns the user to whom a topic with these values belongs, if any.
fn owner(values: &ParameterValues<'_>) -> Result<Option<UserId>, CommandError> {
    let owner = values.user_id().map(UserId::new).transpose();
    owner.map_err(|_| forbidden("this topic belongs to no user"))
}

fn validate(data_type: &DataType, data: &RawJson) -> Result<(), CommandError> {
    data_type.validate(data.as_str()).map_err(CommandError::invalid_data)
}

#[async_trait]
impl Service for DeclaredService {
    fn name(&self) -> ServiceName {
        self.contract.name.clone()
    }

    fn has_topic(&self, topic: &TopicName) -> bool {
        self.contract.kind_of_topic(topic).is_some()
    }

    fn access(&self, action: Action, topic: &TopicName) -> Result<TopicAccess, CommandError> {
        let declared = self.kind(topic)?;
        let policy = match action {
            Action::Subscribe | Action::Read => declared.subscribe,
            Action::Publish => declared.publish.as_ref().ok_or_else(no_publications)?.allow,
        };
        let policy = match (policy, action) {
            (Policy::Grants, _) => TopicPolicy::Grants,
            // The backend is asked about each publication, with its data.
            (Policy::User, _) | (Policy::Backend, Action::Publish) => TopicPolicy::User,
            (Policy::Backend, Action::Subscribe | Action::Read) => {
                let decisions = self.decisions.clone().ok_or_else(no_backend)?;
                let (_, values) = self.topic(topic).ok_or_else(super::services::unknown_topic)?;
                TopicPolicy::Backend(BackendPolicy { decisions, params: params(&values)? })
            }
        };
        let owner = if declared.pattern.is_of_user() { self.owner(topic)? } else { None };
        Ok(TopicAccess { policy, owner })
    }

    fn owner(&self, topic: &TopicName) -> Result<Option<UserId>, CommandError> {
        let (_, values) = self.topic(topic).ok_or_else(super::services::unknown_topic)?;
        owner(&values)
    }

    fn history(&self, topic: &TopicName) -> HistoryKind {
        match self.contract.kind_of_topic(topic).map(|declared| declared.history) {
            Some(TopicHistory::Kept { max_entries, max_age }) => {
                HistoryKind::Kept(TopicRetention { max_entries, max_age })
            }
            Some(TopicHistory::Off) => HistoryKind::Off,
            None => HistoryKind::Kept(TopicRetention::default()),
        }
    }

    async fn publish(&self, _from: &UserId, topic: &TopicName, data: RawJson) -> Result<RawJson, CommandError> {
        let declared = self.kind(topic)?;
        let publish = declared.publish.as_ref().ok_or_else(no_publications)?;
        validate(&publish.data, &data)?;
        if publish.allow != Policy::Backend && publish.data != declared.event {
            // Data that matches one branch of the event could match another branch too, and then not the event.
            validate(&declared.event, &data)?;
        }
        Ok(data)
    }

    fn publication_check(&self, topic: &TopicName) -> PublicationCheck {
        let publish = self.contract.kind_of_topic(topic).and_then(|declared| declared.publish.as_ref());
        match publish.map(|publish| publish.allow) {
            Some(Policy::Backend) => PublicationCheck::ByBackend,
            Some(Policy::Grants | Policy::User) | None => PublicationCheck::InProcess,
        }
    }

    async fn ask_about_publication(&self, publication: ServicePublication<'_>) -> Result<RawJson, CommandError> {
        let ServicePublication { caller, kept_claims, topic, data, client_message_id } = publication;
        let (declared, values) = self.topic(topic).ok_or_else(super::services::unknown_topic)?;
        let publish = declared.publish.as_ref().ok_or_else(no_publications)?;
        validate(&publish.data, &data)?;
        let backend = self.backend.as_ref().ok_or_else(no_backend)?;
        let params = params(&values)?;
        let claims = KeptClaims::for_request(kept_claims, backend.claims());
        let caller = Caller { claims: claims.as_ref(), ..caller };
        let decided = async {
            let _slot = backend.slot()?;
            let request = PublishRequest { topic, params: &params, data: &data, client_message_id };
            backend.publish(&caller, &request, self.clock.wall()).await
        };
        let decided = decided.await.and_then(|replacement| {
            let data = replacement.unwrap_or_else(|| data.clone());
            match declared.event.validate(data.as_str()) {
                Ok(()) => Ok(data),
                Err(problem) => {
                    let service = &self.contract.name;
                    log_limited!(WARN, { %service, %problem }, "a publication that a backend has allowed is no event");
                    Err(BackendFailure::Unknown(UnknownReason::InvalidResponse))
                }
            }
        });
        let outcome = match &decided {
            Ok(_) => "allowed",
            Err(BackendFailure::Refused { .. }) => "refused",
            Err(BackendFailure::NotDone { .. } | BackendFailure::Unknown(_)) => "unavailable",
        };
        self.metrics.publication_decided(self.contract.name.as_str(), outcome);
        decided.map_err(undecided)
    }

    fn presence(&self, topic: &TopicName) -> PresenceKind {
        match self.contract.kind_of_topic(topic).map(|declared| &declared.presence) {
            Some(TopicPresence::On) => PresenceKind::Users,
            Some(TopicPresence::WithData(_)) => PresenceKind::UsersWithData,
            Some(TopicPresence::Off) | None => PresenceKind::Off,
        }
    }

    fn check_presence_data(&self, topic: &TopicName, data: &RawJson) -> Result<(), CommandError> {
        let declared = self.kind(topic)?;
        let TopicPresence::WithData(data_type) = &declared.presence else { return Ok(()) };
        data_type.validate(data.as_str()).map_err(|problem| CommandError::invalid_data_of("presenceData", problem))
    }

    fn call_policy(&self, method: &MethodName) -> Result<CallPolicy, CommandError> {
        Ok(self.declared_call(method)?.allow)
    }

    async fn call(&self, call: ServiceCall<'_>) -> Result<RawJson, CommandError> {
        let declared = self.declared_call(call.request.method)?;
        validate(&declared.request, call.request.data)?;
        // Contracts with calls and without a backend are refused when they are read.
        let backend = self.backend.as_ref().ok_or_else(unknown_method)?;
        let _slot = backend.slot().map_err(failed)?;
        let claims = KeptClaims::for_request(call.kept_claims, backend.claims());
        let caller = Caller { claims: claims.as_ref(), ..call.caller };
        let data = backend.call(&caller, &call.request, call.time_limit, self.clock.wall()).await.map_err(failed)?;
        if let Err(problem) = declared.response.validate(data.as_str()) {
            let (service, method) = (&self.contract.name, call.request.method);
            log_limited!(WARN, { %service, %method, %problem }, "the response of a backend does not match its contract");
            return Err(failed(BackendFailure::Unknown(UnknownReason::InvalidResponse)));
        }
        Ok(data)
    }

    fn validate_event(&self, topic: &TopicName, data: &RawJson) -> Result<(), CommandError> {
        let declared = self.kind(topic)?;
        validate(&declared.event, data)
    }
}

#[cfg(test)]
mod tests;
