//! The interface for drivers in other languages: messages go in, messages come out, and stream items are pulled.
//!
//! A message is a head (a JSON object and LF) and a body of as many bytes as the head's `body` says. Frames, stream items
//! and command fields are bodies, so they are never escaped. `docs/sdk-core.md` lists the messages.

mod commands;
mod config;
mod error;
mod input;
mod output;
mod streams;

use realtime_gateway_protocol::{CloseCode, MAX_OFFSET};

use crate::{
    Error, ErrorKind, Event, Outcome, State,
    machine::{Action, Attempt, Command, Draft, Input, Machine, Millis, OpenFailure, StreamId, Ticket, TokenFailure},
};
pub use input::InputError;
pub(crate) use input::Message;
use output::Output;
use streams::{Joined, Streams};

/// One client, driven by messages. Its output depends on its configuration and its inputs alone.
pub struct Client {
    machine: Machine,
    now: Millis,
    streams: Streams,
    /// Whether there was a connection or an error before, so that the next attempt is a reconnection.
    reconnects: bool,
    /// Calls that an earlier client may have carried out.
    doubtful: Vec<Ticket>,
    /// Streams whose reader has caught up, which has not been reported to the machine yet.
    drained: Vec<StreamId>,
}

impl Client {
    /// Creates a client.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the configuration.
    pub fn open(config: &str) -> Result<Self, String> {
        Ok(Self {
            machine: Machine::new(config::read(config)?),
            now: 0,
            streams: Streams::default(),
            reconnects: false,
            doubtful: Vec::new(),
            drained: Vec::new(),
        })
    }

    /// Handles one message of the driver at `now`, in milliseconds of a clock that never runs backwards and is at most
    /// 2^53 - 1. Returns the messages for the driver, one after the other.
    ///
    /// # Errors
    /// [`InputError`] if the input is not a message of this interface. The input has no effect then.
    pub fn handle(&mut self, now: Millis, input: &str) -> Result<String, InputError> {
        let message = Message::read(input)?;
        // A later time would overflow where a wait is added.
        self.now = self.now.max(now.min(MAX_OFFSET));
        let mut output = Output::default();
        self.dispatch(&message, &mut output)?;
        for stream in std::mem::take(&mut self.drained) {
            self.step(Input::Command(Command::Drained(stream)), &mut output);
        }
        for stream in self.streams.take_expired(self.now) {
            self.step(Input::Command(Command::Drop(stream)), &mut output);
        }
        Ok(output.into_text())
    }

    /// Returns the next item of a stream as a message, or an empty text if there is none.
    pub fn take(&mut self, stream: u64) -> String {
        let Some((taken, drained)) = self.streams.take(stream) else { return String::new() };
        self.drained.extend(drained);
        output::item(&taken, drained.is_some())
    }

    /// Returns when the driver has to send `tick`, unless it sends another input before.
    pub fn deadline(&self) -> Option<Millis> {
        let drained = (!self.drained.is_empty()).then_some(self.now);
        let deadlines = [drained, self.machine.deadline(), self.streams.deadline()];
        deadlines.into_iter().flatten().min()
    }

    #[inline(never)]
    fn dispatch(&mut self, message: &Message<'_>, output: &mut Output) -> Result<(), InputError> {
        let connection = Attempt(message.number("connection"));
        let input = match message.type_name() {
            "connect" => Input::Connect,
            "resume" => Input::Resume,
            "opened" => Input::Opened(connection),
            "frame" => Input::Frame(connection, message.body()),
            "activity" => Input::Activity(connection),
            "closed" => Input::Closed(connection, CloseCode(message.small("code"))),
            "open_failed" => Input::OpenFailed(connection, open_failure(message)),
            "token" => Input::Token(Ok(message.text("token"))),
            "token_failed" if message.flag("signedOut") => {
                Input::Token(Err(TokenFailure::SignedOut(message.text("message"))))
            }
            "token_failed" => Input::Token(Err(TokenFailure::Failed(message.text("message")))),
            "woken" => Input::Woken,
            "tick" => Input::Tick,
            "close" => Input::Command(Command::Close),
            "call" | "request" => {
                self.call(message, output);
                return Ok(());
            }
            "subscribe" => {
                self.subscribe(message, output);
                return Ok(());
            }
            "leave" => {
                self.streams.leave(message.number("stream"), self.now);
                return Ok(());
            }
            "succeed" => {
                self.machine.succeed(message.text("instance"), message.number("connections"));
                self.reconnects |= message.flag("reconnects");
                return Ok(());
            }
            _ => return Err(InputError::UnknownType),
        };
        self.step(input, output);
        Ok(())
    }

