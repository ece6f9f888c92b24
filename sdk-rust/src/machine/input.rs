//! What drives the machine: events of connections, answers of the token provider, the clock, and the app's commands.

use std::fmt;

use realtime_gateway_protocol::{ClanId, CloseCode, DeviceId, NotificationId};

use super::{Draft, Publication};
use crate::{Error, Position, Topic};

/// A point in time in milliseconds, of any clock that never goes back.
pub type Millis = u64;

/// Names one attempt to connect, and the connection that came of it. Rises with each attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub(crate) u64);

impl Attempt {
    /// The number, from 1.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a stream; chosen by the driver and never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// Names a command that will be resolved; chosen by the driver and never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Within which bounds the machine waits before it tries again. What the gateway asks for may be longer.
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
    /// The provider failed, for this reason; it is asked again.
    Failed(String),
    /// The provider says that the user is signed out, for this reason: nothing more is tried.
    SignedOut(String),
}

/// What the machine is made with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Random numbers: they name this instance among all clients, and spread its retries.
    pub seed: [u64; 2],
    /// Names the device, when the app gave a name.
    pub device_id: Option<DeviceId>,
    /// The library's name, told to the gateway.
    pub client_name: String,
    /// The library's version, told to the gateway.
    pub client_version: String,
    /// When to try again after trouble.
    pub reconnection: Reconnection,
}

/// Something that happened.
pub enum Input<'a> {
    /// Connect now rather than at the first command.
    Connect,
    /// Begin again where something else than the app has stopped the client.
    Resume,
    /// The connection is open.
    Opened(Attempt),
    /// A text frame came.
    Frame(Attempt, &'a str),
    /// Something else came (a WebSocket ping or pong), which shows that the connection lives.
    Heard(Attempt),
    /// The connection ended.
    Closed(Attempt, CloseCode),
    /// The connection could not be opened.
    OpenFailed(Attempt, OpenFailure),
    /// The token provider answered: a token, or what went wrong.
    Token(Result<String, TokenFailure>),
    /// The device woke up or has a network again: what waits is tried at once, and what is silent is looked into.
    Woken,
    /// Time has passed (see [`Machine::deadline`](super::Machine::deadline)).
    Tick,
    /// The app wants something.
    Command(Command),
}

/// Why a connection could not be opened.
#[derive(Debug, Clone, Default)]
pub struct OpenFailure {
    /// What went wrong, for people.
    pub message: String,
    /// The HTTP status that refused the upgrade.
    pub status: Option<u16>,
    /// When the gateway said to try again, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// What a new stream asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// Go on after this position.
    pub from: Option<Position>,
    /// Begin with the last so many entries, 0 to 100.
    pub history: Option<u32>,
    /// Be told who comes and goes (clan chat only).
    pub presence: bool,
}

/// What the app wants.
pub enum Command {
    /// A new stream of a topic. Answered by [`Action::Subscribed`](super::Action::Subscribed).
    Subscribe {
        /// The new stream.
        stream: StreamId,
        /// Of what.
        topic: Topic,
        /// From where.
        options: SubscribeOptions,
        /// When to give up, in milliseconds from now.
        timeout: Millis,
    },
    /// A new stream of every message that arrives.
    Watch(StreamId),
    /// A stream is no longer wanted.
    Drop(StreamId),
    /// A stream of notifications could not take this one: it is delivered again after [`Command::Drained`].
    Missed(StreamId, NotificationId),
    /// A stream that missed notifications has room again.
    Drained(StreamId),
    /// Publishes something. The machine names it where the app has not.
    Send {
        /// Resolved with `message_sent`.
        ticket: Ticket,
        /// What.
        publication: Publication,
        /// When to give up, in milliseconds from now.
        timeout: Millis,
    },
    /// The user types, or stopped typing.
    Typing(ClanId, bool),
    /// Acknowledges notifications.
    Ack {
        /// Resolved with `ack_confirmed`.
        ticket: Ticket,
        /// Which; any number.
        ids: Vec<NotificationId>,
        /// When to tell the app that no answer came, in milliseconds from now. It is repeated all the same.
        timeout: Millis,
    },
    /// A question (`chat_history`, `presence`), which is safe to repeat.
    Query {
        /// Resolved with the answer.
        ticket: Ticket,
        /// The question.
        question: Draft,
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
    /// End for good.
    Close,
}

impl Command {
    /// The ticket of a call, which will be resolved.
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

/// What the app's `closed()` and every later call are told after [`Command::Close`].
pub(crate) fn closed_by_app() -> Error {
    Error::closed(CloseCode::NORMAL, "closed by the app")
}
