//! The names of the Pub/Sub channels between nodes, and the encoding of their messages.
//!
//! The parts of a message are separated by a space; the last part may contain spaces. A sender is the incarnation of a
//! node:
//!
//! | message | parts after the letter |
//! | --- | --- |
//! | `E`, an entry | sender, epoch, topic, counter of the shard, offset, time in milliseconds since 1970, body |
//! | `O`, an entry whose body has to be read | sender, epoch, topic, counter of the shard, offset |
//! | `P`, an ephemeral message | sender, topic, message |
//! | `C`, a control message | id of its entry in the mailbox, version, message in JSON |
//!
//! Nodes of two versions may run at the same time, so a message with an unknown letter is ignored.

use std::sync::Arc;

use bytes::Bytes;
use realtime_gateway_protocol::{
    Timestamp,
    topic::{Shard, Topic},
};

use super::super::stream_id::number_of;
use crate::{AppendNotice, ClusterEvent, ControlMessage, Entry, Epoch, NoticeEntry};

/// The names of channels.
#[derive(Debug, Clone)]
pub(super) struct Channels {
    prefix: Arc<str>,
}

impl Channels {
    /// Returns the channels of the store with this prefix of all keys. `database` tells it apart from stores with the
    /// same prefix in other databases of the server, because Pub/Sub has no databases.
    pub(super) fn new(prefix: &str, database: &str) -> Self {
        Self { prefix: format!("{prefix}{database}").into() }
    }

    /// Returns the channel of a shard.
    pub(super) fn of_shard(&self, shard: Shard) -> String {
        format!("{}shard:{}", self.prefix, shard.0)
    }

    /// Returns the channel of the mailbox of a node.
    pub(super) fn of_node(&self, incarnation: &str) -> String {
        format!("{}node:{incarnation}", self.prefix)
    }
}

/// Encodes an ephemeral message.
pub(super) fn ephemeral(sender: &str, topic: &Topic, message: &[u8]) -> Vec<u8> {
    let mut text = format!("P {sender} {topic} ").into_bytes();
    text.extend_from_slice(message);
    text
}

/// A decoded message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// An event that another node has sent.
    Event(ClusterEvent),
    /// A control message, with the number of its entry in the mailbox.
    Control {
        /// The number of the entry.
        number: u64,
        /// The message.
        message: ControlMessage,
    },
    /// A message of this node itself.
    Own,
    /// A message of a later version, or one that the gateway has not sent.
    Unknown,
}

/// Decodes messages.
#[derive(Debug)]
pub(super) struct Decoder {
    own: Arc<str>,
    /// The epoch of the last entry, which the next one usually shares.
    epoch: Epoch,
}

impl Decoder {
    /// Creates a decoder for the node with this incarnation.
    pub(super) fn new(own: Arc<str>) -> Self {
        Self { own, epoch: "".into() }
    }

    /// Decodes a message.
    pub(super) fn decode(&mut self, payload: &Bytes) -> Message {
        self.message(payload).unwrap_or(Message::Unknown)
    }

    /// Decodes a message. Returns `None` if a part is missing or malformed.
    fn message(&mut self, payload: &Bytes) -> Option<Message> {
        let mut parts = Parts(payload);
        match parts.next()? {
            kind @ ("E" | "O") => {
                if parts.next()? == &*self.own {
                    return Some(Message::Own);
                }
                let epoch = self.epoch(parts.next()?);
                let topic = parts.next()?.parse().ok()?;
                let (shard_count, offset) = (parts.number()?, parts.number()?);
                let entry = if kind == "O" {
                    NoticeEntry::Omitted(offset)
                } else {
                    let at = Timestamp::from_millis(parts.number()?);
                    NoticeEntry::Included(Arc::new(Entry { offset, at, body: payload.slice_ref(parts.0) }))
                };
                Some(Message::Event(ClusterEvent::AppendNotice(AppendNotice { topic, epoch, shard_count, entry })))
            }
            "P" => {
                if parts.next()? == &*self.own {
                    return Some(Message::Own);
                }
                let topic = parts.next()?.parse().ok()?;
                let message = payload.slice_ref(parts.0);
                Some(Message::Event(ClusterEvent::Ephemeral { topic, message }))
            }
            "C" => {
                let (number, version) = (number_of(parts.next()?).ok()?, parts.number()?);
                if version != u64::from(ControlMessage::VERSION) {
                    return None;
                }
                Some(Message::Control { number, message: serde_json::from_slice(parts.0).ok()? })
            }
            _ => None,
        }
    }

