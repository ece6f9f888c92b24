//! The tokio driver: one task per client that runs the machine over real sockets and a real clock.

mod mailbox;
mod socket;

use std::{collections::HashMap, sync::Arc, time::Duration};

use realtime_gateway_protocol::{ClanId, NotificationId, ServerMessage};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::Instant,
};

pub(crate) use mailbox::Mailbox;
pub(crate) use socket::check_url;

use crate::{
    Error, Event, Frame, Position, State, Topic,
    client::TokenProvider,
    machine::{
        Action, Command, Config, Draft, Input, Machine, Millis, Publication, StreamId, SubscribeOptions, Ticket,
        TokenFailure,
    },
};
use realtime_gateway_protocol::CloseCode;
use socket::{SocketEvent, Sockets};

/// How long the task stays after the last client is gone, so that the close frames leave.
const FAREWELL: Duration = Duration::from_secs(1);

/// Something that a client asks of its task.
pub(crate) enum Op {
    Connect,
    /// Answered when the client has begun again.
    Resume(oneshot::Sender<()>),
    /// Answered when the close frames have left.
    Close(oneshot::Sender<()>),
    Subscribe {
        topic: Topic,
        options: SubscribeOptions,
        timeout: Millis,
        mailbox: Arc<Mailbox>,
        reply: oneshot::Sender<Result<Option<Position>, Error>>,
    },
    Watch(Arc<Mailbox>),
    Typing(ClanId, bool),
    Call {
        call: Call,
        timeout: Millis,
        reply: oneshot::Sender<Result<Option<Frame>, Error>>,
    },
}

/// A command with a reply.
pub(crate) enum Call {
    Send(Publication),
    Ack(Vec<NotificationId>),
    Query(Draft),
    Request(Draft),
}

/// What the task is made of.
pub(crate) struct Driver {
    pub(crate) url: String,
    pub(crate) config: Config,
    pub(crate) provider: TokenProvider,
    pub(crate) ops: mpsc::Receiver<Op>,
    pub(crate) state: watch::Sender<State>,
    /// Rung when a stream was dropped or has room again.
    pub(crate) sweep: Arc<Notify>,
}

/// Runs a client until its last handle is gone.
pub(crate) async fn run(driver: Driver) {
    let Driver { url, config, provider, mut ops, state, sweep } = driver;
    let mut task = Task {
        machine: Machine::new(config),
        started: Instant::now(),
        sockets: Sockets::new(url),
        token: None,
        provider,
        state,
        last: 0,
        replies: HashMap::new(),
        joining: HashMap::new(),
        streams: HashMap::new(),
    };
    loop {
        let deadline = task.machine.deadline().map(|at| task.started + Duration::from_millis(at));
        tokio::select! {
            op = ops.recv() => match op {
                Some(Op::Close(done)) => {
                    task.close().await;
                    // The caller may be gone.
                    let _ = done.send(());
                }
                Some(op) => task.op(op),
                None => break,
            },
            (attempt, event) = task.sockets.next() => match event {
                SocketEvent::Opened => task.step(Input::Opened(attempt)),
                SocketEvent::Text(text) => task.step(Input::Frame(attempt, &text)),
                SocketEvent::Heard => task.step(Input::Heard(attempt)),
                SocketEvent::Closed(code) => task.step(Input::Closed(attempt, code)),
                SocketEvent::Failed(failure) => task.step(Input::OpenFailed(attempt, failure)),
            },
            result = answered(&mut task.token) => {
                task.token = None;
                task.step(Input::Token(result));
            }
            () = sweep.notified() => task.sweep(),
            () = tokio::time::sleep_until(deadline.unwrap_or(task.started)), if deadline.is_some() => {
                task.step(Input::Tick);
            }
        }
    }
    task.close().await;
}

