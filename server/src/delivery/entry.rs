//! The frames of stored entries.

use realtime_gateway_protocol::{
    ResetReason, ServerMessage, SubscriptionReset,
    stored::{Delivery, StoredEntry},
};

use crate::{
    delivery::frame::Frame,
    store::{Entry, Epoch},
    telemetry::log_limited,
    topic::Topic,
};

/// Encodes the frame of an entry. An entry whose body cannot be decoded is reported to the client as lost, like an
/// entry that is missing from the store.
pub fn entry_frame(topic: &Topic, epoch: &Epoch, entry: &Entry, delivery: Delivery) -> Frame {
    match stored(topic, entry).compose(delivery) {
        Ok(composed) => Frame::text(&composed.type_name, &composed.text),
        Err(error) => {
            log_limited!(ERROR, { %error, offset = entry.offset }, "a log entry cannot be decoded");
            Frame::encode_push(reset_message(topic, epoch, entry.offset, ResetReason::Lost))
        }
    }
}

/// Returns an entry of the store in the form that the protocol crate decodes.
pub(crate) fn stored<'a>(topic: &'a Topic, entry: &'a Entry) -> StoredEntry<'a> {
    StoredEntry { topic, offset: entry.offset, body: &entry.body }
}

/// Returns the message for a subscriber that cannot be sent the next entries without a gap.
pub fn reset_message(topic: &Topic, epoch: &Epoch, offset: u64, reason: ResetReason) -> ServerMessage {
    let (clan_id, name) = match topic {
        Topic::User(_) => (None, None),
        Topic::Clan(clan) => (Some(clan.clone()), None),
        Topic::Service(_, name) => (None, Some(name.clone())),
    };
    let epoch = epoch.to_string();
    SubscriptionReset { service: topic.service(), clan_id, topic: name, epoch, offset, reason }.into()
}
