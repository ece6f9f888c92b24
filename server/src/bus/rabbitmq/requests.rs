//! Requests to the backends of declared services, and their replies (`backend.url = "amqp"`).
//!
//! One channel publishes the requests and receives the replies, with RabbitMQ's "direct reply-to": a reply needs no queue,
//! and one that comes too late is dropped by the broker. A task owns the channel; callers give it requests and wait.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use lapin::{Channel, Consumer, message::Delivery, options::BasicConsumeOptions, types::FieldTable};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep, timeout_at},
};

use super::{
    Connections, Shared,
    connection_state::Role,
    error::AmqpError,
    link::{Link, in_time},
    publisher::{OnFailure, RabbitPublisher, RequestMessage},
    topology::{close, declare_calls},
};
use crate::{
    backend::{BackendFailure, BrokerRequest, RequestBroker, UnknownReason},
    bus::broker::{Outcome, Settled},
    telemetry::log_limited,
};

/// The address of replies to the channel that has sent a request.
/// <https://www.rabbitmq.com/docs/direct-reply-to>
pub(super) const REPLY_TO: &str = "amq.rabbitmq.reply-to";
/// How many requests may wait for the channel. Each backend has a bound of its own (`backend.max_in_flight`).
const MAX_WAITING: usize = 10_000;
/// How long to wait after the channel could not be opened.
const PAUSE: Duration = Duration::from_secs(1);
/// After how long a client may try again when no backend can be reached.
const RETRY_AFTER: Duration = Duration::from_secs(1);

type Reply = Result<Bytes, BackendFailure>;

/// The callers that wait for replies, by the id of their request.
#[derive(Default)]
struct Waiting(Mutex<HashMap<Arc<str>, Caller>>);

/// A caller that waits for a reply.
struct Caller {
    reply: oneshot::Sender<Reply>,
    /// Whether its request was given to the broker.
    is_sent: bool,
}

impl Waiting {
    /// Adds a caller whose request was not sent yet.
    fn add(&self, id: Arc<str>, reply: oneshot::Sender<Reply>) {
        self.0.lock().insert(id, Caller { reply, is_sent: false });
    }

    /// Removes a caller that gives up, and returns whether its request was sent.
    fn give_up(&self, id: &str) -> bool {
        self.0.lock().remove(id).is_some_and(|caller| caller.is_sent)
    }

    /// Notes that a request is sent now. Returns false if its caller has given up.
    fn begin_to_send(&self, id: &str) -> bool {
        self.0.lock().get_mut(id).map(|caller| caller.is_sent = true).is_some()
    }

    /// Gives a reply to the caller that waits for it, unless it has given up.
    fn complete(&self, id: &str, reply: Reply) {
        if let Some(caller) = self.0.lock().remove(id) {
            // The caller may give up at this moment.
            let _ = caller.reply.send(reply);
        }
    }

    /// Ends the requests that were sent, because their replies cannot arrive any more. The others are sent later.
    fn fail_sent(&self) {
        for (_, caller) in self.0.lock().extract_if(|_, caller| caller.is_sent) {
            // As above.
            let _ = caller.reply.send(Err(BackendFailure::Unknown(UnknownReason::Connection)));
        }
    }
}

/// A request that waits for the channel.
struct Queued {
    id: Arc<str>,
    request: BrokerRequest,
    /// When its caller gives up.
    deadline: Instant,
}

/// Requests over the connection that publishes.
pub(in crate::bus) struct RabbitRequests {
    shared: Shared,
    waiting: Arc<Waiting>,
    queue: mpsc::Sender<Queued>,
    /// Notified by the first request. Without one there is no channel and no exchange.
    first: Arc<Notify>,
}

/// The task that owns the channel.
pub(in crate::bus) struct RequestChannel {
    shared: Shared,
    waiting: Arc<Waiting>,
    queue: mpsc::Receiver<Queued>,
    first: Arc<Notify>,
}

impl RabbitRequests {
    /// Prepares requests over these connections. Sends none yet.
    pub(in crate::bus) fn new(connections: &Connections) -> (Self, RequestChannel) {
        let (shared, waiting, first) =
            (connections.shared.clone(), Arc::<Waiting>::default(), Arc::<Notify>::default());
        let (sender, queue) = mpsc::channel(MAX_WAITING);
        let channel = RequestChannel { shared: shared.clone(), waiting: waiting.clone(), queue, first: first.clone() };
        (Self { shared, waiting, queue: sender, first }, channel)
    }
}

