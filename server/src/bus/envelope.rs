//! What one node's bytes say to another: a version and a kind first, so that a reader ignores what it does not know.
//!
//! Numbers are little-endian; a text of at most 255 bytes is preceded by its length, the last part takes what is left:
//!
//! | kind | after version, kind and sender |
//! | --- | --- |
//! | 1, doorbell | epoch, topic, shard count, offset, time (milliseconds since 1970), the entry's body |
//! | 2, whisper | topic, the message in JSON |
//! | 3, note | the note in JSON |

use std::sync::Arc;

use bytes::Bytes;
use realtime_gateway_protocol::{
    ClanId, Envelope, ServiceName, Timestamp, TopicName, UserId, decode_server, encode_server,
};

use super::{Doorbell, Heard, Whisper};
use crate::{
    store::{Entry, Note},
    topic::Topic,
};

/// The version that this node writes and reads.
const VERSION: u8 = 1;

const DOORBELL: u8 = 1;
const WHISPER: u8 = 2;
const NOTE: u8 = 3;

const USER: u8 = 1;
const CLAN: u8 = 2;
const SERVICE: u8 = 3;

/// Names one life of a node among the others, so that it recognises its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sender(u64);

impl Sender {
    /// One that no other node has.
    pub(super) fn new() -> Self {
        // The last bits of a UUIDv7 are random.
        Self(uuid::Uuid::now_v7().as_u128() as u64)
    }
}

impl Default for Sender {
    fn default() -> Self {
        Self::new()
    }
}

/// What became of bytes that were read.
#[derive(Debug)]
pub(super) enum Read {
    /// Another node says this.
    Heard(Heard),
    /// This node said it.
    Own,
    /// A later version says it, or it is nothing of ours.
    Unknown,
}

/// A doorbell as bytes.
pub(super) fn doorbell(sender: Sender, doorbell: &Doorbell) -> Vec<u8> {
    let Doorbell { topic, epoch, shard_count, entry } = doorbell;
    let mut writer = Writer::new(DOORBELL, sender, 320 + entry.body.len());
    writer.text(epoch);
    writer.topic(topic);
    writer.number(*shard_count);
    writer.number(entry.offset);
    writer.number(entry.at.millis());
    writer.rest(&entry.body)
}

/// A whisper as bytes.
pub(super) fn whisper(sender: Sender, whisper: &Whisper) -> Vec<u8> {
    let message = encode_server(&Envelope::unasked(whisper.message.clone()));
    let mut writer = Writer::new(WHISPER, sender, 320 + message.len());
    writer.topic(&whisper.topic);
    writer.rest(message.as_bytes())
}

/// A note as bytes.
pub(super) fn note(sender: Sender, note: &Note) -> Vec<u8> {
    // A note is made of texts and numbers, which can always be written as JSON.
    let json = serde_json::to_vec(note).unwrap_or_default();
    Writer::new(NOTE, sender, 16 + json.len()).rest(&json)
}

