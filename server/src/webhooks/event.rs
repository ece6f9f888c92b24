//! An event as a webhook sends it: the body that RabbitMQ gets, with its type and the words of its routing key, which a
//! receiver over HTTP does not see otherwise.

use realtime_gateway_protocol::{
    ObjectText,
    backend::{Flow, KINDS},
    routing::decode_word,
};

use crate::{bus::event_body, store::OutboxEntry};

/// Returns an event as a JSON object: `type`, then `clanId`, `userId`, or `service` and `topic`, then the fields of the
/// body.
pub fn webhook_event(entry: &OutboxEntry) -> String {
    let mut head = ObjectText::default();
    head.text("type", &event_type(&entry.event.key));
    for (name, value) in parameters(&entry.event.key) {
        head.text(name, &value);
    }
    let mut text = head.into_string();
    let body = event_body(entry);
    let fields = String::from_utf8_lossy(&body);
    // Both are objects, and the body always has an id.
    text.pop();
    text.push(',');
    text.push_str(fields.strip_prefix('{').unwrap_or("}"));
    text
}

/// Returns the type of the event with a routing key: its words before the first identifier.
pub fn event_type(key: &str) -> String {
    match kind_of(key) {
        Some(kind) => kind.split('.').take_while(|word| !word.starts_with('{')).collect::<Vec<_>>().join("."),
        None => key.to_owned(),
    }
}

fn parameters(key: &str) -> impl Iterator<Item = (&'static str, String)> {
    let kind = kind_of(key).unwrap_or_default();
    kind.split('.').zip(key.split('.')).filter_map(|(name, word)| {
        let name = name.strip_prefix('{')?.strip_suffix('}')?;
        // A word of a routing key that the gateway has composed can always be decoded.
        Some((name, decode_word(word).unwrap_or_else(|| word.to_owned())))
    })
}

/// Returns the routing key of the kind of event, with a name in braces for each identifier.
fn kind_of(key: &str) -> Option<&'static str> {
    let is_kind = |kind: &&str| {
        kind.split('.').count() == key.split('.').count()
            && kind.split('.').zip(key.split('.')).all(|(known, word)| known.starts_with('{') || known == word)
    };
    KINDS.iter().filter(|kind| kind.flow == Flow::Outbound).map(|kind| kind.key).find(is_kind)
}

#[cfg(test)]
mod tests {
    use realtime_gateway_protocol::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::store::{Event, EventDetail, EventSource};

    fn event(key: &str, body: &str, detail: EventDetail) -> Value {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let event =
            Event { id: "e1".into(), key: key.into(), at, body: body.to_owned().into(), source: EventSource::Client };
        serde_json::from_str(&webhook_event(&OutboxEntry { sequence: 1, node: "n".into(), event, detail })).unwrap()
    }

    #[test]
    fn adds_type_and_words_of_routing_key() {
        let entry = EventDetail::Entry { offset: 7, epoch: "ep".into() };
        let chat = event("chat.message.a%2Eb", r#"{"userId":"alice","content":"x"}"#, entry.clone());
        let at = chat["at"].clone();
        assert_eq!(
            chat,
            json!({ "type": "chat.message", "clanId": "a.b", "id": "e1", "at": at, "nodeId": "n", "userId": "alice",
                    "content": "x", "offset": 7, "epoch": "ep" })
        );
        let closed = event("session.closed.u", r#"{"sessionId":"s"}"#, EventDetail::None);
        assert_eq!((&closed["type"], &closed["userId"]), (&json!("session.closed"), &json!("u")));
        let service = event("service.orders.order-42", r#"{"data":{"x":1}}"#, entry);
        assert_eq!((&service["type"], &service["service"]), (&json!("service"), &json!("orders")));
        assert_eq!((&service["topic"], &service["data"]), (&json!("order-42"), &json!({ "x": 1 })));
    }
}
