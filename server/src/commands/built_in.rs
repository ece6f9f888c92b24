//! The contracts of the built-in services: the rules of their topics, on the trait that declared services have too, and
//! what documents say about them. The code behind them is in `clan_chat.rs` and `notifications.rs`.

use async_trait::async_trait;
use realtime_gateway_protocol::{ServiceName, TopicName, UserId};
use serde_json::{Value, json};

use super::service::{Commands, PresenceKind, Service};
use crate::{
    auth::{Action, TopicAccess},
    command_error::CommandError,
};

/// The contract of clan chat. A topic has the id of its clan.
pub(crate) struct ClanChatContract;

#[async_trait]
impl Service for ClanChatContract {
    fn name(&self) -> ServiceName {
        ServiceName::clan_chat()
    }

    fn commands(&self) -> Commands {
        Commands::Specific
    }

    fn presence(&self, _: &TopicName) -> PresenceKind {
        PresenceKind::Users
    }
}

/// The contract of notifications. A topic has the id of its user.
pub(crate) struct NotificationsContract;

#[async_trait]
impl Service for NotificationsContract {
    fn name(&self) -> ServiceName {
        ServiceName::notifications()
    }

    fn commands(&self) -> Commands {
        Commands::Specific
    }

    fn access(&self, _: Action, topic: &TopicName) -> Result<TopicAccess, CommandError> {
        Ok(TopicAccess::owned_by(UserId::from(topic)))
    }
}

/// What documents say about a built-in service.
pub(crate) struct BuiltInService {
    pub(crate) name: ServiceName,
    pub(crate) title: &'static str,
    /// The names of its topics.
    pub(crate) topic: &'static str,
    /// The commands of clients. Each is a type of `client.json`.
    pub(crate) commands: &'static [&'static str],
    /// The messages to subscribers. Each is a type of `server.json`.
    pub(crate) events: &'static [&'static str],
    /// Who may subscribe, in the words of contracts.
    pub(crate) subscribe: &'static str,
    pub(crate) has_presence: bool,
}

impl BuiltInService {
    /// Returns the built-in services.
    pub(crate) fn all() -> [Self; 2] {
        [
            Self {
                name: ServiceName::notifications(),
                title: "Notifications",
                topic: "{userId}",
                commands: &["subscribe_notifications", "unsubscribe_notifications", "notification_ack"],
                events: &["notification", "notification_acked"],
                subscribe: "user",
                has_presence: false,
            },
            Self {
                name: ServiceName::clan_chat(),
                title: "Clan chat",
                topic: "{clanId}",
                commands: &[
                    "subscribe_clan_chat",
                    "unsubscribe_clan_chat",
                    "chat",
                    "typing",
                    "chat_history",
                    "presence",
                ],
                events: &["chat", "chat_deleted", "typing", "presence", "presence_changed", "presence_changes"],
                subscribe: "grants",
                has_presence: true,
            },
        ]
    }

    /// Returns the service as a JSON object.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "title": self.title,
            "topic": self.topic,
            "commands": self.commands,
            "events": self.events,
            "subscribe": self.subscribe,
            "presence": self.has_presence,
        })
    }
}

#[cfg(test)]
mod tests {
    use realtime_gateway_protocol::{ClientMessage, ServerMessage};

    use super::*;
    use crate::auth::TopicPolicy;

    #[test]
    fn documents_say_what_the_contracts_decide() {
        let topic = TopicName::new("anna").unwrap();
        let contracts: [&dyn Service; 2] = [&NotificationsContract, &ClanChatContract];
        for (described, contract) in BuiltInService::all().iter().zip(contracts) {
            assert_eq!(described.name, contract.name());
            assert_eq!(described.has_presence, contract.presence(&topic) != PresenceKind::Off);
            let access = contract.access(Action::Subscribe, &topic).unwrap();
            let expected = if described.subscribe == "user" { TopicPolicy::User } else { TopicPolicy::Grants };
            assert_eq!(access.policy, expected);
            assert!(described.commands.iter().all(|word| ClientMessage::TYPES.contains(word)));
            assert!(described.events.iter().all(|word| ServerMessage::TYPES.contains(word)));
        }
        let owner = NotificationsContract.owner(&topic).unwrap();
        assert_eq!(owner.unwrap().as_str(), "anna", "notifications belong to their user");
    }
}
