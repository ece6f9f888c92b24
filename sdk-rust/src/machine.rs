//! The client without I/O, clock or randomness of its own: inputs go in, actions come out, and any driver can run it.
//!
//! A driver hands every event to [`Machine::handle`], then does what [`Machine::poll`] gives until it gives nothing,
//! and comes back with [`Input::Tick`] at [`Machine::deadline`].

mod acks;
mod action;
mod backoff;
mod buffer;
mod commands;
mod draft;
mod frames;
mod heard;
mod id_set;
mod input;
mod lifecycle;
mod link;
mod member;
mod pacing;
mod queries;
mod seen;
mod sends;
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
use link::{Link, Stage};
use queries::Queries;
use sends::Sends;
use subscriptions::Subscriptions;
use tokens::Tokens;
use typing::Typing;
use wire::Wire;

/// One client: its connections, and all that must outlive each of them.
pub struct Machine {
    config: Config,
    /// Made once, or another's (see `succeed`): by it the gateway knows connections as successors of one another.
    instance: String,
    now: Millis,
    random: Random,
    wire: Wire,
    /// Something was asked of this client, so it wants to be connected.
    wanted: bool,
    /// Why nothing is tried until the app resumes.
    paused: Option<Error>,
    /// The app closed the client.
    closed: Option<Error>,
    /// Rising attempts: at most the connection in use and its successor.
    links: Vec<Link>,
    attempts: u64,
    /// The last attempt that gave the gateway a token, which may have replaced those before it.
    authenticated: Attempt,
    backoff: Backoff,
    /// Not before this a new connection is opened.
    open_at: Millis,
    /// Nobody asked for the wait until then: good news may end it.
    hasty: bool,
    /// Why there is no connection.
    trouble: Option<Error>,
    tokens: Tokens,
    subscriptions: Subscriptions,
    watchers: Vec<StreamId>,
    sends: Sends,
    acks: Acks,
    queries: Queries,
    typing: Typing,
    max_message_bytes: usize,
    state: State<Frame>,
    /// The next attempt that was told together with the state.
    told_attempt: Option<Millis>,
}

impl Machine {
    /// A client that waits for its first input.
    pub fn new(config: Config) -> Self {
        let [first, second] = config.seed;
        let bounds = config.reconnection;
        Self {
            instance: format!("{first:016x}{second:016x}"),
            random: Random::new(first ^ second.rotate_left(32)),
            config,
            now: 0,
            wire: Wire::default(),
            wanted: false,
            paused: None,
            closed: None,
            links: Vec::new(),
            attempts: 0,
            authenticated: Attempt(0),
            backoff: Backoff::new(bounds),
            open_at: 0,
            hasty: false,
            trouble: None,
            tokens: Tokens::new(bounds),
            subscriptions: Subscriptions::default(),
            watchers: Vec::new(),
            sends: Sends::default(),
            acks: Acks::default(),
            queries: Queries::default(),
            typing: Typing::default(),
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            state: State::Idle,
            told_attempt: None,
        }
    }

    /// Goes on as the instance of a client elsewhere, which has made at most so many attempts: the gateway then takes
    /// this one for its successor, and lets nothing that the other still tries replace this one.
    pub fn succeed(&mut self, instance: String, attempts: u64) {
        self.instance = instance;
        self.attempts = self.attempts.max(attempts);
    }

    /// Takes in what happened at `now`, a clock that never goes back.
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

    fn take(&mut self, input: Input<'_>) {
        match input {
            Input::Connect | Input::Resume => self.wanted = true,
            Input::Opened(attempt) => self.opened(attempt),
            Input::Frame(attempt, text) => self.frame(attempt, text),
            Input::Heard(attempt) => self.heard(attempt),
            Input::Closed(attempt, code) => self.closed(attempt, code),
            Input::OpenFailed(attempt, failure) => self.open_failed(attempt, failure),
            Input::Token(result) => self.token(result),
            Input::Woken => self.woken(),
            Input::Tick => {}
            Input::Command(command) => self.command(command),
        }
    }

    /// The next thing to do, if there is one.
    pub fn poll(&mut self) -> Option<Action> {
        self.wire.poll()
    }

    /// When [`Input::Tick`] is due, unless something happens before.
    pub fn deadline(&self) -> Option<Millis> {
        if self.closed.is_some() || !self.wanted {
            return None;
        }
        let live = self.live().map(|link| link.attempt);
        let working = live.filter(|_| !self.tokens.expired());
        let pace = working.and(self.live()).and_then(|link| match &link.stage {
            Stage::Live { pacer, .. } => Some(pacer.next()),
            _ => None,
        });
        let links = self.links.iter().map(Link::deadline).min();
        let rooms = [
            links,
            self.open_deadline(),
            self.subscriptions.deadline(working),
            self.sends.deadline(pace),
            self.acks.deadline(working.is_some()),
            self.queries.deadline(pace),
        ];
        rooms.into_iter().flatten().min()
    }

    /// What the app may know of the connection.
    pub fn state(&self) -> &State<Frame> {
        &self.state
    }

    /// When the next attempt is made to connect, to get a token, or to renew the identity, while one is waited for.
    /// [`Action::State`] comes also when only this has changed.
    pub fn next_attempt(&self) -> Option<Millis> {
        let question = self.tokens.next_question(self.now);
        let at = if self.live().is_some() {
            question.filter(|_| self.tokens.trouble().is_some())
        } else if self.wants_link() && self.links.is_empty() {
            let at = match self.tokens.usable(self.now) {
                Some(_) => Some(self.open_at),
                None => question.map(|at| at.max(self.open_at)),
            };
            at.filter(|_| self.trouble.is_some())
        } else {
            None
        };
        at.filter(|at| *at > self.now)
    }

    /// The connection in use: the newest that is live.
    fn live(&self) -> Option<&Link> {
        self.links.iter().rev().find(|link| link.is_live())
    }

    fn link(&mut self, attempt: Attempt) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.attempt == attempt)
    }
}
