//! The contract of a broker: what carries events between the gateway and backend services. A driver connects, declares,
//! publishes and acknowledges; order, retries and verdicts stand above it in `bus/backend_events/`.
//!
//! A driver keeps its connections by itself: opening a channel waits until the broker is connected. A channel that has
//! failed is dropped and opened again. Publications and deliveries have different connections, because a broker that is
//! short of memory stops reading from connections that publish, and so that a publication which ends its connection
//! leaves deliveries alone.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use realtime_gateway_protocol::{Timestamp, TraceContext};
use tokio::sync::watch;

/// A broker between the gateway and backend services.
pub trait Broker: Send + Sync + 'static {
    /// What the driver keeps of a received event, so that a dead letter can show it, such as AMQP properties.
    type Original: Clone + Send + Sync + 'static;
    /// A channel for events to backend services.
    type Events: Publisher<OutboundEvent>;
    /// A channel for dead letters.
    type DeadLetters: Publisher<DeadLetter<Self::Original>>;
    /// A channel for events from backend services.
    type Inbound: Consumer<Self::Original>;

    /// Opens a channel that publishes events to backend services. Waits while the broker is disconnected.
    fn open_events(&self) -> impl Future<Output = Self::Events> + Send;

    /// Opens a channel that publishes dead letters, and declares their queue again. A message that the broker refuses on
    /// it fails this channel and no other. Waits while the broker is disconnected.
    fn open_dead_letters(&self) -> impl Future<Output = Self::DeadLetters> + Send;

    /// Opens a channel that consumes events of backend services. Waits while the broker is disconnected.
    fn open_inbound(&self) -> impl Future<Output = Self::Inbound> + Send;

    /// Whether the broker accepts no publications at present (an alarm), as it changes.
    fn watch_blocked(&self) -> watch::Receiver<bool>;

    /// Requests that the driver declares what events are published to, sooner than it would, because it may have been
    /// deleted.
    fn redeclare(&self);
}

/// A channel on which the broker confirms messages.
pub trait Publisher<M>: Send + 'static {
    /// Queues a message, which [`Publisher::settled`] sends. Messages reach the broker in the order of the calls. The
    /// caller limits how many are not settled, and gives each of these another tag.
    fn publish(&mut self, tag: u64, message: M);

    /// Sends queued messages, and returns those that the broker has settled, at least one. Each message is settled once,
    /// in any order. Dropping the future loses nothing. While nothing is unsettled it waits for the end of the channel.
    ///
    /// # Errors
    /// [`ChannelError`] says why the channel has failed. Messages that were not settled by then may have reached the
    /// broker or not.
    fn settled(&mut self) -> impl Future<Output = Result<Vec<Settled>, ChannelError>> + Send;

    /// Closes the channel.
    fn close(self) -> impl Future<Output = ()> + Send;

    /// Gives the connection below the channel up, because the broker does not answer on it. The driver connects again.
    fn abandon(self, reason: &'static str) -> impl Future<Output = ()> + Send;
}

/// A channel that delivers the events of backend services.
pub trait Consumer<O>: Send + 'static {
    /// Returns the next event. Dropping the future loses nothing. After [`Consumer::cancel`] it waits for the end of the
    /// channel.
    ///
    /// # Errors
    /// [`ChannelError`] says why the channel has failed. Every delivery that was not acknowledged is delivered again.
    fn next(&mut self) -> impl Future<Output = Result<Delivery<O>, ChannelError>> + Send;

    /// Acknowledges a delivery: the broker forgets the event.
    ///
    /// # Errors
    /// [`ChannelError`] when the acknowledgement could not be sent; the event is delivered again.
    fn acknowledge(&self, tag: u64) -> impl Future<Output = Result<(), ChannelError>> + Send + 'static;

    /// Requests no more deliveries; those that have arrived can still be acknowledged.
    ///
    /// # Errors
    /// [`ChannelError`] says why the channel has failed.
    fn cancel(&mut self) -> impl Future<Output = Result<(), ChannelError>> + Send;

    /// Closes the channel. What was not acknowledged is delivered again to the next consumer, in its order and before
    /// what is behind it, however often that happens.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// An event for backend services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundEvent {
    /// Tells copies apart: an event is published at least once.
    pub id: Arc<str>,
    /// The routing key.
    pub key: Arc<str>,
    /// When it happened.
    pub at: Timestamp,
    /// A JSON object.
    pub body: Bytes,
    /// The trace that it belongs to.
    pub trace: Option<TraceContext>,
}

/// A message that the broker has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The tag of the publication.
    pub tag: u64,
    /// What became of the message.
    pub outcome: Outcome,
}

/// What became of a published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The broker holds it in every queue that is bound for it, and keeps it through a restart.
    Routed,
    /// No queue is bound for it. The broker has returned it, and does not hold it.
    Unroutable,
    /// The broker does not accept it at present, for example because a queue is full.
    Refused,
}

/// Why a channel has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The connection is lost, and with it every channel.
    #[error("{0}")]
    Disconnected(Arc<str>),
    /// The broker has closed this channel because it refuses the content of a message, such as its properties.
    #[error("{0}")]
    InvalidContent(Arc<str>),
    /// The broker has closed this channel for another reason.
    #[error("{0}")]
    Closed(Arc<str>),
}

/// An event of a backend service, as the broker delivers it.
#[derive(Debug, Clone)]
pub struct Delivery<O> {
    /// Names the delivery on its channel.
    pub tag: u64,
    /// The routing key.
    pub key: String,
    /// The message's id, when it has one.
    pub id: Option<String>,
    /// The body.
    pub body: Bytes,
    /// The trace that it belongs to.
    pub trace: Option<TraceContext>,
    /// What of the message cannot be read, in a sentence without content. Such an event can never be accepted.
    pub unreadable: Option<String>,
    /// What the driver keeps for a dead letter.
    pub original: O,
}

/// An event that can never be accepted.
#[derive(Debug, Clone)]
pub struct DeadLetter<O> {
    /// The event's routing key.
    pub key: String,
    /// The event's body.
    pub body: Bytes,
    /// Why it was refused, as a word.
    pub reason: &'static str,
    /// Why it was refused, as a sentence without content.
    pub detail: String,
    /// What the driver kept of the event.
    pub original: O,
    /// How much of the event is published.
    pub form: DeadLetterForm,
}

/// How much of an event its dead letter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeadLetterForm {
    /// Everything that the broker can hold.
    Complete,
    /// Routing key, body and reason: the broker has refused the rest.
    Plain,
}
