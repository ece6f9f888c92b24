//! The tokio driver: one task per client that runs the machine over real sockets and a real clock.

mod clock;
mod mailbox;
mod socket;

use std::{collections::HashMap, sync::Arc, time::Duration};

use realtime_gateway_protocol::{ClanId, CloseCode, NotificationId};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::Instant,
};

pub(crate) use mailbox::Mailbox;
pub(crate) use socket::{Connector, check_url};

use crate::{
    Error, Event, Frame, Position, State, Topic,
    client::TokenProvider,
    machine::{
        Action, Command, Config, Draft, Input, Machine, Millis, Publication, StreamId, SubscribeOptions, Ticket,
        TokenFailure,
    },
};
use clock::Clock;
use socket::{SocketEvent, Sockets};

/// How long the task stays after the last client is gone, so that the close frames are sent.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A request of a client to its task.
pub(crate) enum Op {
    Connect,
    Wake,
    /// Resolved when the client has started again.
    Resume(oneshot::Sender<()>),
    /// Resolved when the close frames are sent.
    Close(oneshot::Sender<()>),
    Subscribe {
        topic: Topic,
        options: SubscribeOptions,
        timeout: Millis,
        mailbox: Arc<Mailbox>,
        reply: oneshot::Sender<Result<Option<Position>, Error>>,
    },
    FollowServer {
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
    /// How TLS is made, if the app has its own configuration.
    pub(crate) connector: Option<Connector>,
    pub(crate) config: Config,
    pub(crate) provider: TokenProvider,
    pub(crate) ops: mpsc::Receiver<Op>,
    pub(crate) state: watch::Sender<State>,
    pub(crate) pending: watch::Sender<Option<u64>>,
    /// Notified when a stream was dropped or has room again.
    pub(crate) sweep: Arc<Notify>,
}

/// Runs a client until its last handle is gone.
pub(crate) async fn run(driver: Driver) {
    let Driver { url, connector, config, provider, mut ops, state, pending, sweep } = driver;
    let mut task = Task {
        machine: Machine::new(config),
        clock: Clock::start(),
        sockets: Sockets::new(url, connector),
        token: None,
        provider,
        state,
        pending,
        last: 0,
        replies: HashMap::new(),
        joining: HashMap::new(),
        streams: HashMap::new(),
    };
    loop {
        let deadline = task.machine.deadline().map(|at| task.clock.instant(at));
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
                SocketEvent::Activity => task.step(Input::Activity(attempt)),
                SocketEvent::Closed(code) => task.step(Input::Closed(attempt, code)),
                SocketEvent::Failed(failure) => task.step(Input::OpenFailed(attempt, failure)),
            },
            result = token_result(&mut task.token) => {
                task.token = None;
                task.step(Input::Token(result));
            }
            () = sweep.notified() => task.sweep(),
            () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                task.step(Input::Tick);
            }
        }
    }
    task.close().await;
}

/// The result of the token provider. Pending indefinitely while it is not called.
async fn token_result(token: &mut Option<crate::client::TokenFuture>) -> Result<String, TokenFailure> {
    match token {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// The machine and what its actions act upon.
struct Task {
    machine: Machine,
    clock: Clock,
    sockets: Sockets,
    token: Option<crate::client::TokenFuture>,
    provider: TokenProvider,
    state: watch::Sender<State>,
    pending: watch::Sender<Option<u64>>,
    /// The last number given to a stream or ticket.
    last: u64,
    replies: HashMap<Ticket, oneshot::Sender<Result<Option<Frame>, Error>>>,
    joining: HashMap<StreamId, oneshot::Sender<Result<Option<Position>, Error>>>,
    streams: HashMap<StreamId, Arc<Mailbox>>,
}

impl Task {
    fn step(&mut self, input: Input<'_>) {
        let (now, woken) = self.clock.read();
        if woken {
            self.machine.handle(now, Input::Woken);
        }
        self.machine.handle(now, input);
        while let Some(action) = self.machine.poll() {
            if let Some(command) = self.act(action) {
                self.machine.handle(now, Input::Command(command));
            }
        }
    }

    /// Carries out an action. Returns a command that has to reach the machine immediately.
    fn act(&mut self, action: Action) -> Option<Command> {
        match action {
            Action::Open(attempt) => self.sockets.open(attempt),
            Action::SendFrame(attempt, text) => self.sockets.send(attempt, text),
            Action::Close(attempt, code) => self.sockets.close(attempt, code),
            Action::RequestToken => self.token = Some((self.provider)()),
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
                // The caller may be gone.
                if let Some(reply) = self.replies.remove(&ticket) {
                    let _ = reply.send(result);
                }
            }
            Action::Pending(count) => drop(self.pending.send_replace(Some(count))),
            // The number of pending notifications has changed too, which is all that this SDK reports.
            Action::Acknowledged(_) => {}
            Action::State(state) => {
                tracing::debug!(state = state.name(), "the client's state has changed");
                self.state.send_replace(state.decoded());
            }
        }
        None
    }

    /// Ends the machine and waits until the close frames are sent.
    async fn close(&mut self) {
        self.step(Input::Command(Command::Close));
        // A gateway that does not answer the close frame in time is abandoned.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.sockets.finish()).await;
    }

    fn op(&mut self, op: Op) {
        self.last += 1;
        let (stream, ticket) = (StreamId(self.last), Ticket(self.last));
        match op {
            // Dropped before the request arrived: no later sweep would find it.
            Op::Subscribe { mailbox, .. } | Op::FollowServer { mailbox, .. } | Op::Watch(mailbox)
                if mailbox.is_dropped() => {}
            Op::Connect => self.step(Input::Connect),
            Op::Wake => self.step(Input::Woken),
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
            Op::FollowServer { mailbox, reply } => {
                self.streams.insert(stream, mailbox);
                self.joining.insert(stream, reply);
                self.step(Input::Command(Command::FollowServer(stream, Vec::new())));
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
                    Call::Query(query) => Command::Query { ticket, query, timeout },
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

impl Drop for Task {
    /// Ends every stream, however the task ends, also together with the runtime.
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
