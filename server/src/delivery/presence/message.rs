//! The messages of presence: one form within the gateway, and one for clans and one for topics on the wire.

use realtime_gateway_protocol as protocol;
use realtime_gateway_protocol::{
    PresenceChanged, PresenceStatus, PresentUser, RawJson, ServerMessage, TopicPresence, TopicPresenceChanged,
    TopicPresenceStatus, TopicUser, UserId,
};

use crate::{store::Present, topic::Topic};

/// The maximum number of users that a snapshot, or a message with several changes, lists.
pub(super) const NAMED_USERS: usize = 200;
/// The maximum size of these users in bytes, which leaves room for the envelope within the maximum message size.
pub(super) const USERS_BYTES: usize = protocol::MAX_SERVER_MESSAGE_BYTES - 16 * 1024;
/// What a user has on the wire in addition to the id and the data.
pub(super) const USER_BYTES: usize = 64;

/// A change of the presence of a user in a topic.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) topic: Topic,
    pub(crate) user: UserId,
    pub(crate) kind: ChangeKind,
}

/// How the presence of a user has changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ChangeKind {
    /// The user has become present, with this data.
    Online(Option<RawJson>),
    /// The user has left.
    Offline,
    /// The user was present before, and has this data now.
    Updated(RawJson),
}

impl Change {
    /// Returns the message for watchers. `None` for what a clan does not have, and for a user's notifications, which
    /// have no presence.
    pub(crate) fn message(&self) -> Option<ServerMessage> {
        let user_id = self.user.clone();
        match &self.topic {
            Topic::User(_) => None,
            Topic::Clan(clan_id) => {
                let status = self.kind.clan_status()?;
                Some(PresenceChanged { clan_id: clan_id.clone(), user_id, status, count: None }.into())
            }
            Topic::Service(service, topic) => {
                let (status, data) = self.kind.clone().topic_status();
                let (service, topic) = (service.clone(), topic.clone());
                Some(TopicPresenceChanged { service, topic, user_id, status, data, count: None }.into())
            }
        }
    }

    /// Returns the change that another node has sent. `None` for any other message, and for a status of a later version.
    pub(crate) fn of_message(message: ServerMessage) -> Option<Self> {
        match message {
            ServerMessage::PresenceChanged(PresenceChanged { clan_id, user_id, status, .. }) => {
                let kind = match status {
                    PresenceStatus::Online => ChangeKind::Online(None),
                    PresenceStatus::Offline => ChangeKind::Offline,
                    _ => return None,
                };
                Some(Self { topic: Topic::Clan(clan_id), user: user_id, kind })
            }
            ServerMessage::TopicPresenceChanged(changed) => {
                let TopicPresenceChanged { service, topic, user_id, status, data, .. } = changed;
                let kind = match (status, data) {
                    (TopicPresenceStatus::Online, data) => ChangeKind::Online(data),
                    (TopicPresenceStatus::Offline, _) => ChangeKind::Offline,
                    (TopicPresenceStatus::Updated, Some(data)) => ChangeKind::Updated(data),
                    _ => return None,
                };
                Some(Self { topic: Topic::Service(service, topic), user: user_id, kind })
            }
            _ => None,
        }
    }
}

impl ChangeKind {
    /// Returns the status in a clan. `None` for data, which a clan does not have.
    pub(super) fn clan_status(&self) -> Option<PresenceStatus> {
        match self {
            Self::Online(_) => Some(PresenceStatus::Online),
            Self::Offline => Some(PresenceStatus::Offline),
            Self::Updated(_) => None,
        }
    }

    /// Returns the status and the data in a topic of a service.
    pub(super) fn topic_status(self) -> (TopicPresenceStatus, Option<RawJson>) {
        match self {
            Self::Online(data) => (TopicPresenceStatus::Online, data),
            Self::Offline => (TopicPresenceStatus::Offline, None),
            Self::Updated(data) => (TopicPresenceStatus::Updated, Some(data)),
        }
    }
}

/// Returns the snapshot of the users in a topic. `None` for a user's notifications, which have no presence.
pub(super) fn snapshot(topic: &Topic, present: Present) -> Option<ServerMessage> {
    match topic {
        Topic::User(_) => None,
        Topic::Clan(clan_id) => Some(clan_roster(clan_id, present).into()),
        Topic::Service(service, topic) => Some(topic_roster(service, topic, present).into()),
    }
}

/// Returns the users in a clan.
pub(super) fn clan_roster(clan_id: &protocol::ClanId, present: Present) -> protocol::Presence {
    let user = |user: crate::store::PresentUser| PresentUser { user_id: user.user, sessions: user.sessions };
    let users = present.users.into_iter().map(user).collect();
    protocol::Presence { clan_id: clan_id.clone(), users, count: present.count }
}

/// Returns the users in a topic, as many as a message can have.
pub(super) fn topic_roster(
    service: &protocol::ServiceName,
    topic: &protocol::TopicName,
    present: Present,
) -> TopicPresence {
    let mut bytes = 0;
    let user =
        |user: crate::store::PresentUser| TopicUser { user_id: user.user, sessions: user.sessions, data: user.data };
    let fits = |user: &TopicUser| {
        let data = user.data.as_ref().map_or(0, |data| data.as_str().len());
        // Escaping can double the length of an id: it has no control characters.
        bytes += 2 * user.user_id.as_str().len() + data + USER_BYTES;
        bytes <= USERS_BYTES
    };
    let users = present.users.into_iter().map(user).take_while(fits).collect();
    TopicPresence { service: service.clone(), topic: topic.clone(), users, count: present.count }
}

#[cfg(test)]
mod tests {
    use realtime_gateway_protocol::{ClanId, ServiceName, TopicName};

    use super::*;

    fn topics() -> [Topic; 2] {
        let topic = Topic::Service(ServiceName::new("s").unwrap(), TopicName::new("t").unwrap());
        [Topic::Clan(ClanId::new("c").unwrap()), topic]
    }

    #[test]
    fn message_has_whole_change() {
        let data = RawJson::parse(r#"{"x": 1.0}"#).unwrap();
        for topic in topics() {
            let kinds = [ChangeKind::Online(None), ChangeKind::Offline, ChangeKind::Updated(data.clone())];
            for kind in kinds {
                let change = Change { topic: topic.clone(), user: UserId::new("u").unwrap(), kind };
                let read = change.message().and_then(Change::of_message);
                let clan_has_no_data = matches!(change.kind, ChangeKind::Updated(_)) && change.topic == topics()[0];
                assert_eq!(read, (!clan_has_no_data).then_some(change));
            }
        }
    }

    #[test]
    fn snapshot_fits_into_a_message() {
        let data = RawJson::encode(&"x".repeat(1022)).unwrap();
        let user = |n: usize| crate::store::PresentUser {
            user: UserId::new(format!("{n:0>66}\"")).unwrap(),
            sessions: u32::MAX,
            data: Some(data.clone()),
        };
        let present = Present { users: (0..NAMED_USERS).map(user).collect(), count: 5_000 };
        let message = snapshot(&topics()[1], present).unwrap();
        let text = protocol::encode_server(&protocol::Envelope::without_request_id(message.clone()));
        assert!(text.len() <= protocol::MAX_SERVER_MESSAGE_BYTES, "{}", text.len());
        let ServerMessage::TopicPresence(roster) = message else { panic!("{text}") };
        assert!(roster.users.len() > 190 && roster.count == 5_000, "{}", roster.users.len());
    }
}