    fn epoch(&mut self, text: &str) -> Epoch {
        if *self.epoch != *text {
            self.epoch = text.into();
        }
        self.epoch.clone()
    }
}

/// The remaining parts of a message.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    /// Returns the next part, which ends at a space or at the end of the message.
    fn next(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|byte| *byte == b' ').unwrap_or(self.0.len());
        let (part, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..).unwrap_or_default();
        std::str::from_utf8(part).ok().filter(|part| !part.is_empty())
    }

    fn number(&mut self) -> Option<u64> {
        self.next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use realtime_gateway_protocol::{ClanId, UserId};

    use super::*;

    fn decoded(text: impl Into<Vec<u8>>) -> Message {
        Decoder::new("me".into()).decode(&Bytes::from(text.into()))
    }

    fn clan() -> Topic {
        Topic::Clan(ClanId::new("c").unwrap())
    }

    #[test]
    fn decodes_entries_with_and_without_body() {
        let entry = Arc::new(Entry { offset: 7, at: Timestamp::from_millis(1_795_000_000_000), body: "a b  c".into() });
        let notice = |entry| AppendNotice { topic: clan(), epoch: "e1".into(), shard_count: 12, entry };
        let event = |entry| Message::Event(ClusterEvent::AppendNotice(notice(entry)));
        assert_eq!(decoded("E a e1 clan:c 12 7 1795000000000 a b  c"), event(NoticeEntry::Included(entry)));
        assert_eq!(decoded("O a e1 clan:c 12 7"), event(NoticeEntry::Omitted(7)));
        assert_eq!(decoded("E me e1 clan:c 12 7 1795000000000 x"), Message::Own);
        assert_eq!(decoded("O me e1 clan:c 12 7"), Message::Own);
    }

    #[test]
    fn decodes_bodies_that_are_empty_or_no_text() {
        for body in [&b""[..], b"\xff\x00 \xfe"] {
            let text = [b"E a e1 clan:c 1 1 1 ", body].concat();
            let Message::Event(ClusterEvent::AppendNotice(notice)) = decoded(text) else { panic!("{body:?}") };
            let NoticeEntry::Included(entry) = notice.entry else { panic!("{body:?}") };
            assert_eq!(entry.body, body);
        }
    }

    #[test]
    fn decodes_ephemeral_messages_as_they_were_encoded() {
        let message = br#"{"type":"typing"}"#;
        let text = ephemeral("a", &clan(), message);
        let event = ClusterEvent::Ephemeral { topic: clan(), message: Bytes::from_static(message) };
        assert_eq!(decoded(text), Message::Event(event));
        assert_eq!(decoded(ephemeral("me", &clan(), message)), Message::Own);
    }

    #[test]
    fn decodes_control_messages_of_this_version() {
        let message = ControlMessage::Acknowledged { user_id: UserId::new("u").unwrap(), notification_ids: Vec::new() };
        let json = serde_json::to_string(&message).unwrap();
        let number = number_of("1795000000000-3").unwrap();
        assert_eq!(decoded(format!("C 1795000000000-3 1 {json}")), Message::Control { number, message });
        assert_eq!(decoded(format!("C 1795000000000-3 2 {json}")), Message::Unknown);
        assert_eq!(decoded(r#"C 1-1 1 {"type":"of_a_later_version"}"#), Message::Unknown);
    }

    #[test]
    fn ignores_incomplete_messages_and_messages_of_later_versions() {
        for text in
            ["", " ", "E", "E a", "E a e clan:c 1", "E a e nothing 1 1 1 x", "O a e clan:c x 1", "X a b c", "C 1 1 {}"]
        {
            assert_eq!(decoded(text), Message::Unknown, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_bytes_can_be_decoded(
            kind in "[EOPC] ",
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b' '), Just(b'1')], 0..80),
        ) {
            decoded([kind.as_bytes(), &bytes].concat());
            decoded(bytes);
        }
    }
}