#[async_trait]
impl RequestBroker for RabbitRequests {
    async fn request(&self, request: BrokerRequest) -> Reply {
        // A broker with an alarm takes nothing, and the request would be carried out after its client has given up.
        if *self.shared.states.watch_blocked().borrow() {
            return Err(not_done());
        }
        self.first.notify_one();
        let id: Arc<str> = uuid::Uuid::now_v7().simple().to_string().into();
        let deadline = Instant::now() + request.time_limit;
        let (caller, reply) = oneshot::channel();
        self.waiting.add(id.clone(), caller);
        let registered = Registered { waiting: &self.waiting, id: &id };
        self.queue.try_send(Queued { id: id.clone(), request, deadline }).map_err(|_| not_done())?;
        match timeout_at(deadline, reply).await {
            Ok(Ok(reply)) => reply,
            _ if registered.waiting.give_up(&id) => Err(BackendFailure::Unknown(UnknownReason::Timeout)),
            _ => Err(not_done()),
        }
    }
}

/// Removes a caller that stops to wait, also when it is cancelled.
struct Registered<'a> {
    waiting: &'a Waiting,
    id: &'a str,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.waiting.give_up(self.id);
    }
}

fn not_done() -> BackendFailure {
    BackendFailure::NotDone { retry_after: RETRY_AFTER }
}

/// An open channel, and the requests that are on it.
struct Open {
    publisher: RabbitPublisher,
    replies: Consumer,
    /// The ids of the requests that the broker has not settled, by their tags.
    unsettled: HashMap<u64, Arc<str>>,
    next_tag: u64,
}

impl RequestChannel {
    /// Keeps a channel open from the first request on, and carries requests and replies.
    pub(in crate::bus) async fn run(mut self) {
        self.first.notified().await;
        loop {
            let link = self.shared.link(Role::Publish).await;
            let ended = tokio::select! {
                ended = self.serve(&link) => ended,
                () = link.down() => Err(AmqpError::of("the connection is lost")),
            };
            self.waiting.fail_sent();
            match ended {
                Ok(()) => return,
                Err(error) => {
                    log_limited!(WARN, { %error }, "requests to backends over RabbitMQ are interrupted");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Carries requests and replies until the channel ends. Returns when the gateway shuts down.
    async fn serve(&mut self, link: &Arc<Link>) -> Result<(), AmqpError> {
        let channel = link.channel().await?;
        declare_calls(&channel, &self.shared.names).await?;
        close(&channel).await;
        let exchange: Arc<str> = self.shared.names.calls.as_str().into();
        let publisher = RabbitPublisher::open(link.clone(), exchange, OnFailure::CloseChannel).await?;
        let replies = consume_replies(publisher.channel(), &self.shared.consumer_tag()).await?;
        let mut open = Open { publisher, replies, unsettled: HashMap::new(), next_tag: 0 };
        loop {
            tokio::select! {
                queued = self.queue.recv() => match queued {
                    Some(queued) => open.send(queued, &self.waiting),
                    None => return Ok(()),
                },
                settled = open.publisher.next_settled() => open.settle(settled?, &self.waiting),
                reply = open.replies.next() => match reply {
                    Some(Ok(reply)) => self.receive(reply),
                    Some(Err(error)) => return Err(error.into()),
                    None => return Err(AmqpError::of("the broker has cancelled the consumer of replies")),
                },
            }
        }
    }

    fn receive(&self, reply: Delivery) {
        if let Some(id) = reply.properties.correlation_id() {
            self.waiting.complete(id.as_str(), Ok(reply.data.into()));
        }
    }
}

impl Open {
    /// Gives a request to the broker, unless its caller has given up.
    fn send(&mut self, Queued { id, request, deadline }: Queued, waiting: &Waiting) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || !waiting.begin_to_send(&id) {
            return;
        }
        let BrokerRequest { key, body, trace, time_limit: _ } = request;
        self.next_tag += 1;
        self.unsettled.insert(self.next_tag, id.clone());
        self.publisher.publish_request(
            self.next_tag,
            RequestMessage { id, key: key.into(), body: body.into(), trace, expires_in: left },
        );
    }

    /// Ends the requests that no backend has received.
    fn settle(&mut self, settled: Vec<Settled>, waiting: &Waiting) {
        for Settled { tag, outcome } in settled {
            let id = self.unsettled.remove(&tag);
            if let (Some(id), Outcome::Unroutable | Outcome::Refused) = (id, outcome) {
                waiting.complete(&id, Err(not_done()));
            }
        }
    }
}

/// Consumes the replies to requests that are published on the same channel.
async fn consume_replies(channel: &Channel, tag: &str) -> Result<Consumer, AmqpError> {
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    in_time(channel.basic_consume(REPLY_TO.into(), tag.into(), options, FieldTable::default())).await
}
