//! A server message as text, decoded only as far as the machine needs it.

use std::{fmt, sync::Arc};

use realtime_gateway_protocol::{NotificationId, Outline, RawJson, ServerMessage, Unknown, Verdict, decode_server};

/// A server message that is partially decoded. Clones share the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    text: Arc<str>,
    /// Whether the fields are valid for the `type`, if this version knows it.
    usable: bool,
}

impl Frame {
    pub(crate) fn new(text: &str, verdict: &Verdict) -> Self {
        Self { text: text.into(), usable: !matches!(verdict, Verdict::Broken(_)) }
    }

    /// Returns the JSON text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether the fields are valid for the `type`. Only the offset of an invalid message is used.
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// Decodes the message. A message of a later version, or with an invalid field, is [`ServerMessage::Unknown`].
    pub fn message(&self) -> ServerMessage {
        match decode_server(&self.text) {
            Ok(envelope) if self.usable => envelope.message,
            _ => self.unknown(),
        }
    }

    /// Returns the id, if the message is a notification.
    pub fn notification_id(&self) -> Option<NotificationId> {
        let outline = Outline::of_server(&self.text).ok().filter(|outline| outline.type_name() == "notification")?;
        NotificationId::new(outline.text("id")?).ok()
    }

    fn unknown(&self) -> ServerMessage {
        let type_name = Outline::of_server(&self.text).map(|outline| outline.type_name().to_owned());
        let raw = RawJson::parse(&self.text).unwrap_or_default();
        ServerMessage::Unknown(Unknown { type_name: type_name.unwrap_or_default(), raw })
    }
}

impl fmt::Debug for Frame {
    /// Shows the length only, so that no log line contains what a user wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.text.len())
    }
}
