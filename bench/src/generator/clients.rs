//! The connections of a load on one epoll instance: opens them, subscribes them, and handles what the server sends.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::event::{
    Timespec,
    epoll::{self, CreateFlags, Event, EventData, EventFlags},
};

use super::{
    Layout, Target,
    accounts::Accounts,
    connection::{Connection, Received, Role, State},
    dialect::{Dialect, Reply},
    mark::MarkFinder,
    publishing::topic_name,
    transport::Transport,
};
use crate::frames::{CLOSE, PING, PONG, TEXT};

/// The longest time between two looks at the clock.
pub(super) const TICK: Duration = Duration::from_millis(5);
/// The number of events that are taken from the kernel together.
const EVENTS: usize = 512;
/// The size of the buffer that all sockets are read with.
const BUFFER: usize = 256 * 1024;

/// The connections of a load.
pub(super) struct Clients<'a> {
    layout: Layout,
    target: &'a Target,
    started: Instant,
    epoll: OwnedFd,
    events: Vec<Event>,
    buffer: Vec<u8>,
    finder: MarkFinder,
    /// First the subscribers, then the publishers.
    connections: Vec<Connection>,
    /// How many have reached [`State::Ready`].
    ready: u32,
    /// What has been delivered to them.
    pub(super) accounts: Accounts,
}

