//! The client state machine. It does no I/O and reads no clock: a driver gives it inputs and carries out its actions.
//!
//! A driver passes every event to [`Machine::handle`], then carries out the actions that [`Machine::poll`] returns until
//! it returns none, and passes [`Input::Tick`] at [`Machine::deadline`].
//!
//! Handlers are marked `#[inline(never)]`, because the compiler inlines what has one caller, and the JVM does not compile the
//! one function of 20,000 bytes that they would become. `sdk-c/test/module.test.js` finds a function that is too long.

mod acks;
mod action;
mod backoff;
mod buffer;
mod commands;
mod connection;
mod draft;
mod frames;
mod id_set;
mod input;
mod lifecycle;
mod member;
mod pacing;
mod pending;
mod presence_changes;
mod queries;
mod received;
mod seen;
mod sends;
mod server_side;
mod subscription;
mod subscriptions;
mod table;
mod tokens;
mod typing;
mod wire;

use realtime_gateway_protocol::DEFAULT_MAX_MESSAGE_BYTES;

pub use action::Action;
pub use buffer::{Buffer, Overflow, Taken};
pub use draft::{Draft, Publication};
pub use id_set::IdSet;
pub use input::{
    Attempt, Command, Config, Input, Millis, OpenFailure, Reconnection, StreamId, SubscribeOptions, Ticket,
    TokenFailure,
};

use crate::{Error, Frame, State};

use acks::Acks;
use backoff::{Backoff, Random};
use connection::{Connection, Stage};
use pending::PendingCount;
use queries::Queries;
use sends::Sends;
use server_side::ServerSide;
use subscriptions::Subscriptions;
use tokens::Tokens;
use typing::Typing;
use wire::Wire;

/// One client: its connections, and the state that outlives each of them.
pub struct Machine {
    config: Config,
    /// By this id the gateway recognizes connections as successors of one another. See [`Machine::succeed`].
    instance: String,
    now: Millis,
    random: Random,
    wire: Wire,
    /// The app has made a request, so the client connects.
    wanted: bool,
    /// Why the client makes no attempt until the app resumes it.
    paused: Option<Error>,
    /// The app closed the client.
    closed: Option<Error>,
    /// At most the connection in use and its successor, in the order of their attempts.
    connections: Vec<Connection>,
    attempts: u64,
    /// The last attempt that sent a token. It may have replaced the connections before it.
    authenticated: Attempt,
    backoff: Backoff,
    /// The earliest time for the next attempt to connect.
    open_at: Millis,
    /// The gateway did not request the wait until `open_at`, so waking up may end it.
    may_skip_wait: bool,
    /// Why there is no connection, if an attempt has failed.
    last_error: Option<Error>,
    tokens: Tokens,
    subscriptions: Subscriptions,
    server_side: ServerSide,
    watchers: Vec<StreamId>,
    /// Counts once the app subscribes to notifications.
    pending: Option<PendingCount>,
    sends: Sends,
    acks: Acks,
    queries: Queries,
    typing: Typing,
    max_message_bytes: u64,
    state: State<Frame>,
    /// The next attempt that was reported with the state.
    reported_attempt: Option<Millis>,
}

impl Machine {
    /// Makes a client that waits for its first input.
    pub fn new(config: Config) -> Self {
        let [first, second] = config.seed;
        let bounds = config.reconnection;
        Self {
            instance: instance(config.seed),
            random: Random::new(first ^ second.rotate_left(32)),
            config,
            now: 0,
            wire: Wire::default(),
            wanted: false,
            paused: None,
            closed: None,
            connections: Vec::new(),
            attempts: 0,
            authenticated: Attempt(0),
            backoff: Backoff::new(bounds),
            open_at: 0,
            may_skip_wait: false,
            last_error: None,
            tokens: Tokens::new(bounds),
            subscriptions: Subscriptions::default(),
            server_side: ServerSide::default(),
            watchers: Vec::new(),
            pending: None,
            sends: Sends::default(),
            acks: Acks::default(),
            queries: Queries::default(),
            typing: Typing::default(),
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES as u64,
            state: State::Idle,
            reported_attempt: None,
        }
    }

