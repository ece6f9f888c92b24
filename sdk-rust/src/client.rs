//! The client that an app uses. It is cheap to clone, connects at first use, and closes with its last clone.

mod builder;
mod call;
mod clan_chat;
mod history;
mod notifications;
mod service_topic;
mod stream;

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use realtime_gateway_protocol::{ClanId, CloseCode, ServerMessage, ServiceName, TopicName};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot, watch};

pub use builder::{ClientBuilder, SignedOut};
pub(crate) use builder::{TokenFuture, TokenProvider};
pub use call::CallOptions;
pub use clan_chat::{ClanChat, Receipt, SendChat, SubscribeChat};
pub use history::{History, HistoryCommand};
pub use notifications::Notifications;
pub use service_topic::{Publish, Published, ServiceTopic, SubscribeTopic};
pub use stream::{ChatStream, MessageStream, NotificationStream, RawEvent, ServerSideStream, TopicStream};

use crate::{
    Error, ErrorKind, Frame, Outcome, Position, State, Topic,
    driver::{self, Call, Driver, Mailbox, Op},
    machine::{Draft, Millis, Overflow, SubscribeOptions},
};

/// A client of one gateway.
///
/// Clones share one connection, which is opened at first use. Every handle and stream keeps it open. When the last of them
/// is dropped, the connection is closed and commands that wait to be sent are discarded.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    ops: mpsc::Sender<Op>,
    /// What the task will be made of, until the first use starts it.
    unstarted: Mutex<Option<Driver>>,
    state: watch::Receiver<State>,
    pending: watch::Receiver<Option<u64>>,
    sweep: Arc<Notify>,
    timeout: Duration,
    stream_buffer: usize,
}

