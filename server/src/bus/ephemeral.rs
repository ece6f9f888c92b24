//! The bytes of an ephemeral message between nodes: the JSON that clients receive. A node ignores what it cannot decode or
//! does not know, because another node may run a later version.

use bytes::Bytes;
use realtime_gateway_protocol::{Envelope, ServerMessage, decode_server, encode_server};

/// Encodes a message.
pub(super) fn encode(message: &ServerMessage) -> Bytes {
    encode_server(&Envelope::without_request_id(message.clone())).into()
}

/// Decodes a message. Returns `None` for anything but `typing`, events without history and changes of
/// presence.
pub(super) fn decode(bytes: &[u8]) -> Option<ServerMessage> {
    let message = decode_server(std::str::from_utf8(bytes).ok()?).ok()?.message;
    let is_ephemeral = matches!(
        message,
        ServerMessage::Typing(_)
            | ServerMessage::EphemeralEvent(_)
            | ServerMessage::PresenceChanged(_)
            | ServerMessage::TopicPresenceChanged(_)
    );
    is_ephemeral.then_some(message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use realtime_gateway_protocol::{
        ClanId, EphemeralEvent, PresenceChanged, PresenceStatus, RawJson, ServiceName, Timestamp, TopicName, Typing,
        UserId,
    };

    use super::*;

    fn messages() -> [ServerMessage; 3] {
        let (user_id, clan_id) = (UserId::new("u\"é").unwrap(), ClanId::new("c").unwrap());
        let typing = Typing { user_id: user_id.clone(), clan_id: clan_id.clone(), is_typing: true };
        let event = EphemeralEvent {
            service: ServiceName::new("s").unwrap(),
            topic: TopicName::new("t").unwrap(),
            // It passes as it was written.
            data: RawJson::parse("{ \"b\": 1.00, \"a\":\"\\u00e9\" }").unwrap(),
            published_at: Timestamp::from_millis(1_700_000_000_123),
            user_id: None,
            client_message_id: None,
        };
        let changed = PresenceChanged { clan_id, user_id, status: PresenceStatus::Offline, count: None };
        [typing.into(), changed.into(), event.into()]
    }

    #[test]
    fn decodes_what_was_encoded() {
        for message in messages() {
            assert_eq!(decode(&encode(&message)), Some(message));
        }
    }

    #[test]
    fn ignores_unknown_kinds_and_messages_that_are_not_ephemeral() {
        for text in [
            r#"{"type":"reaction_added","userId":"u","clanId":"c"}"#,
            r#"{"type":"error","code":"internal","message":"m"}"#,
            r#"{"type":"typing","userId":"u"}"#,
            "[]",
            "",
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn ignores_incomplete_messages() {
        for message in messages() {
            let bytes = encode(&message);
            for end in 0..bytes.len() {
                assert_eq!(decode(&bytes[..end]), None, "{end}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn decodes_any_bytes_without_failing(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(decode(&bytes), None);
        }
    }
}
