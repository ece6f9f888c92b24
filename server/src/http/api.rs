//! `/api/v1`: the API for backend services and operators.

mod clans;
mod inspection;
mod nodes;
mod notifications;
mod services;
mod subscriptions;
mod tail;
mod users;
mod webhooks;

use realtime_gateway_protocol::MessageId;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::Stored;

pub(super) use self::{
    clans::Clans,
    inspection::Inspection,
    nodes::Nodes,
    notifications::{Notifications, NotificationsAccepted, SendNotification, send},
    services::Services,
    subscriptions::Subscriptions,
    tail::Tails,
    users::Users,
    webhooks::Webhooks,
};

/// A message or event that is stored and will reach every subscriber.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MessageAccepted {
    /// The id of the message.
    message_id: MessageId,
    /// The offset of the message in the topic's log.
    #[schemars(range(min = 1, max = 9_007_199_254_740_991_u64))]
    offset: u64,
    /// The epoch of the store that the offset belongs to. Both are a position, after which a subscription can begin.
    epoch: String,
}

impl From<Stored> for MessageAccepted {
    fn from(Stored { sent, epoch }: Stored) -> Self {
        Self { message_id: sent.message_id, offset: sent.offset, epoch: epoch.to_string() }
    }
}
