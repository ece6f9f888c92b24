//! Connects the events of backend services with the parts that handle them.

use super::{Base, Core};
use crate::{
    bus::InboundEvents,
    commands::{inbound::BackendEvents, router::Features},
};

/// Starts to consume the events of backend services.
pub(super) fn consume(base: &Base, core: &Core, features: &Features, inbound: InboundEvents) {
    let events = BackendEvents {
        notifications: features.notifications.clone(),
        clan_chat: features.clan_chat.clone(),
        services: features.services.clone(),
        server_subscriptions: features.server_subscriptions.clone(),
        sessions: core.sessions.clone(),
        blocks: core.blocks.clone(),
        lease: base.node.lease.clone(),
        config: base.config.clone(),
    };
    base.tasks.spawn_part("inbound events", events.consume(inbound));
}