impl<'a> Clients<'a> {
    /// Begins without connections.
    pub(super) fn new(layout: Layout, target: &'a Target, accounts: Accounts) -> Self {
        Self {
            layout,
            target,
            started: Instant::now(),
            epoll: epoll::create(CreateFlags::CLOEXEC).expect("an epoll instance"),
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; BUFFER],
            finder: MarkFinder::new(),
            connections: Vec::new(),
            ready: 0,
            accounts,
        }
    }

    /// Returns the time since the beginning.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns how many connections are subscribed, or may publish.
    pub(super) fn ready(&self) -> u32 {
        self.ready
    }

    /// Opens connections until this many of all are there.
    ///
    /// # Panics
    /// If a connection cannot be opened.
    pub(super) fn open_up_to(&mut self, count: u32) {
        for number in self.connections.len() as u32..count.min(self.layout.connections()) {
            self.open(number);
        }
    }

    /// Handles events for this time.
    pub(super) fn wait(&mut self, time: Duration) {
        let end = self.now() + time;
        while self.now() < end {
            self.poll(TICK);
        }
    }

    /// Sends a message of a publisher.
    pub(super) fn publish(&mut self, publisher: u32, message: &str) {
        let number = self.layout.subscribers() + publisher;
        self.act(number as usize, |connection| connection.send(TEXT, message.as_bytes()));
    }

    /// Counts the deliveries that have not arrived, from the number of the newest message of each topic.
    pub(super) fn lost(&self, sequences: &[u32]) -> u64 {
        let of = |connection: &Connection| {
            let Role::Subscriber(topics) = &connection.role else { return 0 };
            let receipts = topics.clone().zip(&connection.receipts);
            receipts.map(|(topic, receipts)| receipts.lost(sequences[topic as usize])).sum::<u64>()
        };
        self.connections.iter().map(of).sum()
    }

    fn open(&mut self, number: u32) {
        let layout = self.layout;
        let is_subscriber = number < layout.subscribers();
        let role = if is_subscriber { Role::Subscriber(layout.topics_of(number)) } else { Role::Publisher };
        let Target { address, dialect, tls } = self.target;
        let transport = Transport::connect(*address, tls.as_ref())
            .unwrap_or_else(|error| panic!("connection {number} to {address} cannot be opened: {error}"));
        let data = EventData::new_u64(u64::from(number));
        epoll::add(&self.epoll, &transport, data, EventFlags::IN).expect("a valid socket");
        let topics = is_subscriber.then(|| (layout.topics_of(number).start, layout.topics));
        let request = dialect.request(&address.to_string(), &format!("user{number}"), topics);
        self.connections.push(Connection::new(transport, role));
        self.act(number as usize, |connection| connection.send_bytes(request.as_bytes()));
    }

    /// Does something with a connection, and ends the connection if that fails.
    fn act(&mut self, number: usize, act: impl FnOnce(&mut Connection) -> std::io::Result<()>) {
        let connection = &mut self.connections[number];
        if connection.state == State::Ended {
            return;
        }
        if let Err(error) = act(connection) {
            return self.end(number, &error.to_string());
        }
        let wants_write = connection.wants_write();
        if wants_write != connection.waits_for_space {
            connection.waits_for_space = wants_write;
            let flags = if wants_write { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            let data = EventData::new_u64(number as u64);
            epoll::modify(&self.epoll, &connection.transport, data, flags).expect("a registered socket");
        }
    }

    fn end(&mut self, number: usize, why: &str) {
        let connection = &mut self.connections[number];
        // What ends a connection may be followed by further events for it.
        let _ = epoll::delete(&self.epoll, &connection.transport);
        connection.state = State::Ended;
        self.accounts.report_error(&format!("connection {number} ended: {why}"));
    }

    /// Waits for events for at most this time, and handles them.
    pub(super) fn poll(&mut self, timeout: Duration) {
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(timeout.min(TICK).subsec_nanos()) };
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let waited = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout));
        if waited.is_ok() {
            for event in &events {
                let (number, flags) = (event.data.u64() as usize, event.flags);
                if flags.contains(EventFlags::OUT) {
                    self.act(number, Connection::flush);
                }
                if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                    self.read(number);
                }
            }
        }
        self.events = events;
    }

    fn read(&mut self, number: usize) {
        if self.connections[number].state == State::Ended {
            return;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        match self.connections[number].transport.read(&mut buffer) {
            Ok(0) => self.end(number, "the server closed it"),
            Ok(length) => self.take(number, &buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => self.end(number, &error.to_string()),
        }
        self.buffer = buffer;
        // TLS may have answered.
        self.act(number, |_| Ok(()));
    }

    /// Handles what is complete of the received bytes, and keeps the rest.
    fn take(&mut self, number: usize, bytes: &[u8]) {
        let now = self.started.elapsed();
        let mut unread = std::mem::take(&mut self.connections[number].unread);
        if unread.is_empty() {
            let taken = self.take_complete(number, bytes, now);
            unread.extend_from_slice(&bytes[taken..]);
        } else {
            unread.extend_from_slice(bytes);
            let taken = self.take_complete(number, &unread, now);
            unread.drain(..taken);
        }
        self.connections[number].unread = unread;
    }

    fn take_complete(&mut self, number: usize, bytes: &[u8], now: Duration) -> usize {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            match Received::first(rest, self.connections[number].state) {
                _ if self.connections[number].state == State::Ended => return bytes.len(),
                Ok(Received::Incomplete) => return taken,
                Ok(Received::Upgraded(length)) => {
                    taken += length;
                    self.upgraded(number);
                }
                Ok(Received::Frame(frame)) => {
                    taken += frame.end;
                    self.frame(number, frame.opcode, &rest[frame.start..frame.end], now);
                }
                Err(why) => {
                    self.end(number, &why);
                    return bytes.len();
                }
            }
        }
    }

    fn upgraded(&mut self, number: usize) {
        let dialect = self.target.dialect;
        self.connections[number].state = State::Greeting;
        if let Some(hello) = dialect.hello() {
            self.act(number, |connection| connection.send(TEXT, hello.as_bytes()));
        }
        if !dialect.greets() {
            self.greeted(number);
        }
    }

    fn greeted(&mut self, number: usize) {
        let topics = match &self.connections[number].role {
            Role::Subscriber(topics) => topics.clone(),
            Role::Publisher => 0..0,
        };
        let commands: Vec<_> = topics.filter_map(|topic| self.target.dialect.subscribe(&topic_name(topic))).collect();
        if commands.is_empty() {
            return self.become_ready(number);
        }
        self.connections[number].state = State::Subscribing(commands.len() as u32);
        for command in commands {
            self.act(number, |connection| connection.send(TEXT, command.as_bytes()));
        }
    }

    fn become_ready(&mut self, number: usize) {
        self.connections[number].state = State::Ready;
        self.ready += 1;
    }

    fn frame(&mut self, number: usize, opcode: u8, payload: &[u8], now: Duration) {
        let connection = &mut self.connections[number];
        match (opcode, connection.state) {
            (CLOSE, _) => {
                let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                self.end(number, &format!("the server closed it with {code} {reason}"));
            }
            (PING, _) => self.act(number, |connection| connection.send(PONG, payload)),
            (TEXT, State::Greeting | State::Subscribing(_)) => match self.target.dialect.reply(payload) {
                Reply::Confirmed => self.confirmed(number),
                Reply::Refused => {
                    let reply = String::from_utf8_lossy(payload).into_owned();
                    self.end(number, &format!("the server refused it: {reply}"));
                }
                Reply::Other => {}
            },
            (TEXT, State::Ready) if connection.role == Role::Publisher => self.published(payload),
            (TEXT, State::Ready) => {
                let marks = self.finder.marks(payload);
                marks.for_each(|mark| self.accounts.deliver(connection, mark, now));
            }
            _ => {}
        }
    }

    /// Looks at a reply to a publisher, which may refuse its message.
    fn published(&mut self, reply: &[u8]) {
        if Dialect::is_error(reply) {
            let reply = String::from_utf8_lossy(reply).into_owned();
            self.accounts.report_error(&format!("a message was refused: {reply}"));
        }
    }

    fn confirmed(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        match connection.state {
            State::Greeting => self.greeted(number),
            State::Subscribing(1) => self.become_ready(number),
            State::Subscribing(missing) => connection.state = State::Subscribing(missing - 1),
            _ => {}
        }
    }
}
