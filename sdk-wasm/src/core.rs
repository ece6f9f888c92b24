//! The machine and the app's streams behind functions of numbers and strings: all that JavaScript sees.

use realtime_gateway_sdk::{
    Error, ErrorKind, Event, Outcome, State, Topic,
    machine::{Action, Attempt, Command, Draft, Input, Machine, Millis, OpenFailure, StreamId, Ticket, TokenFailure},
    protocol::CloseCode,
};

use crate::{
    input::{self, Config},
    output::{self, Orders},
    pending::Pending,
    streams::{Streams, Wished},
};

/// The stream of everything, by which pending notifications are counted. The app's streams count from 1.
const WATCHER: StreamId = StreamId(0);

/// One client. What it wants done comes back as a JSON list of orders.
pub struct Core {
    machine: Machine,
    now: Millis,
    attempts: Vec<Attempt>,
    streams: Streams,
    /// Counts once the app subscribes to notifications.
    pending: Option<Pending>,
    /// There was a connection or trouble before, so that the next attempt is a repeated one.
    before: bool,
}

impl Core {
    /// Makes a client that waits for its first input.
    ///
    /// # Errors
    /// What is wrong with the configuration, for people.
    pub fn new(config: &str) -> Result<Core, String> {
        let config = Config::read(config)?;
        Ok(Self {
            machine: Machine::new(config.machine()),
            now: 0,
            attempts: Vec::new(),
            streams: Streams::default(),
            pending: None,
            before: false,
        })
    }

    /// Speaks for several clients from now on, as the successor of one elsewhere that has made at most so many
    /// attempts; `before` says whether they had a connection or trouble already.
    pub fn succeed(&mut self, instance: &str, attempts: f64, before: bool) -> String {
        self.machine.succeed(instance.to_owned(), number(attempts));
        self.before |= before;
        Orders::default().text()
    }

    /// Connects now rather than at the first command.
    pub fn connect(&mut self, now: f64) -> String {
        self.tell(now, Input::Connect)
    }

    /// A connection is open.
    pub fn opened(&mut self, now: f64, attempt: f64) -> String {
        match self.attempt(attempt) {
            Some(attempt) => self.tell(now, Input::Opened(attempt)),
            None => Orders::default().text(),
        }
    }

    /// A text frame came.
    pub fn frame(&mut self, now: f64, attempt: f64, frame: &str) -> String {
        match self.attempt(attempt) {
            Some(attempt) => self.tell(now, Input::Frame(attempt, frame)),
            None => Orders::default().text(),
        }
    }

    /// A connection ended.
    pub fn closed(&mut self, now: f64, attempt: f64, code: u16) -> String {
        match self.attempt(attempt) {
            Some(attempt) => self.tell(now, Input::Closed(attempt, CloseCode(code))),
            None => Orders::default().text(),
        }
    }

    /// A connection could not be opened.
    pub fn open_failed(&mut self, now: f64, attempt: f64, message: String) -> String {
        let failure = OpenFailure { message, ..OpenFailure::default() };
        match self.attempt(attempt) {
            Some(attempt) => self.tell(now, Input::OpenFailed(attempt, failure)),
            None => Orders::default().text(),
        }
    }

    /// The token provider gave a token.
    pub fn token(&mut self, now: f64, token: String) -> String {
        self.tell(now, Input::Token(Ok(token)))
    }

    /// The token provider failed, or says that the user is signed out.
    pub fn token_failed(&mut self, now: f64, problem: String, signed_out: bool) -> String {
        let failure = if signed_out { TokenFailure::SignedOut } else { TokenFailure::Failed };
        self.tell(now, Input::Token(Err(failure(problem))))
    }

    /// The device woke up or has a network again.
    pub fn woken(&mut self, now: f64) -> String {
        self.tell(now, Input::Woken)
    }

    /// The deadline has come.
    pub fn tick(&mut self, now: f64) -> String {
        self.tell(now, Input::Tick)
    }

    /// The client ends for good.
    pub fn close(&mut self, now: f64) -> String {
        self.tell(now, Input::Command(Command::Close))
    }

    /// Begins a call, given as the command that it comes down to; it ends with a `resolve` of this ticket.
    pub fn call(&mut self, now: f64, ticket: f64, timeout: f64, type_name: &str, fields: &str) -> String {
        match input::call(type_name, fields, number(ticket), number(timeout)) {
            Ok(command) => self.tell(now, Input::Command(command)),
            Err(problem) => refused(ticket, problem),
        }
    }

    /// Begins a call that is any command; it is never repeated.
    pub fn request(&mut self, now: f64, ticket: f64, timeout: f64, type_name: &str, fields: &str) -> String {
        match Draft::any(type_name, fields) {
            Ok(command) => {
                let (ticket, timeout) = (Ticket(number(ticket)), number(timeout));
                self.tell(now, Input::Command(Command::Request { ticket, command, timeout }))
            }
            Err(problem) => refused(ticket, problem.to_string()),
        }
    }

    /// Begins a stream that buffers so many deliveries, given as the command that subscribes to it; answered by
    /// `subscribed`.
    pub fn subscribe(
        &mut self,
        now: f64,
        stream: f64,
        timeout: f64,
        buffer: f64,
        type_name: &str,
        fields: &str,
    ) -> String {
        self.now = self.now.max(number(now));
        let (name, mut orders) = (number(stream), Orders::default());
        let (topic, options) = match input::subscription(type_name, fields) {
            Ok(wish) => wish,
            Err(problem) => {
                orders.subscribed(name, Err(&invalid(problem)));
                return orders.text();
            }
        };
        if topic == Topic::Notifications && self.pending.is_none() {
            self.pending = Some(Pending::default());
            self.step(Input::Command(Command::Watch(WATCHER)), &mut orders);
        }
        let buffer = usize::try_from(number(buffer)).unwrap_or(usize::MAX);
        match self.streams.wish(name, &topic, &options, buffer) {
            Wished::New => {
                let (stream, timeout) = (StreamId(name), number(timeout));
                self.step(Input::Command(Command::Subscribe { stream, topic, options, timeout }), &mut orders);
            }
            Wished::Waiting => {}
            Wished::Joined(position) => {
                orders.subscribed(name, Ok(position.as_ref()));
                orders.ready(name);
            }
        }
        orders.text()
    }

