//! Handles the messages that other nodes send over the bus.

use std::sync::Arc;

use realtime_gateway_protocol::ServerMessage;

use super::ControlMessageHandler;
use crate::{
    bus::{BusEvent, BusEvents, EphemeralBroadcast},
    delivery::{
        frame::Frame,
        hub::Hub,
        presence::{Change, Presence},
    },
    node::Node,
};

/// Dispatches each bus event to the hub, presence, or the handler of control messages.
pub(crate) struct BusEventHandler {
    pub(crate) node: Arc<Node>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) control: ControlMessageHandler,
}

impl BusEventHandler {
    /// Handles events until the bus closes.
    pub(crate) async fn run(self, mut events: BusEvents) {
        while let Some(event) = events.recv().await {
            match event {
                BusEvent::AppendNotice(notice) => self.hub.receive_notice(notice),
                BusEvent::EphemeralBroadcast(broadcast) => self.deliver_ephemeral(broadcast),
                BusEvent::Activity(activity) => self.control.activity.receive(*activity),
                BusEvent::ControlMessage(message) => self.control.handle(message),
                BusEvent::Restored => self.recover_missed(),
            }
        }
    }

    /// Recovers what the bus has missed while it was disconnected: entries and control messages with a reconciliation,
    /// presence with new snapshots.
    fn recover_missed(&self) {
        self.node.request_reconciliation();
        self.presence.refresh_watchers();
    }

    fn deliver_ephemeral(&self, broadcast: EphemeralBroadcast) {
        self.hub.tails().offer_message(&broadcast);
        match broadcast.message {
            ServerMessage::Typing(typing) => {
                let user = typing.user_id.clone();
                self.hub.send_about(&broadcast.topic, &Frame::encode_push(typing.into()), &user);
            }
            ServerMessage::EphemeralEvent(event) => self.hub.receive_broadcast(&broadcast.topic, event),
            // Ignore other messages: a later version of the gateway may broadcast more kinds.
            message => {
                if let Some(change) = Change::of_message(message) {
                    self.presence.receive_change(change);
                }
            }
        }
    }
}
