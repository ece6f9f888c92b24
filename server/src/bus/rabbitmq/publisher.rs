//! A channel that publishes with confirmations.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{FuturesOrdered, FuturesUnordered},
};
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm, options::BasicPublishOptions};
use realtime_gateway_protocol::TraceContext;

use super::{
    dead_letter::{Original, dead_letter_properties},
    error::AmqpError,
    link::Link,
    requests::REPLY_TO,
    returns::{Answer, Completed, Published, Returns, completed_with},
    topology::close,
    trace::with_trace,
};
use crate::bus::broker::{ChannelError, DeadLetter, OutboundEvent, Outcome, Publisher, Settled};

/// Persistent, as AMQP calls it.
const PERSISTENT: u8 = 2;
/// How many messages may be handed to lapin before the first of them is written, so that many share a write to the socket.
const SENT_TOGETHER: usize = 64;
/// How many bytes of a frame are left for the properties of a dead letter that the gateway sets.
const RESERVED: usize = 3_072;

/// What a failure of the channel ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnFailure {
    /// The connection.
    GiveUpConnection,
    /// This channel only.
    CloseChannel,
}

type Sending = BoxFuture<'static, (Publication, lapin::Result<PublisherConfirm>)>;
type Confirming = BoxFuture<'static, (Publication, lapin::Result<Confirmation>)>;

/// A channel that publishes to one exchange.
pub(in crate::bus) struct RabbitPublisher {
    link: Arc<Link>,
    channel: Channel,
    exchange: Arc<str>,
    on_failure: OnFailure,
    queue: VecDeque<(Publication, Content)>,
    /// What lapin has and has not written yet, in order.
    sending: FuturesOrdered<Sending>,
    confirming: FuturesUnordered<Confirming>,
    returns: Returns,
}

/// A message on its way.
#[derive(Debug)]
struct Publication {
    tag: u64,
    /// The `message_id`, where it is unique and so can be found in a return.
    id: Option<Arc<str>>,
}

/// What is sent of it.
struct Content {
    key: Arc<str>,
    body: Bytes,
    properties: BasicProperties,
}

impl RabbitPublisher {
    /// Opens a channel.
    pub(super) async fn open(link: Arc<Link>, exchange: Arc<str>, on_failure: OnFailure) -> Result<Self, AmqpError> {
        let channel = link.confirming_channel().await?;
        Ok(Self {
            link,
            channel,
            exchange,
            on_failure,
            queue: VecDeque::new(),
            sending: FuturesOrdered::new(),
            confirming: FuturesUnordered::new(),
            returns: Returns::default(),
        })
    }

    /// Returns the channel.
    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Hands queued messages to lapin.
    fn send_queued(&mut self) -> Result<(), AmqpError> {
        while self.sending.len() < SENT_TOGETHER {
            let Some((publication, content)) = self.queue.pop_front() else { break };
            let (channel, exchange) = (self.channel.clone(), self.exchange.as_ref().into());
            let mut sending: Sending = Box::pin(async move {
                let Content { key, body, properties } = content;
                let options = BasicPublishOptions { mandatory: true, immediate: false };
                let sent = channel.basic_publish(exchange, key.as_ref().into(), options, &body, properties).await;
                (publication, sent)
            });
            // The first poll puts the frames into lapin's queue. A set of futures does not promise to poll them in order.
            match (&mut sending).now_or_never() {
                Some((publication, sent)) => self.sent(publication, sent)?,
                None => self.sending.push_back(sending),
            }
        }
        Ok(())
    }

    /// Waits for the confirmation of a message that was written.
    fn sent(&mut self, publication: Publication, sent: lapin::Result<PublisherConfirm>) -> Result<(), AmqpError> {
        let confirm = sent.map_err(AmqpError::of_publication)?;
        self.confirming.push(Box::pin(async move { (publication, confirm.await) }));
        Ok(())
    }

    /// Sends, and returns the confirmations that have completed.
    async fn completed(&mut self) -> Result<Vec<(Publication, Confirmation)>, AmqpError> {
        loop {
            self.send_queued()?;
            let Self { link, sending, confirming, .. } = self;
            tokio::select! {
                biased;
                () = link.down() => return Err(AmqpError::of("the connection is lost")),
                Some(first) = confirming.next() => {
                    let completed = completed_with(first, confirming).into_iter();
                    let checked = |(publication, confirmation): (Publication, lapin::Result<Confirmation>)| {
                        Ok((publication, confirmation.map_err(AmqpError::of_publication)?))
                    };
                    return completed.map(checked).collect();
                }
                Some((publication, sent)) = sending.next() => self.sent(publication, sent)?,
            }
        }
    }

    /// Sends queued messages, and returns those that the broker has settled, as [`Publisher::settled`] does.
    pub(super) async fn next_settled(&mut self) -> Result<Vec<Settled>, AmqpError> {
        loop {
            let completed = self.completed().await?;
            let settled = if completed.iter().all(|(publication, _)| publication.id.is_some()) {
                self.settle_by_id(completed)?
            } else {
                settle_together(completed)?
            };
            if !settled.is_empty() {
                return Ok(settled);
            }
        }
    }