    /// The app let a stream go.
    pub fn leave(&mut self, now: f64, stream: f64) -> String {
        self.now = self.now.max(number(now));
        self.streams.leave(number(stream), self.now);
        Orders::default().text()
    }

    /// A stream that missed notifications has room again.
    pub fn drained(&mut self, now: f64, stream: f64) -> String {
        match self.streams.drained(number(stream)) {
            Some(id) => self.tell(now, Input::Command(Command::Drained(id))),
            None => Orders::default().text(),
        }
    }

    /// The next thing of a stream, as JSON; empty when there is nothing yet.
    pub fn take(&mut self, stream: f64) -> String {
        self.streams
            .take(number(stream))
            .map_or_else(String::new, |(delivery, drained)| output::item(&delivery, drained))
    }

    /// When a `tick` is due, unless something happens before; negative for never.
    pub fn deadline(&self) -> f64 {
        let rooms = [self.machine.deadline(), self.streams.deadline()];
        // Far deadlines lose digits, which nobody will miss.
        rooms.into_iter().flatten().min().map_or(-1.0, |at| at as f64)
    }

    fn attempt(&self, number: f64) -> Option<Attempt> {
        self.attempts.iter().copied().find(|attempt| attempt.number() == self::number(number))
    }

    /// Gives the machine an input, and gives back what it wants done.
    fn tell(&mut self, now: f64, input: Input<'_>) -> String {
        self.now = self.now.max(number(now));
        let mut orders = Orders::default();
        self.step(input, &mut orders);
        for id in self.streams.overdue(self.now) {
            self.step(Input::Command(Command::Drop(id)), &mut orders);
        }
        orders.text()
    }

    fn step(&mut self, input: Input<'_>, orders: &mut Orders) {
        self.machine.handle(self.now, input);
        while let Some(action) = self.machine.poll() {
            if let Some(command) = self.act(action, orders) {
                self.machine.handle(self.now, Input::Command(command));
            }
        }
    }

    /// Turns an action into an order; returns what the machine must hear of at once.
    fn act(&mut self, action: Action, orders: &mut Orders) -> Option<Command> {
        match action {
            Action::Open(attempt) => {
                // At most the connection in use and its successor; those that failed without a word are in nobody's way.
                self.attempts.retain(|old| old.number() + 4 > attempt.number());
                self.attempts.push(attempt);
                orders.open(attempt);
            }
            Action::SendFrame(attempt, text) => orders.send(attempt, &text),
            Action::Close(attempt, code) => {
                self.attempts.retain(|open| *open != attempt);
                orders.shut(attempt, code);
            }
            Action::AskToken => orders.ask_token(),
            Action::Subscribed(id, Ok(position)) => {
                if let Some(stream) = self.streams.joined(id, position.clone()) {
                    orders.subscribed(stream, Ok(position.as_ref()));
                }
            }
            Action::Subscribed(id, Err(error)) => {
                if let Some(stream) = self.streams.remove(id) {
                    orders.subscribed(stream, Err(&error));
                }
            }
            Action::Deliver(WATCHER, delivery) => {
                if let (Event::Message(frame), Some(pending)) = (&delivery.event, &mut self.pending) {
                    let changes = pending.receive(frame.text());
                    if let Some(count) = changes.count {
                        orders.pending(count);
                    }
                    if !changes.acknowledged.is_empty() {
                        orders.acknowledged(&changes.acknowledged);
                    }
                }
            }
            Action::Deliver(id, delivery) => {
                let frame = match &delivery.event {
                    Event::Message(frame) => Some(frame.clone()),
                    Event::Gap(_) => None,
                };
                let (ready, missed) = self.streams.push(id, delivery);
                if let Some(stream) = ready {
                    orders.ready(stream);
                }
                let missed = frame.filter(|_| missed)?;
                return missed.notification_id().map(|notification| Command::Missed(id, notification));
            }
            // What is still in its buffer can be taken; the driver lets it go after that.
            Action::Ended(id, error) => {
                if let Some(stream) = self.streams.ended(id) {
                    orders.ended(stream, &error);
                }
            }
            Action::Resolve(ticket, result) => orders.resolve(ticket, result.as_ref().map(Option::as_ref)),
            Action::State(state) => {
                orders.state(&state, self.before, self.machine.next_attempt());
                self.before |= state.is_connected() || matches!(state, State::Waiting(Some(_)));
            }
        }
        None
    }
}

fn invalid(problem: String) -> Error {
    Error::new(ErrorKind::Invalid(problem), Outcome::NotSent)
}

/// The largest whole number that JavaScript's numbers count to.
const MOST: f64 = 9_007_199_254_740_991.0;

/// A number of JavaScript's, which has no other kind; infinity is as long as there is. It is brought within bounds
/// before the cast: where the WebAssembly is turned into JavaScript, casting does not do that.
fn number(value: f64) -> u64 {
    if value > 0.0 { value.min(MOST) as u64 } else { 0 }
}

/// The answer to a call that is not one.
fn refused(ticket: f64, problem: String) -> String {
    let mut orders = Orders::default();
    orders.resolve(Ticket(number(ticket)), Err(&invalid(problem)));
    orders.text()
}
