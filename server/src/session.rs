//! A session: one authenticated presence, with its identity, its grants, its subscriptions and its outbound queue.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{
    DeviceId, Envelope, ReconnectHint, ReconnectReason, RequestId, ServerMessage, SessionId, Timestamp, UserId,
};

use crate::{
    auth::Identity,
    frame::Frame,
    hub::Subscription,
    outbound::{Outbound, Pushed},
    topic::Topic,
};

/// One authenticated presence.
#[derive(Debug)]
pub struct Session {
    /// Names it.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// On which device.
    pub device: Option<DeviceId>,
    /// Where frames for it wait.
    pub outbound: Arc<Outbound>,
    /// Since when.
    pub since: Timestamp,
    identity: Mutex<Identity>,
    extended: AtomicBool,
    subscriptions: Mutex<Vec<Arc<Subscription>>>,
}

impl Session {
    /// A session of a verified identity.
    pub fn new(
        id: SessionId,
        device: Option<DeviceId>,
        identity: Identity,
        outbound: Arc<Outbound>,
        since: Timestamp,
    ) -> Self {
        Self {
            id,
            user: identity.user.clone(),
            device,
            outbound,
            since,
            identity: Mutex::new(identity),
            extended: AtomicBool::new(false),
            subscriptions: Mutex::default(),
        }
    }

    /// What the last token said.
    pub fn identity(&self) -> Identity {
        self.identity.lock().clone()
    }

    /// Takes what a fresh token says.
    pub fn renew(&self, identity: Identity) {
        *self.identity.lock() = identity;
    }

    /// Whether the client has used more than the core messages, and so knows additions.
    pub fn is_extended(&self) -> bool {
        self.extended.load(Ordering::Relaxed)
    }

    /// Notes that the client knows additions.
    pub fn extend(&self) {
        self.extended.store(true, Ordering::Relaxed);
    }

    /// Sends the reply to a command.
    pub fn reply(&self, request_id: Option<RequestId>, message: impl Into<ServerMessage>) {
        self.outbound.push_paced(&[Frame::encode(&Envelope { request_id, message: message.into() })]);
    }

    /// Sends an addition that nobody asked for, if the client knows additions.
    pub fn push_addition(&self, message: impl Into<ServerMessage>) -> Pushed {
        if self.is_extended() { self.outbound.push(Frame::push(message.into())) } else { Pushed::Dropped }
    }

    /// Tells the client when this node will close its connection. Every client gets this one, extended or not.
    pub fn push_reconnect(&self, reason: ReconnectReason, after_ms: u64) {
        self.outbound.push(Frame::push(ReconnectHint { reason, after_ms }.into()));
    }

    /// The live subscription to a topic.
    pub fn subscription(&self, topic: &Topic) -> Option<Arc<Subscription>> {
        self.subscriptions.lock().iter().find(|subscription| subscription.topic() == topic).cloned()
    }

    /// All live subscriptions.
    pub fn subscriptions(&self) -> Vec<Arc<Subscription>> {
        self.subscriptions.lock().clone()
    }

    /// How many subscriptions are live.
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.lock().len()
    }

    /// Notes a subscription.
    pub fn add(&self, subscription: Arc<Subscription>) {
        self.subscriptions.lock().push(subscription);
    }

    /// Forgets the subscription to a topic, and gives it back to be ended.
    pub fn remove(&self, topic: &Topic) -> Option<Arc<Subscription>> {
        let mut subscriptions = self.subscriptions.lock();
        let at = subscriptions.iter().position(|subscription| subscription.topic() == topic)?;
        Some(subscriptions.swap_remove(at))
    }

    /// Forgets all subscriptions, and gives them back to be ended.
    pub fn remove_all(&self) -> Vec<Arc<Subscription>> {
        std::mem::take(&mut *self.subscriptions.lock())
    }
}
