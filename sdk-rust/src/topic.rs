//! What can be subscribed to.

use realtime_gateway_protocol::{
    ClanId, ClientMessage, Recover, ServiceName, Subscribe, SubscribeClanChat, SubscribeNotifications, TopicName,
    Unsubscribe, UnsubscribeClanChat, UnsubscribeNotifications,
};

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
}