/// Reads what another node wrote.
pub(super) fn read(own: Sender, bytes: &[u8]) -> Read {
    let mut reader = Reader(bytes);
    match reader.heard(own) {
        Some(read) => read,
        None => Read::Unknown,
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn new(kind: u8, sender: Sender, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(&[VERSION, kind]);
        let mut writer = Self(bytes);
        writer.number(sender.0);
        writer
    }

    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// Identifiers and epochs have at most 128 bytes.
    fn text(&mut self, text: &str) {
        let bytes = text.as_bytes().get(..usize::from(u8::MAX)).unwrap_or(text.as_bytes());
        self.0.push(bytes.len() as u8);
        self.0.extend_from_slice(bytes);
    }

    fn topic(&mut self, topic: &Topic) {
        match topic {
            Topic::User(user) => {
                self.0.push(USER);
                self.text(user.as_str());
            }
            Topic::Clan(clan) => {
                self.0.push(CLAN);
                self.text(clan.as_str());
            }
            Topic::Service(service, topic) => {
                self.0.push(SERVICE);
                self.text(service.as_str());
                self.text(topic.as_str());
            }
        }
    }

    fn rest(mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.extend_from_slice(bytes);
        self.0
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// None when something is missing or is not what it should be.
    fn heard(&mut self, own: Sender) -> Option<Read> {
        if self.byte()? != VERSION {
            return None;
        }
        let kind = self.byte()?;
        if self.number()? == own.0 {
            return Some(Read::Own);
        }
        let heard = match kind {
            DOORBELL => {
                let (epoch, topic, shard_count) = (self.text()?.into(), self.topic()?, self.number()?);
                let (offset, at) = (self.number()?, Timestamp::from_millis(self.number()?));
                let entry = Arc::new(Entry { offset, at, body: Bytes::copy_from_slice(self.0) });
                Heard::Doorbell(Doorbell { topic, epoch, shard_count, entry })
            }
            WHISPER => {
                let topic = self.topic()?;
                let message = decode_server(std::str::from_utf8(self.0).ok()?).ok()?.message;
                Heard::Whisper(Whisper { topic, message })
            }
            NOTE => Heard::Note(serde_json::from_slice(self.0).ok()?),
            _ => return None,
        };
        Some(Read::Heard(heard))
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*bytes))
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::from(self.byte()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn topic(&mut self) -> Option<Topic> {
        match self.byte()? {
            USER => Some(Topic::User(UserId::new(self.text()?).ok()?)),
            CLAN => Some(Topic::Clan(ClanId::new(self.text()?).ok()?)),
            SERVICE => {
                let service = ServiceName::new(self.text()?).ok()?;
                Some(Topic::Service(service, TopicName::new(self.text()?).ok()?))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use realtime_gateway_protocol::{CloseCode, PresenceChanged, PresenceStatus, SessionId, Typing};

    use super::*;

    const ME: Sender = Sender(1);
    const OTHER: Sender = Sender(2);

    fn heard(bytes: &[u8]) -> Heard {
        match read(ME, bytes) {
            Read::Heard(heard) => heard,
            other => panic!("{other:?}"),
        }
    }

    fn id() -> impl Strategy<Value = String> {
        "[a-zA-Z0-9._:é-]{1,40}".prop_filter("an identifier", |id| id != "." && id != "..")
    }

    fn topic() -> impl Strategy<Value = Topic> {
        prop_oneof![
            id().prop_map(|id| Topic::User(UserId::new(id).unwrap())),
            id().prop_map(|id| Topic::Clan(ClanId::new(id).unwrap())),
            ("[a-z][a-z0-9_]{0,31}", id())
                .prop_map(|(name, id)| Topic::Service(ServiceName::new(name).unwrap(), TopicName::new(id).unwrap())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_doorbell_comes_back_as_it_went(
            topic in topic(),
            epoch in "[a-z0-9-]{0,40}",
            (shard_count, offset, at) in (any::<u64>(), any::<u64>(), 0..253_402_300_799_999u64),
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let entry = Arc::new(Entry { offset, at: Timestamp::from_millis(at), body: body.into() });
            let sent = Doorbell { topic, epoch: epoch.into(), shard_count, entry };
            let bytes = doorbell(OTHER, &sent);
            let Heard::Doorbell(got) = heard(&bytes) else { panic!("another kind") };
            prop_assert_eq!((got.topic, got.epoch), (sent.topic, sent.epoch));
            prop_assert_eq!((got.shard_count, got.entry), (sent.shard_count, sent.entry));
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(ME, &bytes);
        }
    }

    #[test]
    fn whispers_and_notes_come_back_as_they_went() {
        let topic = Topic::Clan(ClanId::new("c").unwrap());
        let (user_id, clan_id) = (UserId::new("u").unwrap(), ClanId::new("c").unwrap());
        let typing = Typing { user_id: user_id.clone(), clan_id: clan_id.clone(), is_typing: true };
        let change = PresenceChanged { clan_id, user_id: user_id.clone(), status: PresenceStatus::Offline };
        for message in [typing.into(), change.into()] {
            let sent = Whisper { topic: topic.clone(), message };
            let Heard::Whisper(got) = heard(&whisper(OTHER, &sent)) else { panic!("another kind") };
            assert_eq!((got.topic, got.message), (sent.topic, sent.message));
        }
        let session_id = SessionId::new("s").unwrap();
        let sent = Note::Close { user_id, session_id, code: CloseCode::REPLACED.0 };
        let Heard::Note(got) = heard(&note(OTHER, &sent)) else { panic!("another kind") };
        assert_eq!(got, sent);
    }

    #[test]
    fn what_a_later_version_says_is_ignored() {
        let sent =
            Note::Unsubscribe { user_id: UserId::new("u").unwrap(), service: ServiceName::clan_chat(), topic: None };
        let bytes = note(OTHER, &sent);
        assert!(matches!(read(OTHER, &bytes), Read::Own));
        let mut version = bytes.clone();
        version[0] = 2;
        assert!(matches!(read(ME, &version), Read::Unknown));
        let mut kind = bytes.clone();
        kind[1] = 9;
        assert!(matches!(read(ME, &kind), Read::Unknown));
        for cut in 0..bytes.len() {
            assert!(matches!(read(ME, &bytes[..cut]), Read::Unknown), "{cut}");
        }
    }
}
