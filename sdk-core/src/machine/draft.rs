//! Commands as encoded text, without the fields that the machine adds: `requestId` and `clientMessageId`.

use realtime_gateway_protocol::{
    ClientMessage, DecodeError, Envelope, ObjectText, Outline, Publish, SendChat, encode_client,
};

use crate::Topic;

/// An encoded command without a `requestId`.
#[derive(Clone)]
pub struct Draft(ObjectText);

impl Draft {
    /// Reads a command of this `type` from the JSON of its fields. Unknown fields are dropped.
    ///
    /// # Errors
    /// [`DecodeError`] when the `type` is unknown, or a field missing or outside its bounds.
    pub fn read(type_name: &str, fields: &str) -> Result<Self, DecodeError> {
        Outline::of_command(type_name, fields).map(|outline| Self::of(&outline))
    }

    /// Creates a command of any `type` with these fields, without checking them.
    ///
    /// # Errors
    /// [`DecodeError`] when that is no JSON object.
    pub fn any(type_name: &str, fields: &str) -> Result<Self, DecodeError> {
        let outline = Outline::of_object(fields)?;
        let mut text = ObjectText::default();
        text.text("type", type_name);
        for (name, value) in outline.members().filter(|(name, _)| !matches!(*name, "type" | "requestId")) {
            text.raw(name, value);
        }
        Ok(Self(text))
    }

    /// Creates the draft of a decoded command.
    pub fn of(outline: &Outline<'_>) -> Self {
        let mut text = ObjectText::default();
        text.text("type", outline.type_name());
        for (name, value) in outline.known_fields() {
            text.raw(name, value);
        }
        Self(text)
    }

    /// Adds a field whose value is JSON.
    pub(crate) fn add(&mut self, name: &str, json: &str) {
        self.0.raw(name, json);
    }

    /// Returns the length of the frame in bytes, without the fields that the machine adds.
    pub(crate) fn len(&self) -> usize {
        self.0.as_str().len()
    }

    /// Returns the frame with this number as its `requestId`.
    pub(crate) fn numbered(mut self, number: u64) -> String {
        self.0.text("requestId", &number.to_string());
        self.0.into_string()
    }

    /// Returns the frame without a `requestId`, for a command that has no reply.
    pub(crate) fn unnumbered(self) -> String {
        self.0.into_string()
    }
}

impl<M: Into<ClientMessage>> From<M> for Draft {
    fn from(message: M) -> Self {
        Self(ObjectText::of_object(encode_client(&Envelope::without_request_id(message.into()))))
    }
}

/// A `chat` or `publish` command, ready to be sent.
#[derive(Clone)]
pub struct Publication {
    pub(crate) topic: Topic,
    /// Whether it has a `clientMessageId`.
    pub(crate) named: bool,
    pub(crate) draft: Draft,
}

impl Publication {
    /// Creates the publication of a decoded `chat` or `publish`. Returns `None` if it has no topic.
    pub fn of(outline: &Outline<'_>) -> Option<Self> {
        let topic = Topic::of(outline).filter(|topic| *topic != Topic::Notifications)?;
        Some(Self { topic, named: outline.raw("clientMessageId").is_some(), draft: Draft::of(outline) })
    }

    /// Adds this `clientMessageId`, unless the app has set one.
    pub(crate) fn name(&mut self, name: &str) {
        if !self.named {
            self.draft.0.text("clientMessageId", name);
            self.named = true;
        }
    }
}

impl From<SendChat> for Publication {
    fn from(chat: SendChat) -> Self {
        let (topic, named) = (Topic::Clan(chat.clan_id.clone()), chat.client_message_id.is_some());
        Self { topic, named, draft: chat.into() }
    }
}

impl From<Publish> for Publication {
    fn from(publish: Publish) -> Self {
        let topic = Topic::Service(publish.service.clone(), publish.topic.clone());
        Self { topic, named: publish.client_message_id.is_some(), draft: publish.into() }
    }
}
