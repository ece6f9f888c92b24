//! The topics that a client subscribes to.

use realtime_gateway_protocol::{
    ClanId, ClientMessage, Outline, Recover, ServiceName, StoredId, Subscribe, SubscribeClanChat,
    SubscribeNotifications, TopicName, Unsubscribe, UnsubscribeClanChat, UnsubscribeNotifications,
};

use crate::machine::Draft;

/// A topic that a client can subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// The user's own notifications.
    Notifications,
    /// A clan's chat.
    Clan(ClanId),
    /// A topic of a declared service.
    Service(ServiceName, TopicName),
}

/// The parameters of a subscribe command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SubscribeRequest {
    pub(crate) recover: Option<Recover>,
    pub(crate) history: Option<u32>,
    pub(crate) presence: bool,
    /// JSON.
    pub(crate) presence_data: Option<Box<str>>,
}

impl Topic {
    /// Returns the topic that a decoded command addresses by its fields.
    pub(crate) fn of(command: &Outline<'_>) -> Option<Self> {
        Some(if command.raw("service").is_some() {
            Self::Service(id(command, "service")?, id(command, "topic")?)
        } else if command.raw("clanId").is_some() {
            Self::Clan(id(command, "clanId")?)
        } else {
            Self::Notifications
        })
    }

    /// Returns the clan, or `None` if this is not the chat of a clan.
    pub(crate) fn clan(self) -> Option<ClanId> {
        match self {
            Self::Clan(clan) => Some(clan),
            _ => None,
        }
    }

    pub(crate) fn subscribe(&self, request: SubscribeRequest) -> Draft {
        let SubscribeRequest { recover, history, presence, presence_data } = request;
        let presence = presence.then_some(true);
        match self.clone() {
            Self::Notifications => SubscribeNotifications { recover }.into(),
            Self::Clan(clan_id) => SubscribeClanChat { clan_id, recover, history, presence }.into(),
            Self::Service(service, topic) => {
                let subscribe =
                    Subscribe { service, topic, recover, history, presence, presence_data: None, server_side: None };
                let mut draft = Draft::from(subscribe);
                // As text, because a JSON parser would enlarge the WebAssembly build.
                if let Some(data) = presence_data {
                    draft.add("presenceData", &data);
                }
                draft
            }
        }
    }

    pub(crate) fn unsubscribe(&self) -> ClientMessage {
        match self.clone() {
            Self::Notifications => UnsubscribeNotifications {}.into(),
            Self::Clan(clan_id) => UnsubscribeClanChat { clan_id }.into(),
            Self::Service(service, topic) => Unsubscribe { service, topic }.into(),
        }
    }
}

/// Returns an identifier of a command. The fields of the command were checked before.
fn id<T: StoredId>(command: &Outline<'_>, name: &str) -> Option<T> {
    T::from_stored(&command.text(name)?).ok()
}
