//! A message as it came: read in outline, and otherwise still the text of its frame, which all its readers share.

use std::{fmt, sync::Arc};

use realtime_gateway_protocol::{NotificationId, Outline, RawJson, ServerMessage, Unknown, Verdict, decode_server};

/// A server message that the machine has read in outline and hands on. Cloning it copies nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    text: Arc<str>,
    /// It can be used as what its `type` says, as far as this version knows that.
    usable: bool,
}

impl Frame {
    pub(crate) fn new(text: &str, verdict: &Verdict) -> Self {
        Self { text: text.into(), usable: !matches!(verdict, Verdict::Broken(_)) }
    }

    /// The JSON text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is what its `type` says. A message that is known and has a broken field is not: all there is to it
    /// is its place in the log.
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// The message itself. One of a later version, and one with a broken field, is [`ServerMessage::Unknown`].
    pub fn message(&self) -> ServerMessage {
        match decode_server(&self.text) {
            Ok(envelope) if self.usable => envelope.message,
            _ => self.unknown(),
        }
    }

    /// The notification that it is, if it is one.
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
    /// Tells the length only, so that no log line can show what somebody wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.text.len())
    }
}
