//! Sessions. A session is one authenticated client, from its admission to the end of its connection.

mod admission;
mod blocks;
pub mod connection_handler;
mod connections;
mod held_subscriptions;
mod permission_watch;
mod publication_turns;
mod relief;
mod server_topics;
mod sessions;
mod subscriptions;
mod table;
mod tokens;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use realtime_gateway_protocol::{ClientInfo, Codec, DeviceId, RequestId, ServerMessage, SessionId, Timestamp, UserId};

pub use self::{
    admission::UpgradeInfo,
    blocks::Blocks,
    connections::{ConnectionId, Connections},
    held_subscriptions::Holder,
    sessions::Sessions,
    subscriptions::{SubscribeFrom, Subscriptions},
    table::SessionTable,
};
pub(crate) use self::{
    admission::{Admission, Admitted},
    blocks::{BLOCK_LIMIT, BlockParts},
    held_subscriptions::{Found, Released},
    relief::MemoryRelief,
    server_topics::ServerTopics,
    sessions::SessionParts,
    subscriptions::SubscriptionParts,
    tokens::TokenVerifier,
};
use self::{
    held_subscriptions::HeldSubscriptions,
    publication_turns::{PublicationTurn, PublicationTurns},
};
use crate::{
    auth::{Identity, KeptClaims, Requester},
    delivery::{
        hub::Subscription,
        outbound::{Outbound, Pushed},
        recipient::Recipient,
    },
    store::{NodeName, SessionRecord},
    topic::Topic,
};

/// The properties of a session's client that do not come from its identity.
#[derive(Debug, Default)]
pub struct ConnectedClient {
    /// The device of the client.
    pub device: Option<DeviceId>,
    /// The running client program, which reconnects by itself. `None` when the client did not send one.
    pub instance: Option<Box<ClientInstance>>,
    /// The IP address of the client.
    pub address: Option<IpAddr>,
    /// How messages are written for it.
    pub codec: Codec,
}

/// One run of a client program and the number of its connection attempt. The store compares them, so that a delayed
/// attempt does not replace a newer session of the same program.
#[derive(Debug)]
pub struct ClientInstance {
    /// A random text that the client generates when it starts.
    pub id: Arc<str>,
    /// The number of the connection attempt, which increases with every attempt.
    pub attempt: Option<u64>,
}

impl ClientInstance {
    /// Returns the instance that the client sent, or `None` when it sent none.
    pub fn of(client: &ClientInfo) -> Option<Box<Self>> {
        let id = client.instance.as_deref()?;
        Some(Box::new(Self { id: id.into(), attempt: client.attempt }))
    }
}

/// One authenticated client.
#[derive(Debug)]
pub struct Session {
    recipient: Arc<Recipient>,
    /// The properties of the client that do not come from its identity.
    pub client: ConnectedClient,
    /// When the session was opened.
    pub since: Timestamp,
    identity: Mutex<Identity>,
    /// Whether the token has expired by the wall clock although the expiry timer has not fired yet.
    overdue: AtomicBool,
    subscriptions: HeldSubscriptions,
    /// Held while a subscription is added or ended and the client is informed, so that both happen in the same order.
    subscribe_order: Mutex<()>,
    server_topics: ServerTopics,
    calls_in_flight: Arc<AtomicUsize>,
    publication_turns: PublicationTurns,
}

/// A call of a session that is under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct CallUnderWay(Arc<AtomicUsize>);

impl Drop for CallUnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Session {
    /// Creates a session for a verified identity.
    pub fn new(
        id: SessionId,
        client: ConnectedClient,
        identity: Identity,
        outbound: Arc<Outbound>,
        since: Timestamp,
    ) -> Self {
        let server_topics = ServerTopics::default();
        server_topics.claim(&identity);
        Self {
            recipient: Arc::new(Recipient::new(id, identity.user.clone(), outbound, client.codec)),
            client,
            since,
            identity: Mutex::new(identity),
            overdue: AtomicBool::new(false),
            subscriptions: HeldSubscriptions::default(),
            subscribe_order: Mutex::default(),
            server_topics,
            calls_in_flight: Arc::default(),
            publication_turns: PublicationTurns::default(),
        }
    }

    /// Gives a turn to a publication about which a backend decides.
    pub(crate) fn next_publication(&self) -> PublicationTurn {
        self.publication_turns.next()
    }

    /// Counts a call, or a publication about which a backend decides, that begins. Returns `None` when `limit` of them are
    /// under way.
    pub(crate) fn begin_call(&self, limit: usize) -> Option<CallUnderWay> {
        // Create the guard before comparing: at the limit, dropping it takes the increment back.
        let under_way = CallUnderWay(Arc::clone(&self.calls_in_flight));
        (self.calls_in_flight.fetch_add(1, Ordering::AcqRel) < limit).then_some(under_way)
    }

    /// Returns the id of the session.
    pub fn id(&self) -> &SessionId {
        &self.recipient.session
    }

