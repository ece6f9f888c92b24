//! A session: one authenticated presence, with its identity, its grants, its subscriptions and its outbound queue.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{
    ClientInfo, DeviceId, Envelope, RequestId, ServerMessage, SessionId, Timestamp, UserId,
};

use crate::{
    auth::Identity,
    frame::Frame,
    hub::Subscription,
    outbound::{Outbound, Pushed},
    store::{NodeName, SessionRecord},
    topic::Topic,
};

/// What is known of the client besides its identity.
#[derive(Debug, Default)]
pub struct Comer {
    /// On which device it is.
    pub device: Option<DeviceId>,
    /// Which life of a client that reconnects by itself.
    pub client: Option<Box<ClientLife>>,
    /// Its address.
    pub address: Option<IpAddr>,
}

/// A client that names its lives, so that a late attempt does not replace its own successor.
#[derive(Debug)]
pub struct ClientLife {
    /// Made once by the client.
    pub instance: Arc<str>,
    /// Rises with every attempt to connect.
    pub attempt: Option<u64>,
}

impl ClientLife {
    /// What a client says of itself; none when it names no instance.
    pub fn of(client: &ClientInfo) -> Option<Box<Self>> {
        let instance = client.instance.as_deref()?;
        Some(Box::new(Self { instance: instance.into(), attempt: client.attempt }))
    }
}

/// One authenticated presence.
#[derive(Debug)]
pub struct Session {
    /// Names it.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// What it is.
    pub comer: Comer,
    /// Where frames for it wait.
    pub outbound: Arc<Outbound>,
    /// Since when.
    pub since: Timestamp,
    identity: Mutex<Identity>,
    extended: AtomicBool,
    /// Whether its token has ended by the wall clock before its timer did.
    overdue: AtomicBool,
    subscriptions: Mutex<Vec<Arc<Subscription>>>,
}

impl Session {
    /// A session of a verified identity.
    pub fn new(id: SessionId, comer: Comer, identity: Identity, outbound: Arc<Outbound>, since: Timestamp) -> Self {
        Self {
            id,
            user: identity.user.clone(),
            comer,
            outbound,
            since,
            identity: Mutex::new(identity),
            extended: AtomicBool::new(false),
            overdue: AtomicBool::new(false),
            subscriptions: Mutex::default(),
        }
    }

    /// The session as all nodes see it.
    pub fn record(&self, node: &NodeName) -> SessionRecord {
        let client = self.comer.client.as_deref();
        SessionRecord {
            id: self.id.clone(),
            user: self.user.clone(),
            device: self.comer.device.clone(),
            node: node.id.clone(),
            since: self.since,
            instance: client.map(|client| client.instance.clone()),
            attempt: client.and_then(|client| client.attempt),
            token: self.identity.lock().token.clone(),
        }
    }

    /// What the last token said.
    pub fn identity(&self) -> Identity {
        self.identity.lock().clone()
    }

    /// Takes what a fresh token says.
    pub fn renew(&self, identity: Identity) {
        *self.identity.lock() = identity;
        self.overdue.store(false, Ordering::Release);
    }

    /// When its last token ends.
    pub fn expires_at(&self) -> Timestamp {
        self.identity.lock().expires_at
    }

    /// Notes that its token has ended, and has its connection act on it.
    pub fn expire(&self) {
        self.overdue.store(true, Ordering::Release);
        self.outbound.wake();
    }

    /// Whether its token has ended, whatever its timer says.
    pub fn is_overdue(&self) -> bool {
        self.overdue.load(Ordering::Acquire)
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

    /// Forgets this subscription; false when it is not the session's any more, also when a newer one of the same topic
    /// is.
    pub fn remove_exactly(&self, subscription: &Arc<Subscription>) -> bool {
        let mut subscriptions = self.subscriptions.lock();
        let at = subscriptions.iter().position(|known| Arc::ptr_eq(known, subscription));
        at.map(|at| subscriptions.swap_remove(at)).is_some()
    }

    /// Forgets all subscriptions, and gives them back to be ended.
    pub fn remove_all(&self) -> Vec<Arc<Subscription>> {
        std::mem::take(&mut *self.subscriptions.lock())
    }
}
