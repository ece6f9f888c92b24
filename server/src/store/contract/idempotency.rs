//! Idempotency keys: what makes an append safe to repeat.

use realtime_gateway_protocol::{ClientMessageId, IdError, MessageId, StoredId, UserId};
use serde::Serialize;

use crate::store::ContentDigest;

/// Makes an append safe to repeat: within the idempotency window, the same key on the same topic is stored once. The
/// same key with other content is a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Names what is appended.
    pub key: IdempotencyKey,
    /// What it says.
    pub content: ContentDigest,
}

impl Idempotency {
    /// Makes an append of this content safe to repeat under a key.
    ///
    /// # Errors
    /// When the content cannot be written as JSON.
    pub fn new(key: IdempotencyKey, content: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { key, content: ContentDigest::of(content)? })
    }
}

/// Names what is appended, by who does it and what it is. Keys of different kinds never meet: no backend service can
/// take a user's id, and no message can prevent a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IdempotencyKey {
    /// A message of a user, by its `clientMessageId`.
    User(UserId, ClientMessageId),
    /// A message of a backend service, by its `id`. All backend services are one sender: a message may be repeated over
    /// another way (HTTP or AMQP), and with another API key.
    Backend(ClientMessageId),
    /// The deletion of a message.
    Deletion(MessageId),
}

impl IdempotencyKey {
    /// The sender and the id, as stores keep them: the user, `system` for backend services, which is no user's name, or
    /// nothing for a deletion.
    pub fn stored(&self) -> (&str, &str) {
        match self {
            Self::User(user, id) => (user.as_str(), id.as_str()),
            Self::Backend(id) => (UserId::SYSTEM, id.as_str()),
            Self::Deletion(message) => ("", message.as_str()),
        }
    }

    /// The key that a store has kept.
    ///
    /// # Errors
    /// When the sender or the id is none.
    pub fn from_stored(sender: &str, id: &str) -> Result<Self, IdError> {
        match sender {
            "" => MessageId::from_stored(id).map(Self::Deletion),
            UserId::SYSTEM => ClientMessageId::from_stored(id).map(Self::Backend),
            user => Ok(Self::User(UserId::from_stored(user)?, ClientMessageId::from_stored(id)?)),
        }
    }
}

/// How a key compares with one that came before, within the idempotency window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It says the same.
    Same,
    /// It says something else.
    Conflict,
}

impl Repeat {
    /// Compares what a message says with what the first one with its key said. `None` for a message of which an older
    /// version kept the key only.
    pub fn of(first: Option<ContentDigest>, content: ContentDigest) -> Self {
        if first.is_none_or(|first| first == content) { Self::Same } else { Self::Conflict }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_different_kinds_never_meet() {
        let id = ClientMessageId::new("1").unwrap();
        let keys = [
            IdempotencyKey::User(UserId::new("u").unwrap(), id.clone()),
            IdempotencyKey::Backend(id),
            IdempotencyKey::Deletion(MessageId::new("1").unwrap()),
        ];
        for (n, key) in keys.iter().enumerate() {
            let (sender, id) = key.stored();
            assert_eq!(IdempotencyKey::from_stored(sender, id).as_ref(), Ok(key));
            assert!(keys[..n].iter().all(|other| other.stored() != key.stored()));
        }
    }
}
