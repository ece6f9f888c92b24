//! Commands as the text of their frames, but for what the machine adds: the `requestId`, and a send's name.

use realtime_gateway_protocol::{
    ClientMessage, DecodeError, Envelope, ObjectText, Outline, Publish, SendChat, StoredId, encode_client,
};

use crate::Topic;

/// A command whose `requestId` is not given yet.
#[derive(Clone)]
pub struct Draft(ObjectText);

impl Draft {
    /// Reads a command of this `type` from the JSON of its fields; those that nobody knows are left out.
    ///
    /// # Errors
    /// [`DecodeError`] when the `type` is unknown, or a field missing or outside its bounds.
    pub fn read(type_name: &str, fields: &str) -> Result<Self, DecodeError> {
        Outline::of_command(type_name, fields).map(|outline| Self::of(&outline))
    }

    /// Takes any command of this `type` from the JSON of its fields, whatever they are.
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

    /// The command that was read in outline.
    pub fn of(outline: &Outline<'_>) -> Self {
        let mut text = ObjectText::default();
        text.text("type", outline.type_name());
        for (name, value) in outline.known_fields() {
            text.raw(name, value);
        }
        Self(text)
    }

    /// How long the frame is without what the machine adds, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.as_str().len()
    }

    /// The frame, which asks for an answer under this number.
    pub(crate) fn numbered(mut self, number: u64) -> String {
        self.0.text("requestId", &number.to_string());
        self.0.into_string()
    }

    /// The frame, which has no answer.
    pub(crate) fn unnumbered(self) -> String {
        self.0.into_string()
    }
}

impl<M: Into<ClientMessage>> From<M> for Draft {
    fn from(message: M) -> Self {
        Self(ObjectText::of_object(encode_client(&Envelope::unasked(message.into()))))
    }
}

/// A `chat` or a `publish`, ready to be sent.
#[derive(Clone)]
pub struct Publication {
    pub(crate) topic: Topic,
    /// The app gave it a `clientMessageId`.
    pub(crate) named: bool,
    pub(crate) draft: Draft,
}

/// An identifier that was read in outline, which has looked at its bounds.
fn id<T: StoredId>(outline: &Outline<'_>, name: &str) -> Option<T> {
    T::from_stored(&outline.text(name)?).ok()
}

impl Publication {
    /// The message that was read in outline; none when that is neither.
    pub fn of(outline: &Outline<'_>) -> Option<Self> {
        let topic = match outline.type_name() {
            "chat" => Topic::Clan(id(outline, "clanId")?),
            "publish" => Topic::Service(id(outline, "service")?, id(outline, "topic")?),
            _ => return None,
        };
        Some(Self { topic, named: outline.raw("clientMessageId").is_some(), draft: Draft::of(outline) })
    }

    /// Names it, where the app has not.
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
