//! Handles control messages of other nodes: those that arrive over the bus, and those that reconciliation finds in the
//! mailbox.

use std::{sync::Arc, time::Duration};

use super::Inspector;
use crate::{
    commands::ServerSubscriptions, delivery::activity_feed::ActivityFeed, session::Sessions, store::ControlMessage,
};

/// Dispatches each control message to the part that it is for. Messages are delivered at least once.
#[derive(Clone)]
pub(crate) struct ControlMessageHandler {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) server_subscriptions: Arc<ServerSubscriptions>,
    pub(crate) inspector: Arc<Inspector>,
    pub(crate) activity: Arc<ActivityFeed>,
}

impl ControlMessageHandler {
    /// Handles a message.
    pub(super) fn handle(&self, message: ControlMessage) {
        match message {
            ControlMessage::SubscriptionsChanged { user_id } => self.server_subscriptions.changed(user_id),
            ControlMessage::Inspect { request, reply_to, question } => {
                self.inspector.answer(request, reply_to, &question);
            }
            ControlMessage::Inspected { request, node, answer } => self.inspector.answered(&request, node, answer),
            ControlMessage::ActivityWanted { milliseconds } => {
                self.activity.send_for(Duration::from_millis(milliseconds));
            }
            ControlMessage::Unsubscribe { user_id, service, topic } => {
                // A synchronisation that runs may still have a topic of the claim that ends here.
                let user = user_id.clone();
                self.sessions.handle_control(ControlMessage::Unsubscribe { user_id, service, topic });
                self.server_subscriptions.changed(user);
            }
            message => self.sessions.handle_control(message),
        }
    }
}
