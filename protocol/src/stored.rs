//! Stored entries: the body that a log stores for a message, and the message that is composed from it for clients.
//!
//! The body is the JSON of the message without the parts that the log itself has: the address (clan, or service and
//! topic) and the offset. [`StoredBody`] writes it, and only [`StoredEntry`] composes messages from it.

use std::fmt::{self, Write};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeSeed},
};
use serde_json::value::RawValue;

use crate::{
    Chat, ChatContent, ChatData, ClientMessageId, Event, MessageId, MessageType, NotificationId, RawJson, Timestamp,
    UserId, object_text::push_string, topic::Topic,
};

/// The body of an entry, as a service writes it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StoredBody<'a> {
    /// A chat message.
    Chat(StoredChat<'a>),
    /// The deletion of a chat message; it also replaces the body of that message.
    ChatDeleted(StoredDeletion<'a>),
    /// An event of a topic of a service.
    Event(StoredEvent<'a>),
    /// A notification.
    Notification(StoredNotification<'a>),
}

/// The body of a chat message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredChat<'a> {
    /// The author.
    pub user_id: &'a UserId,
    /// The text.
    pub content: &'a ChatContent,
    /// The id of the message.
    pub message_id: &'a MessageId,
    /// The kind of message.
    pub message_type: &'a MessageType,
    /// Replies, mentions, attachments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<&'a ChatData>,
    /// When the gateway accepted the message.
    pub sent_at: Timestamp,
    /// The idempotency key that the author chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<&'a ClientMessageId>,
}

/// The body of a deletion.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredDeletion<'a> {
    /// The message that was deleted.
    pub message_id: &'a MessageId,
}

/// The body of an event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredEvent<'a> {
    /// The published data.
    pub data: &'a RawJson,
    /// When the gateway accepted the message.
    pub published_at: Timestamp,
    /// The user who published the event. `None` for a backend service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<&'a UserId>,
    /// The idempotency key that the publisher chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<&'a ClientMessageId>,
}

/// The body of a notification.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredNotification<'a> {
    /// The id of the notification.
    pub id: &'a NotificationId,
    /// The headline.
    pub title: &'a str,
    /// The text.
    pub message: &'a str,
    /// Additional data of the backend service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<&'a RawJson>,
    /// When the gateway accepted the message.
    pub created_at: Timestamp,
}

impl StoredBody<'_> {
    /// Encodes the body for the log.
    ///
    /// # Errors
    /// When the value cannot be serialized to JSON, which does not happen for values of this crate.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut body = Vec::with_capacity(self.expected_length());
        serde_json::to_writer(&mut body, self)?;
        Ok(body)
    }

    /// Returns about how many bytes the body has, so that it rarely has to grow while it is written.
    fn expected_length(&self) -> usize {
        /// The names of the members, an id, a time and the name of a user.
        const MEMBERS: usize = 208;
        let json = |data: Option<&RawJson>| data.map_or(0, |data| data.as_str().len());
        MEMBERS
            + match self {
                Self::Chat(chat) => chat.content.as_str().len() + json(chat.data.map(ChatData::json)),
                Self::ChatDeleted(_) => 0,
                Self::Event(event) => json(Some(event.data)),
                Self::Notification(notification) => {
                    notification.title.len() + notification.message.len() + json(notification.data)
                }
            }
    }
}

/// Whether an entry may have been sent to a client before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is not known to have been sent before.
    First,
    /// It was sent before. A notification is marked as `redelivered`.
    Again,
}

/// An entry of a log.
#[derive(Debug, Clone, Copy)]
pub struct StoredEntry<'a> {
    /// The topic of the log.
    pub topic: &'a Topic,
    /// The offset of the entry.
    pub offset: u64,
    /// The stored body.
    pub body: &'a [u8],
}

/// A message that was composed from an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The `type`.
    pub type_name: String,
    /// The JSON text of the frame.
    pub text: String,
}

