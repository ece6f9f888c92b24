//! What can be subscribed to, and which topic a message belongs to.

use realtime_gateway_protocol::{
    ClanId, ClientMessage, Recover, ServerMessage, ServiceName, Subscribe, SubscribeClanChat, SubscribeNotifications,
    TopicName, Unsubscribe, UnsubscribeClanChat, UnsubscribeNotifications,
};
use serde::Deserialize;

/// The address of publications.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// The user's own notifications.
    Notifications,
    /// A clan's chat.
    Clan(ClanId),
    /// A topic of a declared service.
    Service(ServiceName, TopicName),
}

/// What a subscription asks the gateway for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) recover: Option<Recover>,
    pub(crate) history: Option<u32>,
    pub(crate) presence: bool,
}

impl Topic {
    pub(crate) fn subscribe(&self, wish: Wish) -> ClientMessage {
        let Wish { recover, history, presence } = wish;
        match self.clone() {
            Self::Notifications => SubscribeNotifications { recover }.into(),
            Self::Clan(clan_id) => {
                SubscribeClanChat { clan_id, recover, history, presence: presence.then_some(true) }.into()
            }
            Self::Service(service, topic) => Subscribe { service, topic, recover, history }.into(),
        }
    }

    pub(crate) fn unsubscribe(&self) -> ClientMessage {
        match self.clone() {
            Self::Notifications => UnsubscribeNotifications {}.into(),
            Self::Clan(clan_id) => UnsubscribeClanChat { clan_id }.into(),
            Self::Service(service, topic) => Unsubscribe { service, topic }.into(),
        }
    }

    /// The topic of a message that names a service and perhaps a clan or topic.
    pub(crate) fn named(service: &ServiceName, clan: Option<&ClanId>, topic: Option<&TopicName>) -> Option<Self> {
        match (service.as_str(), clan, topic) {
            ("notifications", ..) => Some(Self::Notifications),
            ("clan_chat", Some(clan), _) => Some(Self::Clan(clan.clone())),
            (_, _, Some(topic)) => Some(Self::Service(service.clone(), topic.clone())),
            _ => None,
        }
    }

    /// The topic of a push, and its offset when it is an entry of the log.
    pub(crate) fn of(message: &ServerMessage) -> Option<(Self, Option<u64>)> {
        match message {
            ServerMessage::Notification(notification) => Some((Self::Notifications, Some(notification.offset))),
            ServerMessage::Chat(chat) => Some((Self::Clan(chat.clan_id.clone()), Some(chat.offset))),
            ServerMessage::ChatDeleted(deleted) => Some((Self::Clan(deleted.clan_id.clone()), Some(deleted.offset))),
            ServerMessage::Typing(typing) => Some((Self::Clan(typing.clan_id.clone()), None)),
            ServerMessage::Presence(presence) => Some((Self::Clan(presence.clan_id.clone()), None)),
            ServerMessage::PresenceChanged(changed) => Some((Self::Clan(changed.clan_id.clone()), None)),
            ServerMessage::Event(event) => {
                Some((Self::Service(event.service.clone(), event.topic.clone()), Some(event.offset)))
            }
            ServerMessage::Unknown(unknown) => {
                let address: Address = unknown.raw.decode().ok()?;
                let topic = match (&address.service, address.clan_id, address.topic) {
                    (None, Some(clan), _) => Some(Self::Clan(clan)),
                    (Some(service), clan, topic) => Self::named(service, clan.as_ref(), topic.as_ref()),
                    _ => None,
                }?;
                Some((topic, address.offset))
            }
            _ => None,
        }
    }
}

/// The fields by which a message of a later version is placed: its offset moves the position all the same.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    #[serde(default)]
    service: Option<ServiceName>,
    #[serde(default)]
    clan_id: Option<ClanId>,
    #[serde(default)]
    topic: Option<TopicName>,
    #[serde(default)]
    offset: Option<u64>,
}
