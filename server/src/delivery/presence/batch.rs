//! The changes of a large topic that wait to be announced together. Announcing each of them immediately would send as many
//! messages for one user as the topic has watchers.

use realtime_gateway_protocol::{
    PresenceChange, PresenceChanges, RawJson, ServerMessage, TopicPresenceChange, TopicPresenceChanges, UserId,
};

use super::message::{Change, ChangeKind, NAMED_USERS, USER_BYTES, USERS_BYTES};
use crate::topic::Topic;

/// The newest change of each user since the last announcement.
#[derive(Debug, PartialEq)]
pub(super) enum Batch {
    /// The changes, in the order in which their users first changed.
    Changes(Vec<(UserId, ChangeKind)>),
    /// There are more changes than a message can have, so a snapshot replaces them.
    TooMany,
}

impl Default for Batch {
    fn default() -> Self {
        Self::Changes(Vec::new())
    }
}

impl Batch {
    /// Adds a change. It replaces the earlier change of its user.
    pub(super) fn add(&mut self, change: &Change) {
        let Self::Changes(changes) = self else { return };
        let kind = change.kind.clone();
        if let Some((_, before)) = changes.iter_mut().find(|(user, _)| *user == change.user) {
            *before = combined(before, kind);
        } else if changes.len() < NAMED_USERS {
            changes.push((change.user.clone(), kind));
        } else {
            *self = Self::TooMany;
        }
    }

    /// Returns the message for watchers. `None` if only a snapshot has room for the changes, and for a user's
    /// notifications, which have no presence.
    pub(super) fn message(self, topic: &Topic, count: u64) -> Option<ServerMessage> {
        let Self::Changes(changes) = self else { return None };
        match topic {
            Topic::User(_) => None,
            Topic::Clan(clan_id) => {
                let changes = changes.into_iter().filter_map(clan_change).collect();
                Some(PresenceChanges { clan_id: clan_id.clone(), changes, count }.into())
            }
            Topic::Service(service, topic) => {
                let changes: Vec<_> = changes.into_iter().map(topic_change).collect();
                let fits = changes.iter().map(bytes).sum::<usize>() <= USERS_BYTES;
                let (service, topic) = (service.clone(), topic.clone());
                fits.then(|| TopicPresenceChanges { service, topic, changes, count }.into())
            }
        }
    }
}

/// Returns the change that has the effect of two changes of a user.
fn combined(before: &ChangeKind, then: ChangeKind) -> ChangeKind {
    match (before, then) {
        // Watchers do not know the user yet.
        (ChangeKind::Online(_), ChangeKind::Updated(data)) => ChangeKind::Online(Some(data)),
        (_, then) => then,
    }
}

/// Returns the change of a user in a clan, where users show no data.
fn clan_change((user_id, kind): (UserId, ChangeKind)) -> Option<PresenceChange> {
    Some(PresenceChange { user_id, status: kind.clan_status()? })
}

fn topic_change((user_id, kind): (UserId, ChangeKind)) -> TopicPresenceChange {
    let (status, data) = kind.topic_status();
    TopicPresenceChange { user_id, status, data }
}

/// Returns an upper bound of the size of a change in bytes.
fn bytes(change: &TopicPresenceChange) -> usize {
    // Escaping can double the length of an id: it has no control characters.
    2 * change.user_id.as_str().len()
        + change.data.as_ref().map_or(0, |data: &RawJson| data.as_str().len())
        + USER_BYTES
}

#[cfg(test)]
mod tests {
    use realtime_gateway_protocol::{
        ClanId, Envelope, MAX_SERVER_MESSAGE_BYTES, PresenceStatus, ServiceName, TopicName, TopicPresenceStatus,
        encode_server,
    };

    use super::*;

    fn clan() -> Topic {
        Topic::Clan(ClanId::new("c").unwrap())
    }

    fn topic() -> Topic {
        Topic::Service(ServiceName::new("s").unwrap(), TopicName::new("t").unwrap())
    }

    fn data(text: &str) -> RawJson {
        RawJson::encode(&text).unwrap()
    }

    fn batch(changes: impl IntoIterator<Item = (String, ChangeKind)>) -> Batch {
        let mut batch = Batch::default();
        for (user, kind) in changes {
            batch.add(&Change { topic: topic(), user: UserId::new(user).unwrap(), kind });
        }
        batch
    }

    #[test]
    fn keeps_newest_change_of_each_user() {
        let (ann, bob, cid) = ("ann".to_owned(), "bob".to_owned(), "cid".to_owned());
        let batch = batch([
            (ann.clone(), ChangeKind::Online(Some(data("first")))),
            (bob.clone(), ChangeKind::Offline),
            (ann, ChangeKind::Updated(data("second"))),
            (cid.clone(), ChangeKind::Updated(data("first"))),
            (bob, ChangeKind::Online(None)),
            (cid, ChangeKind::Offline),
        ]);
        let Some(ServerMessage::TopicPresenceChanges(message)) = batch.message(&topic(), 300) else { panic!() };
        let changes = message.changes.iter().map(|change| (change.user_id.as_str(), &change.status, &change.data));
        assert_eq!(
            changes.collect::<Vec<_>>(),
            [
                ("ann", &TopicPresenceStatus::Online, &Some(data("second"))),
                ("bob", &TopicPresenceStatus::Online, &None),
                ("cid", &TopicPresenceStatus::Offline, &None),
            ],
        );
        assert_eq!(message.count, 300);
    }

    #[test]
    fn leaves_data_out_of_clans() {
        let batch = batch([
            ("ann".to_owned(), ChangeKind::Online(None)),
            ("bob".to_owned(), ChangeKind::Updated(data("x"))),
            ("cid".to_owned(), ChangeKind::Offline),
        ]);
        let Some(ServerMessage::PresenceChanges(message)) = batch.message(&clan(), 2) else { panic!() };
        let changes = message.changes.iter().map(|change| (change.user_id.as_str(), &change.status));
        assert_eq!(changes.collect::<Vec<_>>(), [("ann", &PresenceStatus::Online), ("cid", &PresenceStatus::Offline)]);
    }

    #[test]
    fn has_no_message_for_more_users_than_a_snapshot_names() {
        let users = |number: usize| batch((0..number).map(|n| (n.to_string(), ChangeKind::Offline)));
        assert!(users(NAMED_USERS).message(&topic(), 1).is_some());
        assert_eq!(users(NAMED_USERS + 1), Batch::TooMany);
        assert!(users(NAMED_USERS + 2).message(&topic(), 1).is_none());
    }

    #[test]
    fn has_no_message_that_exceeds_the_maximum_size() {
        let large = data(&"x".repeat(1022));
        let users = |number: usize| {
            batch((0..number).map(|n| (format!("{n:0>127}\""), ChangeKind::Online(Some(large.clone())))))
        };
        assert!(users(NAMED_USERS).message(&topic(), u64::MAX).is_none());
        let message = users(180).message(&topic(), u64::MAX).unwrap();
        let text = encode_server(&Envelope::without_request_id(message));
        assert!(text.len() <= MAX_SERVER_MESSAGE_BYTES, "{}", text.len());
    }
}