/// The error for an entry with a damaged body.
#[derive(Debug, thiserror::Error)]
#[error("the body of the entry is no message: {0}")]
pub struct StoredError(#[from] serde_json::Error);

impl StoredEntry<'_> {
    /// Composes the message for clients: the members of the body, then the address and the offset.
    ///
    /// Members are copied as stored, without decoding them, so that members that a later version added are kept.
    ///
    /// # Errors
    /// A [`StoredError`] when the body is not a JSON object with a `type`.
    pub fn compose(&self, delivery: Delivery) -> Result<Composed, StoredError> {
        let mut text = String::with_capacity(self.body.len() + 96);
        text.push('{');
        let mut body = serde_json::Deserializer::from_slice(self.body);
        let type_name = CopyMembers { text: &mut text }.deserialize(&mut body)?;
        body.end()?;
        match self.topic {
            Topic::User(_) => {}
            Topic::Clan(clan) => push_member(&mut text, "clanId", clan.as_str()),
            Topic::Service(service, topic) => {
                push_member(&mut text, "service", service.as_str());
                push_member(&mut text, "topic", topic.as_str());
            }
        }
        // Writing to a `String` cannot fail.
        let _ = write!(text, "\"offset\":{}", self.offset);
        if delivery == Delivery::Again {
            text.push_str(",\"redelivered\":true");
        }
        text.push('}');
        Ok(Composed { type_name, text })
    }

    /// Decodes a chat message; `None` for any other entry, such as a deletion.
    ///
    /// # Errors
    /// A [`StoredError`] when the body is not a valid message.
    pub fn chat(&self) -> Result<Option<Chat>, StoredError> {
        let Topic::Clan(clan_id) = self.topic else { return Ok(None) };
        let body: ReadChat = serde_json::from_slice(self.body)?;
        if body.r#type != "chat" {
            return Ok(None);
        }
        let missing = |field| StoredError(de::Error::missing_field(field));
        Ok(Some(Chat {
            user_id: body.user_id.ok_or_else(|| missing("userId"))?,
            content: body.content.ok_or_else(|| missing("content"))?,
            clan_id: clan_id.clone(),
            message_id: body.message_id.ok_or_else(|| missing("messageId"))?,
            message_type: body.message_type.ok_or_else(|| missing("messageType"))?,
            data: body.data,
            sent_at: body.sent_at.ok_or_else(|| missing("sentAt"))?,
            offset: self.offset,
            client_message_id: body.client_message_id,
        }))
    }

    /// Decodes an event of a topic; `None` for any other entry.
    ///
    /// # Errors
    /// A [`StoredError`] when the body is not a valid event.
    pub fn event(&self) -> Result<Option<Event>, StoredError> {
        let Topic::Service(service, topic) = self.topic else { return Ok(None) };
        let body: ReadEvent = serde_json::from_slice(self.body)?;
        if body.r#type != "event" {
            return Ok(None);
        }
        let missing = |field| StoredError(de::Error::missing_field(field));
        Ok(Some(Event {
            service: service.clone(),
            topic: topic.clone(),
            data: body.data.ok_or_else(|| missing("data"))?,
            offset: self.offset,
            published_at: body.published_at.ok_or_else(|| missing("publishedAt"))?,
            user_id: body.user_id,
            client_message_id: body.client_message_id,
        }))
    }
}

/// Copies the members of a stored body, as stored and each with a comma after it. Returns the `type`.
struct CopyMembers<'t> {
    text: &'t mut String,
}

impl<'de> DeserializeSeed<'de> for CopyMembers<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> de::Visitor<'de> for CopyMembers<'_> {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with a `type`")
    }

    fn visit_map<M: de::MapAccess<'de>>(self, mut map: M) -> Result<String, M::Error> {
        let mut type_name = None;
        while let Some((name, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            if name.get() == "\"type\"" {
                type_name = Some(serde_json::from_str(value.get()).map_err(de::Error::custom)?);
            }
            self.text.push_str(name.get());
            self.text.push(':');
            self.text.push_str(value.get());
            self.text.push(',');
        }
        type_name.ok_or_else(|| de::Error::missing_field("type"))
    }
}

/// The members of a chat message. Other kinds of entries of a clan's log lack some of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadChat {
    r#type: String,
    user_id: Option<UserId>,
    content: Option<ChatContent>,
    message_id: Option<MessageId>,
    message_type: Option<MessageType>,
    data: Option<ChatData>,
    sent_at: Option<Timestamp>,
    client_message_id: Option<ClientMessageId>,
}

/// The members of an event. Other kinds of entries of a topic's log, which a later version may add, lack some of them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadEvent {
    r#type: String,
    // Without this function, the data `null` would be read as absent data.
    #[serde(default, deserialize_with = "present")]
    data: Option<RawJson>,
    published_at: Option<Timestamp>,
    user_id: Option<UserId>,
    client_message_id: Option<ClientMessageId>,
}

fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn push_member(text: &mut String, name: &str, value: &str) {
    push_string(text, name);
    text.push(':');
    push_string(text, value);
    text.push(',');
}

#[cfg(test)]
mod tests;
