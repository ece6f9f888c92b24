//! Entries: the JSON that a service keeps of a message, which with its address and offset becomes the frame.
//!
//! A body is the message's JSON object without what the log itself knows (clan or topic, and offset), so that a frame
//! is made by adding these, without reading the body.

use std::fmt::Write;

use bytes::Bytes;
use realtime_gateway_protocol::{ResetReason, ServerMessage, SubscriptionReset};
use serde::Serialize;

use crate::{
    frame::Frame,
    hub::Delivery,
    store::{Entry, Epoch},
    topic::Topic,
};

/// Encodes what a service keeps. The value must serialise to a JSON object that begins with its `type`.
///
/// # Errors
/// When the value cannot be written as JSON.
pub(super) fn entry_body(value: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    serde_json::to_vec(value).map(Bytes::from)
}

/// The text of a message as clients get it: the body with its address and offset.
pub(super) fn entry_text(topic: &Topic, entry: &Entry, delivery: Delivery) -> String {
    let body = String::from_utf8_lossy(&entry.body);
    let open = body.strip_suffix('}').unwrap_or(&body);
    let mut text = String::with_capacity(open.len() + 96);
    text.push_str(open);
    match topic {
        Topic::User(_) => {}
        Topic::Clan(clan) => {
            text.push_str(",\"clanId\":");
            push_json(&mut text, clan.as_str());
        }
        Topic::Service(service, name) => {
            text.push_str(",\"service\":");
            push_json(&mut text, service.as_str());
            text.push_str(",\"topic\":");
            push_json(&mut text, name.as_str());
        }
    }
    // Writing into a String cannot fail.
    let _ = write!(text, ",\"offset\":{}", entry.offset);
    if delivery == Delivery::Again {
        text.push_str(",\"redelivered\":true");
    }
    text.push('}');
    text
}

/// The frame of an entry.
pub fn entry_frame(topic: &Topic, entry: &Entry, delivery: Delivery) -> Frame {
    let type_name = match topic {
        Topic::User(_) => "notification",
        Topic::Clan(_) if entry.body.starts_with(br#"{"type":"chat_deleted""#) => "chat_deleted",
        Topic::Clan(_) => "chat",
        Topic::Service(..) => "event",
    };
    Frame::text(type_name, &entry_text(topic, entry, delivery))
}

/// What a subscription is told that cannot go on without a hole.
pub fn reset_message(topic: &Topic, epoch: &Epoch, offset: u64, reason: ResetReason) -> ServerMessage {
    let (clan_id, name) = match topic {
        Topic::User(_) => (None, None),
        Topic::Clan(clan) => (Some(clan.clone()), None),
        Topic::Service(_, name) => (None, Some(name.clone())),
    };
    let epoch = epoch.to_string();
    SubscriptionReset { service: topic.service(), clan_id, topic: name, epoch, offset, reason }.into()
}

fn push_json(text: &mut String, value: &str) {
    // A string can always be written as JSON.
    text.push_str(&serde_json::to_string(value).unwrap_or_default());
}
