//! The machine, the model and the network between them, in simulated time.

use std::collections::BTreeMap;

use realtime_gateway_sdk_core::machine::{
    Action, Attempt, Command, Config, Input, Machine, OpenFailure, Reconnection, StreamId, SubscribeOptions, Ticket,
    TokenFailure,
};
use realtime_gateway_sdk_core::protocol::*;
use realtime_gateway_sdk_core::{Delivery, Error, Frame, Position, State, Topic};

use crate::model::{LIMITS, Out, Server, TOKEN_LIFE};

/// Something under way.
enum Event {
    Opened(Attempt),
    OpenFailed(Attempt),
    ToServer(Attempt, String),
    ToClient(Attempt, String),
    Closed(Attempt, u16),
    Left(Attempt),
    Token(Result<String, TokenFailure>),
}

#[derive(Default)]
struct Line {
    up: u64,
    down: u64,
    /// Nothing arrives any more, and neither side gets an event.
    dead: bool,
}

/// What a stream was given.
pub(crate) struct StreamLog {
    pub(crate) topic: Topic,
    pub(crate) start: Option<Position>,
    pub(crate) joined: bool,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) ended: Option<Error>,
    pub(crate) dropped: bool,
}

/// What became of a message of the app's.
pub(crate) struct Sent {
    pub(crate) clan: String,
    pub(crate) content: String,
    pub(crate) result: Option<Result<MessageSent, Error>>,
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) machine: Machine,
    pub(crate) server: Server,
    pub(crate) streams: BTreeMap<StreamId, StreamLog>,
    pub(crate) sent: BTreeMap<Ticket, Sent>,
    pub(crate) acks: BTreeMap<Ticket, Option<bool>>,
    pub(crate) state: State<Frame>,
    pub(crate) opens_fail: u32,
    pub(crate) tokens_fail: u32,
    pub(crate) bad_tokens: u32,
    pub(crate) signed_out: bool,
    pub(crate) asked_tokens: u32,
    /// While set, every identity is refused while a session is live.
    pub(crate) session_limit: Option<u64>,
    lines: BTreeMap<Attempt, Line>,
    queue: BTreeMap<(u64, u64), Event>,
    last: u64,
    random: u64,
    bucket: (f64, u64),
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let config = Config {
            seed: [seed, !seed],
            device_id: None,
            client_name: "test".into(),
            client_version: "0".into(),
            reconnection: Reconnection::default(),
        };
        Self {
            now: 1_000,
            machine: Machine::new(config),
            server: Server::default(),
            streams: BTreeMap::new(),
            sent: BTreeMap::new(),
            acks: BTreeMap::new(),
            state: State::Idle,
            opens_fail: 0,
            tokens_fail: 0,
            bad_tokens: 0,
            signed_out: false,
            asked_tokens: 0,
            session_limit: None,
            lines: BTreeMap::new(),
            queue: BTreeMap::new(),
            last: 0,
            random: seed,
            bucket: (f64::from(LIMITS.burst), 0),
        }
    }

    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn put(&mut self, at: u64, event: Event) {
        let last = self.next();
        self.queue.insert((at, last), event);
    }

    pub(crate) fn subscribe(&mut self, topic: Topic, options: SubscribeOptions) -> StreamId {
        let stream = StreamId(self.next());
        let log = StreamLog {
            topic: topic.clone(),
            start: None,
            joined: false,
            deliveries: vec![],
            ended: None,
            dropped: false,
        };
        self.streams.insert(stream, log);
        self.command(Command::Subscribe { stream, topic, options, timeout: 600_000 });
        stream
    }

    pub(crate) fn drop_stream(&mut self, stream: StreamId) {
        if let Some(log) = self.streams.get_mut(&stream) {
            log.dropped = true;
        }
        self.command(Command::Drop(stream));
    }

    pub(crate) fn send(&mut self, clan: &str) -> Ticket {
        let ticket = Ticket(self.next());
        let content = format!("c{}", ticket.0);
        let message = SendChat {
            clan_id: ClanId::new(clan).unwrap(),
            content: ChatContent::new(&content).unwrap(),
            message_type: None,
            data: None,
            client_message_id: None,
        };
        self.sent.insert(ticket, Sent { clan: clan.into(), content, result: None });
        self.command(Command::Send { ticket, publication: message.into(), timeout: 30_000 });
        ticket
    }

    /// Expects the answer to a send that a test makes by itself.
    pub(crate) fn expect(&mut self, ticket: Ticket) {
        self.sent.insert(ticket, Sent { clan: String::new(), content: String::new(), result: None });
    }

    pub(crate) fn ack(&mut self, id: NotificationId) {
        let ticket = Ticket(self.next());
        self.acks.insert(ticket, None);
        self.command(Command::Ack { ticket, ids: vec![id], timeout: 30_000 });
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    /// The connection breaks, for both sides; `code` is the close code that the client gets.
    pub(crate) fn break_connection(&mut self, attempt: Attempt, code: u16) {
        self.server.gone(attempt);
        // Half of what is under way arrives, the rest is lost.
        let lost = self.random(2) == 0;
        self.queue.retain(|_, event| !matches!(event, Event::ToClient(to, _) if *to == attempt && lost));
        let at = self.lines.get(&attempt).map_or(self.now, |line| line.down.max(self.now));
        self.put(at + 1, Event::Closed(attempt, code));
    }

    /// Nothing arrives any more in either direction, and neither side gets an event.
    pub(crate) fn go_dead(&mut self, attempt: Attempt) {
        self.lines.entry(attempt).or_default().dead = true;
        self.server.gone(attempt);
    }

    /// Every connection breaks before anything more arrives.
    pub(crate) fn go_dead_for_client(&mut self, code: u16) {
        self.queue.retain(|_, event| !matches!(event, Event::ToClient(..)));
        for attempt in self.server.live() {
            self.server.gone(attempt);
            self.put(self.now, Event::Closed(attempt, code));
        }
    }

    pub(crate) fn flush_server(&mut self) {
        for (to, out) in std::mem::take(&mut self.server.out) {
            let delay = self.random(40);
            let line = self.lines.entry(to).or_default();
            line.down = line.down.max(self.now + delay);
            let at = line.down;
            match out {
                Out::Frame(text) => self.put(at, Event::ToClient(to, text)),
                Out::Close(code) => self.put(at, Event::Closed(to, code)),
            }
        }
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, millis: u64) {
        let until = self.now + millis;
        let mut immediate = 0;
        loop {
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let timer = self.machine.deadline();
            let Some(at) = event.into_iter().chain(timer).min().filter(|at| *at <= until) else { break };
            immediate = if at <= self.now { immediate + 1 } else { 0 };
            assert!(immediate < 10_000, "the machine has the same deadline again and again");
            self.now = self.now.max(at);
            self.server.tick(self.now);
            self.flush_server();
            if event == Some(at) {
                let ((_, _), event) = self.queue.pop_first().unwrap();
                self.happen(event);
            } else {
                self.input(Input::Tick);
                assert!(self.machine.deadline().is_none_or(|next| next > self.now), "a tick leaves nothing undone");
            }
        }
        self.now = until;
    }

    fn happen(&mut self, event: Event) {
        let alive = |world: &Self, attempt: &Attempt| world.lines.get(attempt).is_some_and(|line| !line.dead);
        match event {
            Event::Opened(attempt) => {
                self.server.opened(attempt);
                self.input(Input::Opened(attempt));
            }
            Event::OpenFailed(attempt) => {
                let message = "refused".to_owned();
                self.input(Input::OpenFailed(attempt, OpenFailure { message, ..OpenFailure::default() }));
            }
            Event::ToServer(from, text) => {
                if let (true, Some(retry_after)) = (text.starts_with(r#"{"type":"authenticate""#), self.session_limit) {
                    self.server.refuse_session(from, retry_after);
                    self.flush_server();
                } else if alive(self, &from) {
                    self.server.receive(from, &text);
                    self.flush_server();
                }
            }
            Event::ToClient(to, text) => {
                if alive(self, &to) {
                    self.input(Input::Frame(to, &text));
                }
            }
            Event::Closed(attempt, code) => {
                if alive(self, &attempt) {
                    self.input(Input::Closed(attempt, CloseCode(code)));
                }
            }
            Event::Left(attempt) => self.server.gone(attempt),
            Event::Token(result) => self.input(Input::Token(result)),
        }
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.machine.handle(self.now, input);
        while let Some(action) = self.machine.poll() {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Open(attempt) => {
                self.lines.insert(attempt, Line::default());
                let at = self.now + 1 + self.random(50);
                if self.opens_fail > 0 {
                    self.opens_fail -= 1;
                    self.put(at, Event::OpenFailed(attempt));
                } else {
                    self.put(at, Event::Opened(attempt));
                }
            }
            Action::SendFrame(attempt, text) => {
                self.check_pace(&text);
                let delay = self.random(40);
                let line = self.lines.get_mut(&attempt).expect("frames go to connections that were opened");
                line.up = line.up.max(self.now + delay);
                let at = line.up;
                self.put(at, Event::ToServer(attempt, text));
            }
            Action::Close(attempt, _) => {
                let at = self.lines.get(&attempt).map_or(self.now, |line| line.up.max(self.now));
                self.put(at, Event::Left(attempt));
            }
            Action::RequestToken => {
                self.asked_tokens += 1;
                let at = self.now + self.random(200);
                let result = if self.signed_out {
                    Err(TokenFailure::SignedOut("signed out".to_owned()))
                } else if self.tokens_fail > 0 {
                    self.tokens_fail -= 1;
                    Err(TokenFailure::Failed("the provider is away".to_owned()))
                } else if self.bad_tokens > 0 {
                    self.bad_tokens -= 1;
                    Ok("0".to_owned())
                } else {
                    Ok((at + TOKEN_LIFE).to_string())
                };
                self.put(at, Event::Token(result));
            }
            Action::Subscribed(stream, result) => {
                let log = self.streams.get_mut(&stream).unwrap();
                assert!(!log.joined && log.ended.is_none(), "a subscription is answered once");
                match result {
                    Ok(position) => (log.joined, log.start) = (true, position),
                    Err(error) => log.ended = Some(error),
                }
            }
            Action::Deliver(stream, delivery) => {
                let log = self.streams.get_mut(&stream).unwrap();
                assert!(log.joined && !log.dropped && log.ended.is_none(), "only a living stream is given anything");
                log.deliveries.push(delivery);
            }
            Action::Ended(stream, error) => self.streams.get_mut(&stream).unwrap().ended = Some(error),
            Action::Resolve(ticket, result) => {
                if let Some(sent) = self.sent.get_mut(&ticket) {
                    assert!(sent.result.is_none(), "a send is answered once");
                    sent.result =
                        Some(result.map(|answer| match answer.expect("a send is answered by a message").message() {
                            ServerMessage::MessageSent(sent) => sent,
                            other => panic!("{}", other.type_name()),
                        }));
                } else {
                    let ack = self.acks.get_mut(&ticket).unwrap();
                    assert!(ack.is_none(), "an acknowledgement is answered once");
                    *ack = Some(result.is_ok());
                }
            }
            Action::Pending(_) | Action::Acknowledged(_) => {}
            Action::State(state) => self.state = state,
        }
    }

    /// Holds the machine to the limits of the greeting, by a bucket of its own.
    fn check_pace(&mut self, text: &str) {
        let (level, at) = self.bucket;
        let per_milli = f64::from(LIMITS.messages_per_second) / 1_000.0;
        let filled = (level + (self.now - at) as f64 * per_milli).min(f64::from(LIMITS.burst));
        let paced = text.starts_with(r#"{"type":"chat""#) || text.starts_with(r#"{"type":"presence""#);
        // A new session has a full bucket.
        let fresh = text.starts_with(r#"{"type":"authenticate""#);
        let level = if fresh { f64::from(LIMITS.burst) } else { filled - if paced { 1.0 } else { 0.0 } };
        assert!(level >= -0.001, "the machine keeps within the limits");
        self.bucket = (level, self.now);
    }
}