    /// Handles a command of the app. A `call` is repeated if that is safe. A `request` may be any command and is never
    /// repeated. A command marked `doubtful` may have been executed for an earlier client already, so its failure does not
    /// prove that it was not executed.
    #[inline(never)]
    fn call(&mut self, message: &Message<'_>, output: &mut Output) {
        let (ticket, timeout) = (Ticket(message.number("call")), message.timeout());
        if message.flag("doubtful") {
            if message.type_name() == "request" {
                return output.result(ticket, Err(&Error::new(ErrorKind::Disconnected, Outcome::Unknown)));
            }
            self.doubtful.push(ticket);
        }
        let (type_name, fields) = (message.text("command"), message.body());
        let command = if message.type_name() == "request" {
            Draft::any(&type_name, fields)
                .map(|command| Command::Request { ticket, command, timeout })
                .map_err(commands::problem)
        } else {
            commands::call(&type_name, fields, ticket, timeout)
        };
        match command {
            Ok(command) => self.step(Input::Command(command), output),
            Err(problem) => output.result(ticket, Err(&Error::invalid(problem))),
        }
    }

    #[inline(never)]
    fn subscribe(&mut self, message: &Message<'_>, output: &mut Output) {
        let stream = message.number("stream");
        if message.text("command") == "server_subscriptions" {
            self.streams.follow_server(stream, message.buffer());
            let from = commands::positions(message.body());
            return self.step(Input::Command(Command::FollowServer(StreamId(stream), from)), output);
        }
        let (topic, mut options) = match commands::subscription(&message.text("command"), message.body()) {
            Ok(subscription) => subscription,
            Err(problem) => return output.subscribed(stream, Err(&Error::invalid(problem))),
        };
        // The stream continues from the position that the app has read with an earlier client.
        if let Some(position) = message.position() {
            (options.from, options.history) = (Some(position), None);
        }
        match self.streams.join(stream, &topic, &options, message.buffer()) {
            Joined::New => {
                let (stream, timeout) = (StreamId(stream), message.timeout());
                self.step(Input::Command(Command::Subscribe { stream, topic, options, timeout }), output);
            }
            Joined::Unconfirmed => {}
            Joined::Confirmed(position) => {
                output.subscribed(stream, Ok(position.as_ref()));
                output.ready(stream);
            }
        }
    }

    fn step(&mut self, input: Input<'_>, output: &mut Output) {
        self.machine.handle(self.now, input);
        while let Some(action) = self.machine.poll() {
            if let Some(command) = self.act(action, output) {
                self.machine.handle(self.now, Input::Command(command));
            }
        }
    }

    /// Writes an action to the output. Returns a command that has to be passed to the machine immediately.
    #[inline(never)]
    fn act(&mut self, action: Action, output: &mut Output) -> Option<Command> {
        match action {
            Action::Open(attempt) => output.open(attempt),
            Action::SendFrame(attempt, text) => output.send(attempt, &text),
            Action::Close(attempt, code) => output.close(attempt, code),
            Action::RequestToken => output.request_token(),
            Action::Subscribed(id, Ok(position)) => {
                if let Some(stream) = self.streams.confirmed(id, position.clone()) {
                    output.subscribed(stream, Ok(position.as_ref()));
                }
            }
            Action::Subscribed(id, Err(error)) => {
                if let Some(stream) = self.streams.remove(id) {
                    output.subscribed(stream, Err(&error));
                }
            }
            Action::Deliver(id, delivery) => {
                let frame = match &delivery.event {
                    Event::Message(frame) => Some(frame.clone()),
                    Event::Gap(_) | Event::TopicGap(..) => None,
                };
                let (ready, missed) = self.streams.push(id, delivery);
                if let Some(stream) = ready {
                    output.ready(stream);
                }
                let missed = frame.filter(|_| missed)?;
                return missed.notification_id().map(|notification| Command::Missed(id, notification));
            }
            // The driver can still take the items in the buffer, and leaves the stream after them.
            Action::Ended(id, error) => {
                if let Some(stream) = self.streams.ended(id) {
                    output.ended(stream, &error);
                }
            }
            Action::Resolve(ticket, mut result) => {
                if let Some(at) = self.doubtful.iter().position(|other| *other == ticket) {
                    self.doubtful.swap_remove(at);
                    result = result.map_err(|error| error.with_outcome(Outcome::Unknown));
                }
                output.result(ticket, result.as_ref().map(Option::as_ref));
            }
            Action::Pending(count) => output.pending(count),
            Action::Acknowledged(ids) => output.acknowledged(&ids),
            Action::State(state) => {
                output.state(&state, self.reconnects, self.machine.next_attempt());
                self.reconnects |= state.is_connected() || matches!(state, State::Waiting(Some(_)));
            }
        }
        None
    }
}

fn open_failure(message: &Message<'_>) -> OpenFailure {
    OpenFailure {
        message: message.text("message"),
        status: Some(message.small("status")).filter(|status| *status != 0),
        retry_after: Some(message.text("retryAfter")).filter(|header| !header.is_empty()),
    }
}
