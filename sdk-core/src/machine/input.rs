//! The inputs of the machine: connection events, tokens, time, and the app's commands.

use std::fmt;

use realtime_gateway_protocol::{ClanId, CloseCode, DeviceId, NotificationId};

use super::{Draft, Publication, received::MOST};
use crate::{Error, Position, Topic};

/// A point in time in milliseconds, of any clock that never runs backwards.
pub type Millis = u64;

/// The number of one attempt to connect, and of the connection that it opened. Rises with each attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub(crate) u64);

impl Attempt {
    /// Returns the number, from 1.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a stream, chosen by the driver and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// The number of a command with a result, chosen by the driver and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The bounds of the wait before another attempt. The gateway may request a longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnection {
    /// The shortest wait, in milliseconds; 0 by default.
    pub min: Millis,
    /// The longest wait, in milliseconds; 30,000 by default. At least `min`.
    pub max: Millis,
}

impl Default for Reconnection {
    fn default() -> Self {
        Self { min: 0, max: 30_000 }
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenFailure {
    /// The provider failed for this reason. It is called again.
    Failed(String),
    /// The user is signed out, for this reason. The client makes no further attempt.
    SignedOut(String),
}

/// The configuration of a machine.
#[derive(Debug, Clone)]
pub struct Config {
    /// Random bits. They identify this instance among all clients and spread its retries.
    pub seed: [u64; 2],
    /// The device, if the app named it.
    pub device_id: Option<DeviceId>,
    /// The library's name, sent to the gateway.
    pub client_name: String,
    /// The library's version, sent to the gateway.
    pub client_version: String,
    /// The bounds of the wait before another attempt.
    pub reconnection: Reconnection,
}

/// An event that the driver reports.
pub enum Input<'a> {
    /// Connect now instead of at the first command.
    Connect,
    /// Start again after something other than the app has stopped the client.
    Resume,
    /// The connection is open.
    Opened(Attempt),
    /// A text frame arrived.
    Frame(Attempt, &'a str),
    /// A WebSocket ping or pong arrived: the connection is alive.
    Activity(Attempt),
    /// The connection ended.
    Closed(Attempt, CloseCode),
    /// The connection could not be opened.
    OpenFailed(Attempt, OpenFailure),
    /// The token provider returned a token or failed.
    Token(Result<String, TokenFailure>),
    /// The device woke up or has a network again: a waiting attempt is made now, and a silent connection is checked.
    Woken,
    /// Time has passed (see [`Machine::deadline`](super::Machine::deadline)).
    Tick,
    /// A command of the app.
    Command(Command),
}

/// Why a connection could not be opened.
#[derive(Debug, Clone, Default)]
pub struct OpenFailure {
    /// A description for people.
    pub message: String,
    /// The HTTP status that refused the upgrade.
    pub status: Option<u16>,
    /// The `Retry-After` header of that response, as it arrived (RFC 9110, section 10.2.3).
    pub retry_after: Option<String>,
}

impl OpenFailure {
    /// Returns the delay of the `Retry-After` header. A date is ignored, because the core has no wall clock; the backoff
    /// applies then.
    pub(super) fn wait(&self) -> Option<Millis> {
        let seconds = self.retry_after.as_ref()?.trim_ascii().parse::<Millis>().ok()?;
        Some(seconds.saturating_mul(1_000).min(MOST))
    }
}

/// The options of a new stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Continue after this position.
    pub from: Option<Position>,
    /// Begin with this many past entries, 0 to 100.
    pub history: Option<u32>,
    /// Include presence events (a clan, or a topic with presence).
    pub presence: bool,
    /// What others see of the user in the topic: JSON, which is not parsed here. The stream that was opened last decides.
    pub presence_data: Option<Box<str>>,
}

/// A command of the app.
pub enum Command {
    /// A new stream of a topic. Answered by [`Action::Subscribed`](super::Action::Subscribed).
    Subscribe {
        /// The new stream.
        stream: StreamId,
        /// The topic.
        topic: Topic,
        /// The options.
        options: SubscribeOptions,
        /// When to give up, in milliseconds from now.
        timeout: Millis,
    },
    /// A new stream of all subscriptions that the server makes, which continues after these positions of an earlier
    /// client. Answered by [`Action::Subscribed`](super::Action::Subscribed).
    FollowServer(StreamId, Vec<(Topic, Position)>),
    /// A new stream of every message that arrives.
    Watch(StreamId),
    /// The app has left a stream.
    Drop(StreamId),
    /// A notification did not fit into a full stream. It is delivered again after [`Command::Drained`].
    Missed(StreamId, NotificationId),
    /// A stream that missed notifications has room again.
    Drained(StreamId),
    /// Publishes a message. The machine adds a `clientMessageId` if the app gave none.
    Send {
        /// Resolved with `message_sent`, or `publish_accepted` in a topic without history.
        ticket: Ticket,
        /// The message.
        publication: Publication,
        /// When to give up, in milliseconds from now.
        timeout: Millis,
    },
    /// The user is typing, or has stopped.
    Typing(ClanId, bool),
    /// Acknowledges notifications.
    Ack {
        /// Resolved with `ack_confirmed`.
        ticket: Ticket,
        /// The ids; any number.
        ids: Vec<NotificationId>,
        /// When to report a timeout to the app, in milliseconds from now. The acknowledgement is repeated nevertheless.
        timeout: Millis,
    },
    /// A query (`chat_history`, `topic_history`, `presence`, `topic_presence`), which is safe to repeat.
    Query {
        /// Resolved with the reply.
        ticket: Ticket,
        /// The command.
        query: Draft,
        /// When to give up, in milliseconds from now.
        timeout: Millis,
    },
    /// Any command, never repeated.
    Request {
        /// Resolved with the reply that echoes its `requestId`.
        ticket: Ticket,
        /// The command.
        command: Draft,
        /// When to give up, in milliseconds from now.
        timeout: Millis,
    },
    /// End the client permanently.
    Close,
}

impl Command {
    /// Returns the ticket that the command will resolve, if it has a result.
    pub(crate) fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Send { ticket, .. }
            | Self::Ack { ticket, .. }
            | Self::Query { ticket, .. }
            | Self::Request { ticket, .. } => Some(*ticket),
            _ => None,
        }
    }
}

/// Returns the error of every call after [`Command::Close`].
pub(crate) fn closed_by_app() -> Error {
    Error::closed(CloseCode::NORMAL, "closed by the app")
}
