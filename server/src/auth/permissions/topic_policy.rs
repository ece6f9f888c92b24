//! The policies of the topics of services: who may use them besides users with a grant.

use std::{fmt::Debug, sync::Arc};

use realtime_gateway_protocol::{RawJson, ServiceName, TopicName, UserId};

use super::SubscribeDecisions;
use crate::{auth::Action, command_error::CommandError};

/// Who may perform an action on the topics of a service.
#[derive(Debug, Clone, PartialEq)]
pub enum TopicPolicy {
    /// Users with a grant: a claim of the token, or the permission service.
    Grants,
    /// Any authenticated user.
    User,
    /// The users whom the backend of the service allows.
    Backend(BackendPolicy),
}

/// A topic about which a backend decides.
#[derive(Debug, Clone)]
pub struct BackendPolicy {
    /// The decisions of the backend.
    pub decisions: Arc<SubscribeDecisions>,
    /// The values of the parameters of the topic: a JSON object.
    pub params: RawJson,
}

impl PartialEq for BackendPolicy {
    /// Compares the parameters, and whether the decisions are those of one cache.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.decisions, &other.decisions) && self.params.as_str() == other.params.as_str()
    }
}

/// Who may perform an action on one topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicAccess {
    /// The policy of the service.
    pub policy: TopicPolicy,
    /// The only user to whom the topic belongs, if any. The policy holds for this user too, so that both conditions
    /// have to be met.
    pub owner: Option<UserId>,
}

impl TopicAccess {
    /// Users with a grant.
    pub const GRANTS: Self = Self { policy: TopicPolicy::Grants, owner: None };
}

/// The source of the policies of topics. It may change while the gateway runs.
pub trait TopicPolicies: Debug + Send + Sync {
    /// Returns who may perform an action on a topic.
    ///
    /// # Errors
    /// `unknown_service` when no service has the topic, `forbidden` when no client may perform the action.
    fn access(&self, service: &ServiceName, topic: &TopicName, action: Action) -> Result<TopicAccess, CommandError>;

    /// Returns the only user to whom a topic belongs, if any.
    ///
    /// # Errors
    /// `unknown_service` when no service has the topic.
    fn owner(&self, service: &ServiceName, topic: &TopicName) -> Result<Option<UserId>, CommandError>;

    /// Returns a number that increases with every change.
    fn revision(&self) -> u64;
}

/// The policies of a gateway without services that have any: every topic needs a grant.
#[derive(Debug)]
pub(super) struct GrantsOnly;

impl TopicPolicies for GrantsOnly {
    fn access(&self, _: &ServiceName, _: &TopicName, _: Action) -> Result<TopicAccess, CommandError> {
        Ok(TopicAccess::GRANTS)
    }

    fn owner(&self, _: &ServiceName, _: &TopicName) -> Result<Option<UserId>, CommandError> {
        Ok(None)
    }

    fn revision(&self) -> u64 {
        0
    }
}
