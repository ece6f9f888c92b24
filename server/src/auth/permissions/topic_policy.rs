//! The policies of the topics of services: who may use them besides users with a grant.

use std::{fmt::Debug, sync::Arc};

use realtime_gateway_protocol::{RawJson, UserId};

use super::SubscribeDecisions;
use crate::{auth::Action, command_error::CommandError, topic::Topic};

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

    /// One user, without a grant.
    pub fn owned_by(user: UserId) -> Self {
        Self { policy: TopicPolicy::User, owner: Some(user) }
    }
}

/// The source of the policies of topics. It may change while the gateway runs.
pub trait TopicPolicies: Debug + Send + Sync {
    /// Returns who may perform an action on a topic.
    ///
    /// # Errors
    /// `unknown_service` when no service has the topic, `forbidden` when no client may perform the action.
    fn access(&self, topic: &Topic, action: Action) -> Result<TopicAccess, CommandError>;

    /// Returns the only user to whom a topic belongs, if any.
    ///
    /// # Errors
    /// `unknown_service` when no service has the topic.
    fn owner(&self, topic: &Topic) -> Result<Option<UserId>, CommandError>;

    /// Returns whether the events of a topic are stored, so that clients have a position in it.
    fn keeps_history(&self, topic: &Topic) -> bool;

    /// Returns a number that increases with every change.
    fn revision(&self) -> u64;
}

/// The policies without services: notifications belong to their user, and every other topic needs a grant.
#[derive(Debug)]
pub(super) struct GrantsOnly;

impl TopicPolicies for GrantsOnly {
    fn access(&self, topic: &Topic, _: Action) -> Result<TopicAccess, CommandError> {
        Ok(match topic {
            Topic::User(user) => TopicAccess::owned_by(user.clone()),
            Topic::Clan(_) | Topic::Service(..) => TopicAccess::GRANTS,
        })
    }

    fn owner(&self, topic: &Topic) -> Result<Option<UserId>, CommandError> {
        Ok(self.access(topic, Action::Subscribe)?.owner)
    }

    fn keeps_history(&self, _: &Topic) -> bool {
        true
    }

    fn revision(&self) -> u64 {
        0
    }
}