/// The provider's answer; never, when it was not asked.
async fn answered(token: &mut Option<crate::client::TokenFuture>) -> Result<String, TokenFailure> {
    match token {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// The machine and what its actions act upon.
struct Task {
    machine: Machine,
    started: Instant,
    sockets: Sockets,
    token: Option<crate::client::TokenFuture>,
    provider: TokenProvider,
    state: watch::Sender<State>,
    /// The last number given to a stream or ticket.
    last: u64,
    replies: HashMap<Ticket, oneshot::Sender<Result<Option<Frame>, Error>>>,
    joining: HashMap<StreamId, oneshot::Sender<Result<Option<Position>, Error>>>,
    streams: HashMap<StreamId, Arc<Mailbox>>,
}

impl Task {
    fn step(&mut self, input: Input<'_>) {
        let now = Millis::try_from(self.started.elapsed().as_millis()).unwrap_or(Millis::MAX);
        self.machine.handle(now, input);
        while let Some(action) = self.machine.poll() {
            if let Some(command) = self.act(action) {
                self.machine.handle(now, Input::Command(command));
            }
        }
    }

    /// Does what the machine asks; returns what it must hear of at once.
    fn act(&mut self, action: Action) -> Option<Command> {
        match action {
            Action::Open(attempt) => self.sockets.open(attempt),
            Action::SendFrame(attempt, text) => self.sockets.send(attempt, text),
            Action::Close(attempt, code) => self.sockets.close(attempt, code),
            Action::AskToken => self.token = Some((self.provider)()),
            Action::Subscribed(stream, result) => {
                match &result {
                    Ok(position) => {
                        if let Some(mailbox) = self.streams.get(&stream) {
                            mailbox.begin_at(position.clone());
                        }
                    }
                    Err(_) => drop(self.streams.remove(&stream)),
                }
                // A caller that is gone has dropped its stream too, which the next sweep finds.
                let _ = self.joining.remove(&stream).map(|reply| reply.send(result));
            }
            Action::Deliver(stream, delivery) => {
                let mailbox = self.streams.get(&stream)?;
                let refused = mailbox.push(delivery)?;
                if let Event::Message(frame) = refused.event {
                    return frame.notification_id().map(|id| Command::Missed(stream, id));
                }
            }
            Action::Ended(stream, error) => {
                if let Some(mailbox) = self.streams.remove(&stream) {
                    mailbox.end(error);
                }
            }
            Action::Resolve(ticket, result) => {
                // A caller that is gone does not want to know.
                if let Some(reply) = self.replies.remove(&ticket) {
                    let _ = reply.send(result);
                }
            }
            Action::State(state) => {
                tracing::debug!(state = name(&state), "the client's state has changed");
                self.state.send_replace(read(state));
            }
        }
        None
    }

    /// Ends the machine, and lets the close frames leave.
    async fn close(&mut self) {
        self.step(Input::Command(Command::Close));
        // A gateway that does not answer the close frame in time is left.
        let _ = tokio::time::timeout(FAREWELL, self.sockets.finish()).await;
    }

    fn op(&mut self, op: Op) {
        self.last += 1;
        let (stream, ticket) = (StreamId(self.last), Ticket(self.last));
        match op {
            // Let go before it came to anything: no sweep would find it later.
            Op::Subscribe { mailbox, .. } | Op::Watch(mailbox) if mailbox.is_dropped() => {}
            Op::Connect => self.step(Input::Connect),
            Op::Resume(done) => {
                self.step(Input::Resume);
                // The caller may be gone.
                let _ = done.send(());
            }
            Op::Close(_) => self.step(Input::Command(Command::Close)),
            Op::Typing(clan, is_typing) => self.step(Input::Command(Command::Typing(clan, is_typing))),
            Op::Subscribe { topic, options, timeout, mailbox, reply } => {
                self.streams.insert(stream, mailbox);
                self.joining.insert(stream, reply);
                self.step(Input::Command(Command::Subscribe { stream, topic, options, timeout }));
            }
            Op::Watch(mailbox) => {
                self.streams.insert(stream, mailbox);
                self.step(Input::Command(Command::Watch(stream)));
            }
            Op::Call { call, timeout, reply } => {
                self.replies.insert(ticket, reply);
                self.step(Input::Command(match call {
                    Call::Send(publication) => Command::Send { ticket, publication, timeout },
                    Call::Ack(ids) => Command::Ack { ticket, ids, timeout },
                    Call::Query(question) => Command::Query { ticket, question, timeout },
                    Call::Request(command) => Command::Request { ticket, command, timeout },
                }));
            }
        }
    }

    /// Looks after streams that the app has dropped or emptied.
    fn sweep(&mut self) {
        let dropped: Vec<_> =
            self.streams.iter().filter(|(_, mailbox)| mailbox.is_dropped()).map(|(id, _)| *id).collect();
        for stream in dropped {
            self.streams.remove(&stream);
            self.step(Input::Command(Command::Drop(stream)));
        }
        let drained: Vec<_> =
            self.streams.iter().filter(|(_, mailbox)| mailbox.take_drained()).map(|(id, _)| *id).collect();
        for stream in drained {
            self.step(Input::Command(Command::Drained(stream)));
        }
    }
}

/// The state as an app sees it, with the greeting read.
fn read(state: State<Frame>) -> State {
    let greeting = |frame: Frame| match frame.message() {
        ServerMessage::Connected(connected) => Some(Arc::new(connected)),
        // The machine is connected by no other message.
        _ => None,
    };
    match state {
        State::Connected(frame) => greeting(frame).map_or(State::Connecting, State::Connected),
        State::Expiring(frame, trouble) => {
            greeting(frame).map_or(State::Connecting, |connected| State::Expiring(connected, trouble))
        }
        State::Idle => State::Idle,
        State::Connecting => State::Connecting,
        State::Waiting(trouble) => State::Waiting(trouble),
        State::Closed(error) => State::Closed(error),
    }
}

fn name(state: &State<Frame>) -> &'static str {
    match state {
        State::Idle => "idle",
        State::Connecting => "connecting",
        State::Connected(_) => "connected",
        State::Expiring(..) => "expiring",
        State::Waiting(_) => "waiting",
        State::Closed(_) => "closed",
    }
}

impl Drop for Task {
    /// However the task ends, also with the runtime: nobody waits for it any longer.
    fn drop(&mut self) {
        let error = match self.machine.state() {
            State::Closed(error) => error.clone(),
            _ => Error::closed(CloseCode::NORMAL, "the client's task has ended"),
        };
        for mailbox in self.streams.values() {
            mailbox.end(error.clone());
        }
        self.state.send_replace(State::Closed(error));
    }
}