impl Client {
    /// Starts the configuration of a client for the gateway at this address (`ws://` or `wss://`).
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url.into())
    }

    /// Connects and waits until the client is connected. Other calls connect automatically.
    ///
    /// A dropped future leaves the client connecting.
    ///
    /// # Errors
    /// If the client has ended, or is used outside a tokio runtime. Other errors are retried indefinitely; see
    /// [`Client::state`].
    pub async fn connect(&self) -> Result<(), Error> {
        self.op(Op::Connect).await?;
        let mut state = self.shared.state.clone();
        let state = state.wait_for(|state| state.is_connected() || matches!(state, State::Closed(_))).await;
        match state.as_deref() {
            Ok(State::Closed(error)) => Err(error.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(task_ended()),
        }
    }

    /// Returns a channel with the state of the connection.
    pub fn state(&self) -> watch::Receiver<State> {
        self.shared.state.clone()
    }

    /// Tells the client that the network or the app is back: it checks its connection, or connects now instead of waiting.
    /// The client notices by itself that the device has slept.
    pub async fn wake(&self) {
        // A client that was never used has nothing to check, and one that has ended never will.
        if self.shared.unstarted.lock().is_none() {
            let _ = self.shared.ops.send(Op::Wake).await;
        }
    }

    /// Starts again after something other than [`Client::close`] has stopped the client, such as another session that
    /// replaced this one, and waits for the connection like [`Client::connect`]. Streams continue from their positions,
    /// with a gap where that is impossible.
    ///
    /// # Errors
    /// When the client is stopped again, was closed, or is used outside a tokio runtime.
    pub async fn resume(&self) -> Result<(), Error> {
        let (done, resumed) = oneshot::channel();
        self.op(Op::Resume(done)).await?;
        // Until then the state is still the old one.
        let _ = resumed.await;
        self.connect().await
    }

    /// Waits until the client has stopped, and returns the reason: replaced by another session, refused with a fresh token
    /// too, disconnected by an operator, or closed by [`Client::close`]. After any other error the client reconnects
    /// automatically.
    pub async fn closed(&self) -> Error {
        let mut state = self.shared.state.clone();
        match state.wait_for(|state| matches!(state, State::Closed(_))).await.as_deref() {
            Ok(State::Closed(error)) => error.clone(),
            _ => task_ended(),
        }
    }

    /// Ends the client permanently, for all its clones: the connection is closed with 1000, streams end, and what waits
    /// to be sent is answered with an error. Resolves when the close frame has left, after a second at most.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        // It fails only for a client that has ended already.
        if self.op(Op::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }

    /// The user's notifications.
    pub fn notifications(&self) -> Notifications {
        Notifications::new(self.clone())
    }

    /// The chat of a clan.
    ///
    /// # Errors
    /// When the text is not an identifier.
    pub fn clan_chat(&self, clan_id: impl AsRef<str>) -> Result<ClanChat, Error> {
        Ok(ClanChat::new(self.clone(), ClanId::new(clan_id).map_err(Error::invalid)?))
    }

    /// A topic of a declared service.
    ///
    /// # Errors
    /// When the service is not a name, or the topic not an identifier.
    pub fn topic(&self, service: impl AsRef<str>, topic: impl AsRef<str>) -> Result<ServiceTopic, Error> {
        let service = ServiceName::new(service).map_err(Error::invalid)?;
        if ServiceName::RESERVED.contains(&service.as_str()) {
            return Err(Error::invalid(format!("{service} is not a declared service")));
        }
        Ok(ServiceTopic::new(self.clone(), service, TopicName::new(topic).map_err(Error::invalid)?))
    }

    /// Sends any command and waits for its reply, for commands that this version of the SDK does not support. The payload
    /// is an object with the fields of the command. The command is never repeated automatically.
    ///
    /// Dropping the future does not cancel the command.
    ///
    /// # Errors
    /// The gateway's refusal; [`Outcome::Unknown`] if the connection was lost before the reply arrived. A command
    /// without a reply (`typing`) times out.
    pub async fn request(&self, type_name: impl Into<String>, payload: impl Serialize) -> Result<ServerMessage, Error> {
        let payload = match serde_json::to_value(payload).map_err(Error::invalid)? {
            Value::Object(payload) => Value::Object(payload).to_string(),
            Value::Null => "{}".to_owned(),
            _ => return Err(Error::invalid("the payload of a request is an object")),
        };
        let command = Draft::any(&type_name.into(), &payload).map_err(Error::invalid)?;
        self.perform(Call::Request(command), None).await
    }

    /// Calls the backend of a declared service, and returns the data of its response.
    ///
    /// A call is never repeated. After an error with [`Outcome::Unknown`] the backend may have carried it out: repeat it
    /// only with the same [`CallOptions::call_id`].
    ///
    /// # Errors
    /// The refusal of the gateway or of the backend ([`ErrorCode::CallFailed`](realtime_gateway_protocol::ErrorCode::CallFailed),
    /// see [`Error::details`]), that no answer came in time, or that the response is not a `T`.
    pub async fn call<T: DeserializeOwned>(
        &self,
        service: &str,
        method: &str,
        data: &(impl Serialize + Sync + ?Sized),
        options: CallOptions,
    ) -> Result<T, Error> {
        options.call(self, service, method, data).await
    }

    /// Returns a stream of all messages that arrive, including types that this version of the SDK does not know.
    ///
    /// # Errors
    /// When the client has ended, or is used outside a tokio runtime.
    pub async fn messages(&self) -> Result<MessageStream, Error> {
        let mailbox = self.mailbox(Overflow::Count);
        let stream = MessageStream::new(self.clone(), Arc::clone(&mailbox));
        self.op(Op::Watch(mailbox)).await?;
        Ok(stream)
    }

    /// Returns a stream of the subscriptions that the server makes, by a claim of the token or through its HTTP API, and of
    /// the events of all their topics.
    ///
    /// It begins with the subscriptions that exist. After a reconnection it continues where it was. Without such a stream,
    /// the events of these topics are dropped, until the next one continues after the last that was read. Open it before
    /// the client connects, and keep it.
    ///
    /// # Errors
    /// When the client has ended, or is used outside a tokio runtime.
    pub async fn server_subscriptions(&self) -> Result<ServerSideStream, Error> {
        let mailbox = self.mailbox(Overflow::Count);
        let stream = ServerSideStream::new(self.clone(), Arc::clone(&mailbox));
        let (reply, answer) = oneshot::channel();
        self.op(Op::FollowServer { mailbox, reply }).await?;
        answer.await.map_err(|_| task_ended())??;
        Ok(stream)
    }

    fn mailbox(&self, overflow: Overflow) -> Arc<Mailbox> {
        Arc::new(Mailbox::new(self.shared.stream_buffer, overflow, Arc::clone(&self.shared.sweep)))
    }

    /// Subscribes a mailbox. Dropping this future drops the subscription.
    async fn subscribe(
        &self,
        topic: Topic,
        options: SubscribeOptions,
        mailbox: &Arc<Mailbox>,
    ) -> Result<Option<Position>, Error> {
        let (reply, answer) = oneshot::channel();
        let (mailbox, timeout) = (Arc::clone(mailbox), millis(self.shared.timeout));
        self.op(Op::Subscribe { topic, options, timeout, mailbox, reply }).await?;
        answer.await.map_err(|_| task_ended())?
    }

    /// Makes a call that is answered by a message.
    async fn perform(&self, call: Call, timeout: Option<Duration>) -> Result<ServerMessage, Error> {
        match self.ticket(call, timeout).await? {
            Some(answer) => Ok(answer.message()),
            None => Err(Error::new(ErrorKind::Connection("there was no answer".to_owned()), Outcome::Unknown)),
        }
    }

    /// Makes any call, and waits for its end.
    async fn ticket(&self, call: Call, timeout: Option<Duration>) -> Result<Option<Frame>, Error> {
        let (reply, answer) = oneshot::channel();
        let timeout = millis(timeout.unwrap_or(self.shared.timeout));
        self.op(Op::Call { call, timeout, reply }).await?;
        answer.await.map_err(|_| task_ended().with_outcome(Outcome::Unknown))?
    }

    /// Sends a request to the task, which the first use starts.
    async fn op(&self, op: Op) -> Result<(), Error> {
        self.start()?;
        self.shared.ops.send(op).await.map_err(|_| task_ended())
    }

    fn start(&self) -> Result<(), Error> {
        let mut unstarted = self.shared.unstarted.lock();
        if unstarted.is_some() && tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::new(ErrorKind::Runtime, Outcome::NotSent));
        }
        if let Some(driver) = unstarted.take() {
            #[expect(
                clippy::disallowed_methods,
                reason = "the client's one task: it ends when the last handle drops the sender that it receives from"
            )]
            tokio::spawn(driver::run(driver));
        }
        Ok(())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &*self.shared.state.borrow()).finish_non_exhaustive()
    }
}

fn task_ended() -> Error {
    Error::closed(CloseCode::NORMAL, "the client's task has ended")
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