    /// Returns the user of the session.
    pub fn user(&self) -> &UserId {
        &self.recipient.user
    }

    /// Returns the queue of frames for the session.
    pub fn outbound(&self) -> &Outbound {
        &self.recipient.outbound
    }

    /// Returns the receiving side of the session.
    pub fn recipient(&self) -> &Arc<Recipient> {
        &self.recipient
    }

    /// Returns the record of the session in the store, which all nodes read.
    pub fn record(&self, node: &NodeName) -> SessionRecord {
        let instance = self.client.instance.as_deref();
        SessionRecord {
            id: self.id().clone(),
            user: self.user().clone(),
            device: self.client.device.clone(),
            node: node.id.clone(),
            since: self.since,
            instance: instance.map(|instance| instance.id.clone()),
            attempt: instance.and_then(|instance| instance.attempt),
            token: self.identity.lock().token.clone(),
        }
    }

    /// Returns the identity of the latest token.
    pub fn identity(&self) -> Identity {
        self.identity.lock().clone()
    }

    /// Returns the client of the session with the identity that it has now.
    pub fn requester<'a>(&'a self, identity: &'a Identity) -> Requester<'a> {
        Requester { identity, session: self.id(), device: self.client.device.as_ref() }
    }

    /// Returns the claims of the latest token that are kept for the permission service and for backends.
    pub fn claims(&self) -> Option<Arc<KeptClaims>> {
        self.identity.lock().claims.clone()
    }

    /// Replaces the identity with that of a new token.
    pub fn renew(&self, identity: Identity) {
        self.server_topics.claim(&identity);
        *self.identity.lock() = identity;
        self.overdue.store(false, Ordering::Release);
    }

    /// Returns when the latest token expires.
    pub fn expires_at(&self) -> Timestamp {
        self.identity.lock().expires_at
    }

    /// Marks the token as expired and wakes the connection, which then handles the expiry.
    pub fn expire(&self) {
        self.overdue.store(true, Ordering::Release);
        self.outbound().wake();
    }

    /// Returns whether the token has been marked as expired, independently of its timer.
    pub fn is_overdue(&self) -> bool {
        self.overdue.load(Ordering::Acquire)
    }

    /// Returns whether the client supports protocol extensions.
    pub fn supports_extensions(&self) -> bool {
        self.recipient.supports_extensions()
    }

    /// Records that the client supports protocol extensions.
    pub fn enable_extensions(&self) {
        self.recipient.enable_extensions();
    }

    /// Sends the reply to a command.
    pub fn reply(&self, request_id: Option<RequestId>, message: impl Into<ServerMessage>) {
        self.recipient.reply(request_id, message);
    }

    /// Pushes a message that is a protocol extension. It is dropped if the client does not support extensions.
    pub fn push_extension(&self, message: impl Into<ServerMessage>) -> Pushed {
        self.recipient.push_extension(message)
    }

    /// Returns the topics to which the server subscribes the session.
    pub(crate) fn server_topics(&self) -> &ServerTopics {
        &self.server_topics
    }

    /// Returns the session's subscription to a topic.
    pub fn subscription(&self, topic: &Topic) -> Option<Arc<Subscription>> {
        self.subscriptions.get(topic)
    }

    /// Returns all subscriptions of the session.
    pub fn subscriptions(&self) -> Vec<Arc<Subscription>> {
        self.subscriptions.all()
    }

    /// Returns the topics of the subscriptions that a holder has.
    pub(crate) fn topics_of(&self, holder: Holder) -> Vec<Topic> {
        self.subscriptions.topics_of(holder)
    }

    /// Returns the number of subscriptions that a holder has.
    pub fn subscription_count(&self, holder: Holder) -> usize {
        self.subscriptions.count_of(holder)
    }

    /// Returns whether a holder has the subscription to a topic.
    pub(crate) fn is_subscribed_by(&self, topic: &Topic, holder: Holder) -> bool {
        self.subscriptions.is_held_by(topic, holder)
    }

    /// Takes hold of the subscription to a topic, which `new` makes if there is none.
    pub(crate) fn hold(
        &self,
        topic: &Topic,
        holder: Holder,
        new: impl FnOnce() -> Arc<Subscription>,
    ) -> (Arc<Subscription>, Found) {
        self.subscriptions.hold(topic, holder, new)
    }

    /// Releases the subscription to a topic for one holder. The caller has to end it if it is removed.
    pub(crate) fn release(&self, topic: &Topic, holder: Holder) -> Released {
        self.subscriptions.release(topic, holder)
    }

    /// Removes exactly this subscription for all holders. Returns false when the session no longer has it, even if the
    /// session has a newer subscription to the same topic.
    pub fn remove_exactly(&self, subscription: &Arc<Subscription>) -> bool {
        self.subscriptions.remove_exactly(subscription)
    }

    /// Removes all subscriptions and returns them. The caller has to end them.
    pub fn remove_all(&self) -> Vec<Arc<Subscription>> {
        self.subscriptions.remove_all()
    }
}
