//! Declared services: services that a contract file declares instead of code.
//!
//! `declared/read.rs` reads the contracts of a configuration.

mod read;

use std::sync::Arc;

use async_trait::async_trait;
use gateway_contracts::{Contract, DataType, DeclaredTopic, ParameterValues, Policy, TopicHistory, TopicPresence};
use realtime_gateway_protocol::{ErrorCode, RawJson, ServiceName, TopicName, UserId};

use super::service::{PresenceKind, Service, TopicRetention};
use crate::{
    auth::{Action, TopicAccess, TopicPolicy},
    command_error::CommandError,
};

pub use read::{DeclaredServiceError, read_contracts};

/// A service whose topics, types and policies a contract declares.
pub struct DeclaredService {
    contract: Arc<Contract>,
}

impl DeclaredService {
    /// Creates the service of a contract.
    pub fn new(contract: Arc<Contract>) -> Self {
        Self { contract }
    }

    /// Returns the kind of a topic, and the values of its parameters.
    fn topic<'a>(&'a self, topic: &'a TopicName) -> Option<(&'a DeclaredTopic, ParameterValues<'a>)> {
        self.contract.topic(topic).map(|(_, declared, values)| (declared, values))
    }
}

fn forbidden(message: &'static str) -> CommandError {
    CommandError::new(ErrorCode::Forbidden, message)
}

fn no_publications() -> CommandError {
    forbidden("clients may not publish to this topic")
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
        self.topic(topic).is_some()
    }

    fn access(&self, action: Action, topic: &TopicName) -> Result<TopicAccess, CommandError> {
        let (declared, values) = self.topic(topic).ok_or_else(super::services::unknown_topic)?;
        let policy = match action {
            Action::Subscribe | Action::Read => declared.subscribe,
            Action::Publish => declared.publish.as_ref().ok_or_else(no_publications)?.allow,
        };
        let policy = match policy {
            Policy::Grants => TopicPolicy::Grants,
            Policy::User => TopicPolicy::User,
            // Contracts that need a backend are refused when they are read.
            Policy::Backend => return Err(forbidden("only the backend of the service can allow this")),
        };
        let owner = values.user_id().map(UserId::new).transpose();
        let owner = owner.map_err(|_| forbidden("this topic belongs to no user"))?;
        Ok(TopicAccess { policy, owner })
    }

    fn retention(&self, topic: &TopicName) -> TopicRetention {
        match self.topic(topic).map(|(declared, _)| declared.history) {
            Some(TopicHistory::Kept { max_entries, max_age }) => TopicRetention { max_entries, max_age },
            Some(TopicHistory::Off) | None => TopicRetention::default(),
        }
    }

    async fn publish(&self, _from: &UserId, topic: &TopicName, data: RawJson) -> Result<RawJson, CommandError> {
        let (declared, _) = self.topic(topic).ok_or_else(super::services::unknown_topic)?;
        let publish = declared.publish.as_ref().ok_or_else(no_publications)?;
        validate(&publish.data, &data)?;
        if publish.data != declared.event {
            // Data that matches one branch of the event could match another branch too, and then not the event.
            validate(&declared.event, &data)?;
        }
        Ok(data)
    }

    fn presence(&self, topic: &TopicName) -> PresenceKind {
        match self.topic(topic).map(|(declared, _)| &declared.presence) {
            Some(TopicPresence::On) => PresenceKind::Users,
            Some(TopicPresence::WithData(_)) => PresenceKind::UsersWithData,
            Some(TopicPresence::Off) | None => PresenceKind::Off,
        }
    }

    fn check_presence_data(&self, topic: &TopicName, data: &RawJson) -> Result<(), CommandError> {
        let (declared, _) = self.topic(topic).ok_or_else(super::services::unknown_topic)?;
        let TopicPresence::WithData(data_type) = &declared.presence else { return Ok(()) };
        data_type.validate(data.as_str()).map_err(|problem| CommandError::invalid_data_of("presenceData", problem))
    }

    fn validate_event(&self, topic: &TopicName, data: &RawJson) -> Result<(), CommandError> {
        let (declared, _) = self.topic(topic).ok_or_else(super::services::unknown_topic)?;
        validate(&declared.event, data)
    }
}

#[cfg(test)]
mod tests;
