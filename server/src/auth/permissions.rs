//! Decides what an identity may do: by the claims of its token, by asking a backend service, or, for development,
//! everything.

mod cache;
mod callback;
mod decisions;
mod observer;
mod query;
mod subscribe_decisions;
mod topic_policy;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gateway_contracts::CallPolicy;
use realtime_gateway_protocol::{DeviceId, ErrorCode, MethodName, ServiceName, SessionId, UserId};

use self::{
    callback::Callback,
    decisions::{Decision, Decisions, Refusal, Verdict},
    query::Subject,
    topic_policy::GrantsOnly,
};
pub use self::{
    callback::CallbackSettings,
    decisions::DecisionTimes,
    observer::{PermissionObserver, PermissionOutcome},
    subscribe_decisions::SubscribeDecisions,
    topic_policy::{BackendPolicy, TopicAccess, TopicPolicies, TopicPolicy},
};
use super::{Action, Grants, Identity};
use crate::{
    backend::refusal_details,
    command_error::CommandError,
    config::{self, PermissionSource},
    topic::Topic,
};

/// Permission for an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// When the backend service has to be asked again. `None` when the permission is valid as long as the token.
    pub ask_again: Option<AskAgain>,
}

/// When to ask the backend service again about a permission that it has granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskAgain {
    /// The time until the next request.
    pub after: Duration,
    /// The time until which the grant remains valid while the service does not answer (`permissions.stale_grace`).
    pub holds_until: Instant,
}

/// The client that wants to do something.
#[derive(Debug, Clone, Copy)]
pub struct Requester<'a> {
    /// Its verified identity.
    pub identity: &'a Identity,
    /// Its session.
    pub session: &'a SessionId,
    /// Its device, if it has named one.
    pub device: Option<&'a DeviceId>,
}

/// Why the source of permissions cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PermissionsError(String);

/// Decides what an identity may do.
#[derive(Debug)]
pub struct Permissions {
    source: Source,
    policies: Arc<dyn TopicPolicies>,
}

#[derive(Debug)]
enum Source {
    Claims,
    Callback(Arc<Decisions<Callback>>),
    AllowAll,
}

impl Permissions {
    /// Prepares the configured source. Sends no request to a backend service yet.
    ///
    /// # Errors
    /// Returns a [`PermissionsError`] when the HTTP client cannot be created, or a secret is not valid.
    pub fn new(permissions: &config::Permissions) -> Result<Self, PermissionsError> {
        let source = match &permissions.source {
            PermissionSource::Claims => Source::Claims,
            PermissionSource::AllowAll => Source::AllowAll,
            PermissionSource::Http(url) => {
                let callback = Callback::new(url, permissions)?;
                Source::Callback(Arc::new(Decisions::new(callback, permissions.into())))
            }
        };
        Ok(Self { source, policies: Arc::new(GrantsOnly) })
    }

    /// Uses the policies of services. Without this, all their topics need a grant.
    #[must_use]
    pub fn with_policies(self, policies: Arc<dyn TopicPolicies>) -> Self {
        Self { policies, ..self }
    }

    /// Reports requests to the permission service to an observer.
    pub fn report_to(&self, observer: Arc<dyn PermissionObserver>) {
        if let Source::Callback(callback) = &self.source {
            callback.decider().report_to(observer);
        }
    }

    /// Replaces what may change while the gateway runs of the requests to the permission service.
    pub fn replace(&self, settings: CallbackSettings) {
        if let Source::Callback(callback) = &self.source {
            callback.decider().replace(settings);
        }
    }

    /// Returns a number that increases when the policies change. Decisions from before may no longer hold.
    pub fn revision(&self) -> u64 {
        self.policies.revision()
    }

    /// Returns whether the messages of a topic are stored, so that clients have a position in it.
    pub fn keeps_history(&self, topic: &Topic) -> bool {
        self.policies.keeps_history(topic)
    }

    /// Checks whether an identity may perform an action on a topic. Waits only for a backend service, for at most
    /// `permissions.timeout`.
    ///
    /// # Errors
    /// Returns `forbidden` when it is not allowed, `unknown_service` when no service has the topic, and `unavailable` when
    /// the permission service does not answer and no earlier grant is valid.
    pub async fn check(
        &self,
        requester: Requester<'_>,
        action: Action,
        topic: &Topic,
    ) -> Result<Granted, CommandError> {
        let identity = requester.identity;
        let access = self.policies.access(topic, action)?;
        // The owner of a topic does not depend on the configured source.
        if access.owner.is_some_and(|owner| owner != identity.user) {
            return permanent_decision(false);
        }
        match access.policy {
            TopicPolicy::Grants => {}
            TopicPolicy::User => return permanent_decision(true),
            TopicPolicy::Backend(BackendPolicy { decisions, params }) => {
                let decision = decisions.decide(requester, &topic.name(), params).await;
                return outcome(decision, "the backend of the service does not answer; try again");
            }
        }
        match &self.source {
            Source::AllowAll => permanent_decision(true),
            Source::Claims => permanent_decision(identity.grants.include(topic)),
            Source::Callback(callback) => {
                ask(callback, requester, Subject::Topic { action, topic: topic.clone() }).await
            }
        }
    }

