//! Tests of stored entries and of the messages that are composed from them.

use super::*;
use crate::{ClanId, ServerMessage, ServiceName, TopicName, decode_server};

fn clan() -> Topic {
    Topic::Clan(ClanId::new("c\"1").unwrap())
}

fn chat(data: Option<&ChatData>) -> Vec<u8> {
    let body = StoredChat {
        user_id: &UserId::new("u").unwrap(),
        content: &ChatContent::new("a } \u{1f600} \" b").unwrap(),
        message_id: &MessageId::new("m").unwrap(),
        message_type: &MessageType::Text,
        data,
        sent_at: Timestamp::from_millis(1_700_000_000_123),
        client_message_id: None,
    };
    StoredBody::Chat(body).encode().unwrap()
}

#[test]
fn composed_message_decodes_to_the_same_chat() {
    let data = serde_json::from_str(r#"{"replyTo": {"b": 1.00, "a": "}"}}"#).unwrap();
    for data in [None, Some(&data)] {
        let (topic, body) = (clan(), chat(data));
        let entry = StoredEntry { topic: &topic, offset: 7, body: &body };
        let composed = entry.compose(Delivery::First).unwrap();
        assert_eq!(composed.type_name, "chat");
        let ServerMessage::Chat(decoded) = decode_server(&composed.text).unwrap().message else { panic!("no chat") };
        assert_eq!(Some(decoded), entry.chat().unwrap());
    }
}

#[test]
fn composed_message_decodes_to_the_same_event() {
    let topic = Topic::Service(ServiceName::new("s").unwrap(), TopicName::new("t").unwrap());
    for data in ["null", r#"{"b": 1.00, "a": "}"}"#, "[ ]"] {
        let data: RawJson = serde_json::from_str(data).unwrap();
        let user = UserId::new("u").unwrap();
        for user_id in [None, Some(&user)] {
            let at = Timestamp::from_millis(1_700_000_000_123);
            let stored = StoredEvent { data: &data, published_at: at, user_id, client_message_id: None };
            let body = StoredBody::Event(stored).encode().unwrap();
            let entry = StoredEntry { topic: &topic, offset: 7, body: &body };
            let composed = entry.compose(Delivery::First).unwrap();
            let ServerMessage::Event(decoded) = decode_server(&composed.text).unwrap().message else {
                panic!("no event")
            };
            assert_eq!((decoded.data.as_str(), &decoded.user_id), (data.as_str(), &user_id.cloned()));
            assert_eq!(Some(decoded), entry.event().unwrap());
        }
    }
    let later = StoredEntry { topic: &topic, offset: 8, body: br#"{"type":"later","n":1}"# };
    assert_eq!(later.event().unwrap(), None);
}

#[test]
fn copies_members_unchanged() {
    let topic = Topic::Service(ServiceName::new("s").unwrap(), TopicName::new("t").unwrap());
    let body = br#"{"type":"later","n":1.0e5,"\u0041":[ 1, {"x":"\/"} ]}"#;
    let composed = StoredEntry { topic: &topic, offset: 1, body }.compose(Delivery::First).unwrap();
    let expected = r#"{"type":"later","n":1.0e5,"\u0041":[ 1, {"x":"\/"} ],"service":"s","topic":"t","offset":1}"#;
    assert_eq!((&*composed.type_name, &*composed.text), ("later", expected));
}

#[test]
fn marks_redelivered_notification() {
    let topic = Topic::User(UserId::new("u").unwrap());
    let notification = StoredNotification {
        id: &NotificationId::new("n").unwrap(),
        title: "t",
        message: "m",
        data: None,
        created_at: Timestamp::from_millis(0),
    };
    let body = StoredBody::Notification(notification).encode().unwrap();
    let composed = StoredEntry { topic: &topic, offset: 2, body: &body }.compose(Delivery::Again).unwrap();
    let ServerMessage::Notification(read) = decode_server(&composed.text).unwrap().message else { panic!("none") };
    assert_eq!((read.offset, read.redelivered), (2, Some(true)));
}

#[test]
fn deletion_is_not_a_chat_message() {
    let topic = clan();
    let deletion = StoredDeletion { message_id: &MessageId::new("m").unwrap() };
    let body = StoredBody::ChatDeleted(deletion).encode().unwrap();
    let entry = StoredEntry { topic: &topic, offset: 3, body: &body };
    assert_eq!(entry.chat().unwrap(), None);
    assert_eq!(entry.compose(Delivery::First).unwrap().type_name, "chat_deleted");
}

#[test]
fn rejects_damaged_body() {
    let topic = clan();
    let whole = chat(None);
    let cut = whole.get(..whole.len() - 1).unwrap();
    for body in [cut, &[0xff, 0xfe][..], b"", b"[]", br#"{"content":"no type"}"#] {
        let entry = StoredEntry { topic: &topic, offset: 1, body };
        assert!(entry.compose(Delivery::First).is_err());
        assert!(entry.chat().is_err());
    }
}