    /// Continues as the instance of another client, which has made at most this many attempts. The gateway then accepts
    /// this client as its successor, and no later attempt of the other one replaces it.
    pub fn succeed(&mut self, instance: String, attempts: u64) {
        self.instance = instance;
        self.attempts = self.attempts.max(attempts);
    }

    /// Handles an input that happened at `now`, of a clock that never runs backwards.
    pub fn handle(&mut self, now: Millis, input: Input<'_>) {
        self.now = self.now.max(now);
        if let Some(error) = self.closed.clone() {
            self.handle_closed(input, &error);
            return;
        }
        match self.paused.clone() {
            Some(error) => self.handle_paused(input, &error),
            None => self.take(input),
        }
        self.advance();
    }

    #[inline(never)]
    fn take(&mut self, input: Input<'_>) {
        match input {
            Input::Connect | Input::Resume => self.wanted = true,
            Input::Opened(attempt) => self.opened(attempt),
            Input::Frame(attempt, text) => self.frame(attempt, text),
            Input::Activity(attempt) => self.activity(attempt),
            Input::Closed(attempt, code) => self.closed(attempt, code),
            Input::OpenFailed(attempt, failure) => self.open_failed(attempt, failure),
            Input::Token(result) => self.token(result),
            Input::Woken => self.woken(),
            Input::Tick => {}
            Input::Command(command) => self.command(command),
        }
    }

    /// Returns the next action.
    pub fn poll(&mut self) -> Option<Action> {
        self.wire.poll()
    }

    /// When [`Input::Tick`] is due, unless another input comes first.
    pub fn deadline(&self) -> Option<Millis> {
        if self.closed.is_some() || !self.wanted {
            return None;
        }
        let live = self.live().map(|connection| connection.attempt);
        let working = live.filter(|_| !self.tokens.expired());
        let pace = working.and(self.live()).and_then(|connection| match &connection.stage {
            Stage::Live { pacer, .. } => Some(pacer.next()),
            _ => None,
        });
        let connections = self.connections.iter().map(Connection::deadline).min();
        let deadlines = [
            connections,
            self.open_deadline(),
            self.subscriptions.deadline(working),
            self.server_side.deadline(working),
            self.sends.deadline(pace),
            self.acks.deadline(working.is_some()),
            self.queries.deadline(pace),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The state that the app sees.
    pub fn state(&self) -> &State<Frame> {
        &self.state
    }

    /// The time of the next attempt to connect, to get a token or to renew the identity, while the client waits for it.
    /// [`Action::State`] comes also when only this has changed.
    pub fn next_attempt(&self) -> Option<Millis> {
        let query = self.tokens.next_request(self.now);
        let at = if self.live().is_some() {
            query.filter(|_| self.tokens.last_error().is_some())
        } else if self.wants_connection() && self.connections.is_empty() {
            let at = match self.tokens.usable(self.now) {
                Some(_) => Some(self.open_at),
                None => query.map(|at| at.max(self.open_at)),
            };
            at.filter(|_| self.last_error.is_some())
        } else {
            None
        };
        at.filter(|at| *at > self.now)
    }

    /// The connection in use: the newest that is live.
    fn live(&self) -> Option<&Connection> {
        self.connections.iter().rev().find(|connection| connection.is_live())
    }

    fn connection(&mut self, attempt: Attempt) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.attempt == attempt)
    }
}

/// The name of an instance: its seed in hexadecimal digits. Composed without formatting code, which a browser would
/// download.
fn instance(seed: [u64; 2]) -> String {
    let bytes = seed.into_iter().flat_map(u64::to_be_bytes);
    let digits = bytes.flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