    /// Checks whether the server may subscribe a user to a topic. The user needs no grant, but the topic has to exist, and
    /// must not belong to another user.
    ///
    /// # Errors
    /// `unknown_service` when no service has the topic, `forbidden` when it belongs to another user.
    pub fn check_server_side(&self, user: &UserId, topic: &Topic) -> Result<(), CommandError> {
        match self.policies.owner(topic)? {
            Some(owner) if owner != *user => {
                Err(CommandError::new(ErrorCode::Forbidden, "the topic belongs to another user"))
            }
            _ => Ok(()),
        }
    }

    /// Checks whether an identity may use a call of a service. Waits only for a backend service, for at most
    /// `permissions.timeout`.
    ///
    /// # Errors
    /// As [`Permissions::check`].
    pub async fn check_call(
        &self,
        requester: Requester<'_>,
        policy: CallPolicy,
        service: &ServiceName,
        method: &MethodName,
    ) -> Result<(), CommandError> {
        if policy == CallPolicy::User {
            return Ok(());
        }
        let granted = match &self.source {
            Source::AllowAll => permanent_decision(true),
            Source::Claims => permanent_decision(requester.identity.grants.include_call(service, method)),
            Source::Callback(callback) => {
                let subject = Subject::Call { service: service.clone(), method: method.clone() };
                ask(callback, requester, subject).await
            }
        };
        granted.map(|_| ())
    }
}

async fn ask(
    callback: &Arc<Decisions<Callback>>,
    requester: Requester<'_>,
    subject: Subject,
) -> Result<Granted, CommandError> {
    let query = callback.decider().query(requester, subject);
    outcome(callback.decide(query).await, "the permission service does not answer; try again")
}

/// Returns what a decision means for the client. `no_answer` is the message without a decision.
fn outcome(decision: Option<Decision>, no_answer: &'static str) -> Result<Granted, CommandError> {
    let Some(decision) = decision else {
        return Err(CommandError::retry(ErrorCode::Unavailable, no_answer, Duration::from_secs(1)));
    };
    match &decision.verdict {
        Verdict::Allowed => Ok(Granted { ask_again: Some(decision.ask_again()) }),
        Verdict::Denied(None) => permanent_decision(false),
        Verdict::Denied(Some(refusal)) => Err(refused(refusal)),
    }
}

/// Returns the error for a client that a backend has refused.
fn refused(Refusal { status, code, message }: &Refusal) -> CommandError {
    let text = message.clone().unwrap_or_else(|| format!("the backend of the service does not allow this ({code})"));
    let details = refusal_details(*status, code, message.as_deref());
    CommandError { details, ..CommandError::new(ErrorCode::Forbidden, text) }
}

/// Returns a decision that is valid as long as the token.
fn permanent_decision(allowed: bool) -> Result<Granted, CommandError> {
    if allowed {
        Ok(Granted { ask_again: None })
    } else {
        Err(CommandError::new(ErrorCode::Forbidden, "this is not allowed"))
    }
}

impl Grants {
    /// Returns whether the token's claims include a call of a service.
    fn include_call(&self, service: &ServiceName, method: &MethodName) -> bool {
        let methods = self.calls.get(service.as_str()).map_or(&[][..], Vec::as_slice);
        methods.iter().any(|granted| granted == "*" || granted == method.as_str())
    }

    /// Returns whether the token's claims include a clan or topic.
    fn include(&self, topic: &Topic) -> bool {
        let among = |names: &[String], name: &str| names.iter().any(|granted| granted == "*" || granted == name);
        let has_prefix = |names: &[String], name: &str| {
            names.iter().filter_map(|granted| granted.strip_suffix('*')).any(|prefix| name.starts_with(prefix))
        };
        match topic {
            Topic::User(_) => false,
            Topic::Clan(clan) => among(&self.clans, clan.as_str()),
            Topic::Service(service, topic) => {
                let topics = self.topics.get(service.as_str()).map_or(&[][..], Vec::as_slice);
                among(topics, topic.as_str()) || has_prefix(topics, topic.as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests;