    /// Settles publications of which a return names the one that it belongs to.
    fn settle_by_id(&mut self, completed: Vec<(Publication, Confirmation)>) -> Result<Vec<Settled>, AmqpError> {
        let mut confirmations = Vec::with_capacity(completed.len());
        for (Publication { tag, id }, confirmation) in completed {
            let (answer, carried) = match confirmation {
                Confirmation::Ack(carried) => (Answer::Acknowledged, carried),
                Confirmation::Nack(carried) => (Answer::Refused, carried),
                Confirmation::NotRequested => return Err(not_confirming()),
            };
            let carried = carried
                .and_then(|returned| returned.delivery.properties.message_id().as_ref().map(|id| id.as_str().into()));
            let event = Published { tag, id: id.unwrap_or_default() };
            confirmations.push(Completed { event, answer, carried });
        }
        Ok(self.returns.settle(confirmations))
    }

    async fn close_channel(self) {
        if self.link.is_up() {
            close(&self.channel).await;
        }
    }

    async fn failed(&mut self, error: AmqpError) -> ChannelError {
        if self.on_failure == OnFailure::GiveUpConnection {
            self.link.fail(error.clone()).await;
        }
        error.into_channel_error(&self.link)
    }
}

/// Settles publications that all go to one queue. A return cannot be matched with its publication, and says that this
/// queue is gone.
fn settle_together(completed: Vec<(Publication, Confirmation)>) -> Result<Vec<Settled>, AmqpError> {
    let is_returned = completed
        .iter()
        .any(|(_, confirmation)| matches!(confirmation, Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_))));
    let settle = |(Publication { tag, .. }, confirmation)| {
        let outcome = match confirmation {
            Confirmation::Nack(_) => Outcome::Refused,
            Confirmation::Ack(_) if is_returned => Outcome::Unroutable,
            Confirmation::Ack(_) => Outcome::Routed,
            Confirmation::NotRequested => return Err(not_confirming()),
        };
        Ok(Settled { tag, outcome })
    };
    completed.into_iter().map(settle).collect()
}

fn not_confirming() -> AmqpError {
    AmqpError::of("the broker does not confirm publications")
}

impl Publisher<OutboundEvent> for RabbitPublisher {
    fn publish(&mut self, tag: u64, event: OutboundEvent) {
        let OutboundEvent { id, key, at, body, trace } = event;
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(id.as_ref().into())
            .with_timestamp(at.millis() / 1_000);
        let properties = with_trace(properties, trace.as_ref());
        self.queue.push_back((Publication { tag, id: Some(id) }, Content { key, body, properties }));
    }

    async fn settled(&mut self) -> Result<Vec<Settled>, ChannelError> {
        match self.next_settled().await {
            Ok(settled) => Ok(settled),
            Err(error) => Err(self.failed(error).await),
        }
    }

    async fn close(self) {
        self.close_channel().await;
    }

    async fn abandon(self, reason: &'static str) {
        self.link.fail(AmqpError::of(reason)).await;
    }
}

/// A request to a backend, which replies on the channel that it came from.
#[derive(Debug)]
pub(super) struct RequestMessage {
    /// The id, which the reply has as its correlation id.
    pub(super) id: Arc<str>,
    /// The routing key.
    pub(super) key: Arc<str>,
    /// A JSON object.
    pub(super) body: Bytes,
    /// The trace that it belongs to.
    pub(super) trace: Option<TraceContext>,
    /// After how long the broker drops it.
    pub(super) expires_in: Duration,
}

impl RabbitPublisher {
    /// Queues a request, which [`RabbitPublisher::next_settled`] sends.
    pub(super) fn publish_request(&mut self, tag: u64, request: RequestMessage) {
        let RequestMessage { id, key, body, trace, expires_in } = request;
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_message_id(id.as_ref().into())
            .with_correlation_id(id.as_ref().into())
            .with_reply_to(REPLY_TO.into())
            .with_expiration(expires_in.as_millis().to_string().into());
        let properties = with_trace(properties, trace.as_ref());
        self.queue.push_back((Publication { tag, id: Some(id) }, Content { key, body, properties }));
    }
}

impl Publisher<DeadLetter<Original>> for RabbitPublisher {
    fn publish(&mut self, tag: u64, letter: DeadLetter<Original>) {
        // A content header is one frame, and a broker ends the connection over one that is too large.
        let properties = dead_letter_properties(&letter, self.link.frame_max().saturating_sub(RESERVED));
        let content = Content { key: letter.key.into(), body: letter.body, properties };
        self.queue.push_back((Publication { tag, id: None }, content));
    }

    async fn settled(&mut self) -> Result<Vec<Settled>, ChannelError> {
        match self.next_settled().await {
            Ok(settled) => Ok(settled),
            Err(error) => Err(self.failed(error).await),
        }
    }

    async fn close(self) {
        self.close_channel().await;
    }

    async fn abandon(self, reason: &'static str) {
        self.link.fail(AmqpError::of(reason)).await;
    }
}
