//! What somebody may do: by the claims of their token, by a backend service that is asked, or (for developers) all.

mod cache;
mod callback;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use realtime_gateway_protocol::ErrorCode;

use self::callback::{Callback, Question};
use super::{Action, Grants, Identity};
use crate::{
    command_error::CommandError,
    config::{self, PermissionSource},
    topic::Topic,
};

/// An action is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// When it must be asked again whether it still is; `None` when it holds as long as the token.
    pub ask_again: Option<AskAgain>,
}

/// When to ask a backend service again for something that it has granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskAgain {
    /// After this time.
    pub after: Duration,
    /// Until then the grant holds although the service does not answer (`permissions.stale_grace`).
    pub holds_until: Instant,
}

/// Why permissions cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("permissions.url: {0}")]
pub struct PermissionsError(String);

/// Decides what somebody may do.
#[derive(Debug)]
pub struct Permissions {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Claims,
    Callback(Arc<Callback>),
    AllowAll,
}

impl Permissions {
    /// Prepares the source that is configured; a backend service is not asked yet.
    ///
    /// # Errors
    /// [`PermissionsError`] when the HTTP client cannot be made.
    pub fn new(permissions: &config::Permissions) -> Result<Self, PermissionsError> {
        let source = match &permissions.source {
            PermissionSource::Claims => Source::Claims,
            PermissionSource::AllowAll => Source::AllowAll,
            PermissionSource::Http(url) => {
                Source::Callback(Arc::new(Callback::new(url, permissions).map_err(PermissionsError)?))
            }
        };
        Ok(Self { source })
    }

    /// Whether somebody may do something. This waits only for a backend service, and as long as
    /// `permissions.timeout`.
    ///
    /// # Errors
    /// `forbidden` when not, `unavailable` when the service does not answer and no earlier grant holds.
    pub async fn check(&self, identity: &Identity, action: Action, topic: &Topic) -> Result<Granted, CommandError> {
        // Everybody's notifications are their own, and nobody else's, whatever anybody says.
        if let Topic::User(owner) = topic {
            return decided(*owner == identity.user);
        }
        match &self.source {
            Source::AllowAll => decided(true),
            Source::Claims => decided(identity.grants.cover(topic)),
            Source::Callback(callback) => {
                let question = Question { user: identity.user.clone(), action, topic: topic.clone() };
                match callback.ask(question).await {
                    Some(answer) if answer.allowed => Ok(Granted { ask_again: Some(answer.ask_again()) }),
                    Some(_) => decided(false),
                    None => {
                        let message = "the permission service does not answer; try again";
                        Err(CommandError::retry(ErrorCode::Unavailable, message, Duration::from_secs(1)))
                    }
                }
            }
        }
    }
}

/// What does not change while the token lives.
fn decided(allowed: bool) -> Result<Granted, CommandError> {
    if allowed {
        Ok(Granted { ask_again: None })
    } else {
        Err(CommandError::new(ErrorCode::Forbidden, "this is not allowed"))
    }
}

impl Grants {
    /// Whether a clan or topic is among those that the token names.
    fn cover(&self, topic: &Topic) -> bool {
        let among = |names: &[String], name: &str| names.iter().any(|granted| granted == "*" || granted == name);
        match topic {
            Topic::User(_) => false,
            Topic::Clan(clan) => among(&self.clans, clan.as_str()),
            Topic::Service(service, topic) => {
                self.topics.get(service.as_str()).is_some_and(|topics| among(topics, topic.as_str()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
