//! Idempotency keys, which make an append safe to repeat.

use realtime_gateway_protocol::{ClientMessageId, IdError, MessageId, StoredId, UserId};
use serde::Serialize;

use crate::ContentDigest;

/// An idempotency key with the digest of the content. Within the idempotency window, appends with the same key to the same
/// topic are stored once. The same key with different content is a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key.
    pub key: IdempotencyKey,
    /// The digest of the content.
    pub content: ContentDigest,
}

impl Idempotency {
    /// Creates the idempotency key for content.
    ///
    /// # Errors
    /// If the content cannot be encoded as JSON.
    pub fn new(key: IdempotencyKey, content: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { key, content: ContentDigest::of(content)? })
    }
}

/// A key that identifies an append by its sender and its id. Keys of different kinds are never equal, so a backend service
/// cannot occupy the id of a user, and a message cannot prevent a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IdempotencyKey {
    /// A message of a user, identified by its `clientMessageId`.
    User(UserId, ClientMessageId),
    /// A message of a backend service, identified by its `id`. All backend services count as one sender, because a message
    /// may be repeated over the other interface (HTTP or AMQP) and with another API key.
    Backend(ClientMessageId),
    /// The deletion of a message, identified by the message.
    Deletion(MessageId),
}

impl IdempotencyKey {
    /// Returns the sender and the id in their stored form. The sender is the user, `system` for backend services (which
    /// no user can be called), or empty for a deletion.
    pub fn stored(&self) -> (&str, &str) {
        match self {
            Self::User(user, id) => (user.as_str(), id.as_str()),
            Self::Backend(id) => (UserId::SYSTEM, id.as_str()),
            Self::Deletion(message) => ("", message.as_str()),
        }
    }

    /// Creates a key from its stored form.
    ///
    /// # Errors
    /// If the sender or the id is not valid.
    pub fn from_stored(sender: &str, id: &str) -> Result<Self, IdError> {
        match sender {
            "" => MessageId::from_stored(id).map(Self::Deletion),
            UserId::SYSTEM => ClientMessageId::from_stored(id).map(Self::Backend),
            user => Ok(Self::User(UserId::from_stored(user)?, ClientMessageId::from_stored(id)?)),
        }
    }
}

/// The comparison of a message with an earlier message that has the same key, within the idempotency window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The content is the same.
    Same,
    /// The content differs.
    Conflict,
}

impl Repeat {
    /// Compares the content of a message with that of the first message with the same key. `first` is `None` if the first
    /// message was stored by an older version without a digest.
    pub fn of(first: Option<ContentDigest>, content: ContentDigest) -> Self {
        if first.is_none_or(|first| first == content) { Self::Same } else { Self::Conflict }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_keys_of_different_kinds_apart() {
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
