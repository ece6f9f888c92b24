//! The body of an outbound event: the fields of every event, those of its kind, and those that the store has added.

use serde_json::json;

use crate::store::{EventDetail, OutboxEntry};

/// Returns `{id, at, nodeId, …}` as JSON.
pub(crate) fn event_body(entry: &OutboxEntry) -> Vec<u8> {
    let common = json!({ "id": &*entry.event.id, "at": entry.event.at, "nodeId": &*entry.node });
    let detail = match &entry.detail {
        EventDetail::None => json!({}),
        EventDetail::Entry { offset, epoch } => json!({ "offset": offset, "epoch": &**epoch }),
        EventDetail::Notifications(ids) => json!({ "notificationIds": ids }),
    };
    let mut text = vec![b'{'];
    for object in [common.to_string().as_bytes(), &entry.event.body, detail.to_string().as_bytes()] {
        let fields = object.trim_ascii().strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
        if let Some(fields) = fields.filter(|fields| !fields.trim_ascii().is_empty()) {
            if text.len() > 1 {
                text.push(b',');
            }
            text.extend_from_slice(fields);
        }
    }
    text.push(b'}');
    text
}

#[cfg(test)]
mod tests {
    use realtime_gateway_protocol::{
        NotificationId, Timestamp,
        backend::{
            ChatMessageStored, Flow, KINDS, NotificationUnacknowledged, NotificationsAcknowledged, SessionClosed,
        },
        decode_object,
    };
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::store::{Event, EventSource};

    fn read<T: DeserializeOwned>(body_text: &str, detail: EventDetail) -> T {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let event = Event {
            id: "e1".into(),
            key: "k".into(),
            at,
            body: body_text.to_owned().into(),
            source: EventSource::Client,
        };
        let bytes = event_body(&OutboxEntry { sequence: 1, node: "n\"1".into(), event, detail });
        decode_object(std::str::from_utf8(&bytes).unwrap()).unwrap()
    }

    #[test]
    fn the_parts_make_one_object() {
        let entry = EventDetail::Entry { offset: 7, epoch: "ep".into() };
        let chat = r#"{"userId":"alice","content":"{}","messageId":"m","messageType":"TEXT"}"#;
        let chat: ChatMessageStored = read(chat, entry);
        assert_eq!((&*chat.id, &*chat.node_id, chat.at.millis()), ("e1", "n\"1", 1_800_000_000_000));
        assert_eq!((chat.user_id.as_str(), chat.content.as_str(), chat.offset, &*chat.epoch), ("alice", "{}", 7, "ep"));
        let ids = vec![NotificationId::new("n1").unwrap()];
        let acked: NotificationsAcknowledged = read("{}", EventDetail::Notifications(ids.clone()));
        assert_eq!(acked.notification_ids, ids);
        let closed: SessionClosed = read(r#"{"sessionId":"s","code":1000,"durationMs":5}"#, EventDetail::None);
        assert_eq!((closed.code, closed.duration_ms), (1000, 5));
        let unacked = r#"{"notificationId":"n1","title":"t","message":"m","createdAt":"2027-01-15T08:00:00.000Z"}"#;
        let unacked: NotificationUnacknowledged = read(unacked, EventDetail::None);
        assert_eq!((unacked.notification_id.as_str(), &*unacked.title), ("n1", "t"));
        assert_eq!(KINDS.iter().filter(|kind| kind.flow == Flow::Outbound).count(), 7);
    }
}
