//! Decodes most valid commands in one pass over their text. Everything else is left to the slower decoding of the parent
//! module, which knows the reason of a refusal.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess, Visitor, value::BorrowedStrDeserializer},
    forward_to_deserialize_any,
};

use super::{Tagged as _, check_client};
use crate::{ClientMessage, Envelope, MAX_DEPTH, RequestId};

/// Decodes a command whose first member is its `type`, as clients usually write it. Returns `None` if it is written
/// otherwise, and if it may be invalid.
pub(super) fn decode(text: &str) -> Option<Envelope<ClientMessage>> {
    if may_be_too_deep(text) {
        return None;
    }
    let mut request_id = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let members = Members { json: &mut json, request_id: &mut request_id };
    let message = ClientMessage::decode_fields(first_type(text)?, members)?.ok()?;
    json.end().ok()?;
    let message = check_client(message).ok()?;
    Some(Envelope { request_id: request_id.flatten(), message })
}

/// Counts all opening brackets, also those in strings: this is quicker than following the nesting, and most commands have
/// few.
fn may_be_too_deep(text: &str) -> bool {
    text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count() > MAX_DEPTH
}

/// Returns the `type`, as written between its quotes, if it is the first member.
fn first_type(text: &str) -> Option<&str> {
    let name = text.trim_ascii_start().strip_prefix('{')?.trim_ascii_start();
    let value = name.strip_prefix("\"type\"")?.trim_ascii_start().strip_prefix(':')?.trim_ascii_start();
    value.strip_prefix('"')?.split_once('"').map(|(word, _)| word)
}

/// The members of a command. `type` and `requestId` are taken out, so that a message is decoded from its own fields.
struct Members<'a, 'de> {
    json: &'a mut serde_json::Deserializer<serde_json::de::StrRead<'de>>,
    /// Is set when the member is read. `null` stands for no `requestId`.
    request_id: &'a mut Option<Option<RequestId>>,
}

impl<'de> Deserializer<'de> for Members<'_, 'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.json.deserialize_map(MessageVisitor { visitor, request_id: self.request_id })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Gives the visitor of a message the members that belong to it.
struct MessageVisitor<'a, V> {
    visitor: V,
    request_id: &'a mut Option<Option<RequestId>>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for MessageVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        self.visitor.visit_map(MessageFields { members, has_type: false, request_id: self.request_id })
    }
}

struct MessageFields<'a, A> {
    members: A,
    has_type: bool,
    request_id: &'a mut Option<Option<RequestId>>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for MessageFields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        // A name with an escape cannot be borrowed. This is an error here, so such commands are decoded the slower way.
        while let Some(name) = self.members.next_key::<&'de str>()? {
            match name {
                "type" if self.has_type => return Err(de::Error::duplicate_field("type")),
                "type" => {
                    self.has_type = true;
                    self.members.next_value::<IgnoredAny>()?;
                }
                "requestId" if self.request_id.is_some() => return Err(de::Error::duplicate_field("requestId")),
                "requestId" => *self.request_id = Some(self.members.next_value()?),
                _ => return seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Self::Error> {
        self.members.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{decode_client, decode_with_reasons};

    /// Commands that this pass decodes.
    const USUAL: [&str; 7] = [
        r#"{"type":"ping"}"#,
        r#"{"type":"ping","requestId":"r1"}"#,
        r#"{ "type" : "chat", "clanId": "c", "content": "hello [x] {y}", "data": {"a": [1, {}]}, "requestId": null }"#,
        r#"{"type":"publish","requestId":"r","service":"forms","topic":"f","data":{"type":"form","tags":["a"],"n":1.5e3}}"#,
        r#"{"type":"subscribe_clan_chat","clanId":"c","recover":{"offset":3,"epoch":"e"},"later":{"requestId":"x"}}"#,
        r#"{"type":"notification_ack","notificationIds":["a","b"]}"#,
        "\n{\"type\":\"typing\",\"clanId\":\"c\",\"isTyping\":true}\t",
    ];

    #[test]
    fn decodes_usual_commands_as_the_slower_way_does() {
        for text in USUAL {
            assert_eq!(decode(text), Some(decode_with_reasons(text).unwrap()), "{text}");
        }
    }

    #[test]
    fn leaves_unusual_and_invalid_commands_to_the_slower_way() {
        let deep = format!(r#"{{"type":"ping","x":{}{}}}"#, "[".repeat(64), "]".repeat(64));
        for text in [
            r#"{"requestId":"r","type":"ping"}"#,
            r#"{"type":"ping","\u0072equestId":"r"}"#,
            r#"{"typ\u0065":"ping"}"#,
            r#"{"type":"pin\u0067"}"#,
            r#"{"type":"ping","type":"ping"}"#,
            r#"{"type":"ping","requestId":"r","requestId":"r"}"#,
            r#"{"type":"ping","requestId":null,"requestId":"r"}"#,
            r#"{"type":"ping","requestId":7}"#,
            r#"{"type":"pang"}"#,
            r#"{"type":"ping"} x"#,
            r#"{"type":"ping","x":01}"#,
            r#"{"type":"chat","clanId":"c","content":" "}"#,
            r#"{"type":"notification_ack"}"#,
            r#"{"type":"chat_history","clanId":"c","before":3,"after":1}"#,
            r#"["type","ping"]"#,
            "{",
            "",
            &deep,
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    /// Every command that differs in one byte from a usual one.
    #[test]
    fn accepts_nothing_that_the_slower_way_refuses() {
        let (mut accepted, mut refused) = (0, 0);
        for usual in USUAL {
            for at in 0..usual.len() {
                let others = b"\"\\{}[],:0-e n\x01t".map(|byte| char::from(byte).to_string());
                let replaced = others.iter().map(|other| [&usual[..at], other, &usual[at + 1..]].concat());
                let inserted = others.iter().map(|other| [&usual[..at], other, &usual[at..]].concat());
                let cut = [usual[..at].to_owned(), [&usual[..at], &usual[at + 1..]].concat()];
                for text in replaced.chain(inserted).chain(cut) {
                    let slower = decode_with_reasons(&text);
                    match decode(&text) {
                        Some(command) => assert_eq!(Ok(command), slower, "{text}"),
                        None => refused += 1,
                    }
                    accepted += usize::from(slower.is_ok());
                    // Both ways together accept what the slower one accepts.
                    assert_eq!(decode_client(&text).is_ok(), slower.is_ok(), "{text}");
                }
            }
        }
        assert!(accepted > 1_000 && refused > 1_000, "{accepted} {refused}");
    }
}
