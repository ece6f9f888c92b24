//! Messages of the gateway that many scenarios send.

use serde_json::{Value, json};

/// The epoch of a log, unless a scenario has others.
pub(crate) const EPOCH: &str = "e1";
/// When something happened.
const THEN: &str = "2026-01-31T12:00:00.000Z";

/// Returns the greeting: no limit that a scenario could reach, and a token that lives long.
pub(crate) fn greeting() -> Value {
    json!({
        "type": "connected", "userId": "ada", "message": "Connected to WebSocket Gateway", "sessionId": "s1",
        "protocolVersion": 1, "features": [], "services": ["notifications", "clan_chat", "orders"],
        "expiresAt": "2036-01-31T12:00:00.000Z", "serverTime": THEN,
        "heartbeatIntervalMs": 60_000, "maxMessageBytes": 65_536,
        "limits": {"messagesPerSecond": 100_000, "burst": 100_000, "subscriptions": 1_000},
    })
}

/// Returns the confirmation of a subscription that begins at the head of the log.
pub(crate) fn confirmed(subscribe: &Value, head: u64) -> Value {
    confirmed_in(subscribe, head, EPOCH, false)
}

/// Returns the confirmation of a subscription that continues after its position.
pub(crate) fn recovered(subscribe: &Value, head: u64) -> Value {
    confirmed_in(subscribe, head, EPOCH, true)
}

/// Returns the confirmation of a subscription in an epoch.
pub(crate) fn confirmed_in(subscribe: &Value, head: u64, epoch: &str, recovered: bool) -> Value {
    let mut answer = json!({"type": "subscription_confirmed", "status": "subscribed"});
    merge(&mut answer, &topic_of(subscribe));
    if answer["service"] != "notifications" {
        merge(&mut answer, &json!({"offset": head, "epoch": epoch, "recovered": recovered}));
    }
    answer
}

/// Returns the confirmation of a subscription to notifications, of which this number waits for an acknowledgement.
pub(crate) fn confirmed_pending(pending: u64) -> Value {
    json!({"type": "subscription_confirmed", "status": "subscribed", "service": "notifications", "pending": pending})
}

/// Returns the confirmation that a subscription was ended.
pub(crate) fn unsubscribed(unsubscribe: &Value) -> Value {
    let mut answer = json!({"type": "subscription_confirmed", "status": "unsubscribed"});
    merge(&mut answer, &topic_of(unsubscribe));
    answer
}

/// Returns the names of the topic of a command.
fn topic_of(command: &Value) -> Value {
    let kind = command["type"].as_str().unwrap_or_default();
    if kind.ends_with("notifications") {
        json!({"service": "notifications"})
    } else if kind.ends_with("clan_chat") {
        json!({"service": "clan_chat", "clanId": command["clanId"]})
    } else {
        json!({"service": command["service"], "topic": command["topic"]})
    }
}

/// Returns a chat message of another user.
pub(crate) fn chat(clan: &str, offset: u64) -> Value {
    json!({
        "type": "chat", "userId": "bob", "content": format!("message {offset}"), "clanId": clan,
        "messageId": format!("{clan}-{offset}"), "messageType": "TEXT", "sentAt": THEN, "offset": offset,
    })
}

/// Returns an event of a topic of the service `orders`.
pub(crate) fn event(topic: &str, offset: u64) -> Value {
    json!({
        "type": "event", "service": "orders", "topic": topic, "data": {"number": offset}, "offset": offset,
        "publishedAt": THEN, "userId": "bob",
    })
}

/// Returns a notification.
pub(crate) fn notification(id: &str, offset: u64) -> Value {
    json!({
        "type": "notification", "id": id, "title": "News", "message": format!("notification {id}"),
        "createdAt": THEN, "offset": offset, "redelivered": false,
    })
}

/// Returns the confirmation of a chat message or publication.
pub(crate) fn stored(command: &Value, offset: u64) -> Value {
    let (kind, name) = if command["type"] == "chat" { ("clanId", "clanId") } else { ("topic", "topic") };
    let mut answer = json!({"type": "message_sent", "messageId": format!("m{offset}"), "offset": offset});
    answer[kind] = command[name].clone();
    if command["type"] == "publish" {
        answer["service"] = command["service"].clone();
    }
    if command.get("clientMessageId").is_some() {
        answer["clientMessageId"] = command["clientMessageId"].clone();
    }
    answer
}

/// Returns the confirmation of an acknowledgement.
pub(crate) fn acknowledged(ack: &Value) -> Value {
    let ids = ack["notificationIds"].clone();
    let ids = if ids.is_null() { json!([ack["notificationId"]]) } else { ids };
    json!({"type": "ack_confirmed", "notificationIds": ids})
}

/// Returns the users who are present in a clan.
pub(crate) fn presence(clan: &str) -> Value {
    json!({"type": "presence", "clanId": clan, "users": [{"userId": "bob", "sessions": 1}], "count": 1})
}

/// Returns a page of the history of a clan, with these entries.
pub(crate) fn history(clan: &str, offsets: impl Iterator<Item = u64>) -> Value {
    let without_type = |offset| {
        let mut message = chat(clan, offset);
        if let Some(members) = message.as_object_mut() {
            members.remove("type");
        }
        message
    };
    let messages: Vec<_> = offsets.map(without_type).collect();
    json!({"type": "chat_history", "clanId": clan, "epoch": EPOCH, "messages": messages, "hasMore": false})
}

/// Returns the refusal of a command.
pub(crate) fn error(code: &str) -> Value {
    json!({"type": "error", "code": code, "message": format!("refused with {code}")})
}

/// Returns the answer to a `ping`.
pub(crate) fn pong() -> Value {
    json!({"type": "pong", "timestamp": THEN})
}

/// Replaces the members of an object by those of another one.
pub(crate) fn merge(object: &mut Value, more: &Value) {
    if let (Some(members), Some(more)) = (object.as_object_mut(), more.as_object()) {
        members.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}
