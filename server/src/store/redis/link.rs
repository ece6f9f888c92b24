//! The link to Redis: a connection that everybody shares, and whoever makes it anew, for ever.
//!
//! Concurrent requests are written together and answered in order. Each has a deadline, so nothing ever hangs; while
//! there is no connection, requests fail at once, but for a moment after one was lost.

mod supervisor;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use redis::{Cmd, Pipeline, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::{Instant, timeout, timeout_at},
};

use self::supervisor::Driving;
use super::{
    advice::Server,
    connect::Connector,
    enter::{Entered, Outcome, enter},
    fault::Fault,
    request::{Reply, Request, Step},
};
use crate::{
    drain::Tasks,
    store::{Epoch, SpaceLimits, space::SpaceGate},
    supervision::Supervisor,
};

/// How long an operation may take: less than clients are told.
pub(super) const DEADLINE: Duration = Duration::from_millis(1_800);
/// For so long after a connection was lost requests wait for the next one.
const BLINK: Duration = Duration::from_secs(1);
/// How much may wait for an answer, in bytes.
const ROOM: usize = 64 * 1024 * 1024;

/// The link to Redis.
pub(super) struct Link {
    connector: Connector,
    /// The hash that all scripts begin with.
    store: String,
    epoch: RwLock<Epoch>,
    state: watch::Sender<State>,
    /// The generation of a connection that is of no use any more.
    distrusted: AtomicU64,
    distrust: Notify,
    /// A connection for requests that wait, while nobody does.
    waiting: Mutex<Option<(MultiplexedConnection, Driving)>>,
    room: Semaphore,
    tasks: Tasks,
    last_error: Mutex<Option<Arc<str>>>,
    /// Why the server refused something last, until it is known to take writes.
    refused: Mutex<Option<Arc<str>>>,
    /// What the server told of itself on the last connection; none before the first.
    server: RwLock<Option<Server>>,
    /// Decides by its memory whether there is space for new entries.
    space: SpaceGate,
    /// How many keys of the database have an expiry.
    expiring: AtomicU64,
    /// The number of the last request for a script.
    requests: AtomicU64,
}

/// Whether there is a connection.
#[derive(Clone)]
enum State {
    Connected(MultiplexedConnection, u64),
    Away { since: Instant, fault: Fault },
    Closed,
}

impl Link {
    /// A link that is not connected yet.
    pub(super) fn new(connector: Connector, store: String, space: SpaceLimits, supervisor: &Supervisor) -> Arc<Self> {
        // Away for longer than a moment, so that whoever asks is answered at once.
        let since = Instant::now().checked_sub(BLINK).unwrap_or_else(Instant::now);
        let state = State::Away { since, fault: Fault::Away("not connected yet".into()) };
        Arc::new(Self {
            connector,
            store,
            epoch: RwLock::new("".into()),
            state: watch::Sender::new(state),
            distrusted: AtomicU64::new(0),
            distrust: Notify::new(),
            waiting: Mutex::default(),
            room: Semaphore::new(ROOM),
            tasks: Tasks::supervised_by(supervisor),
            last_error: Mutex::default(),
            refused: Mutex::default(),
            server: RwLock::default(),
            space: SpaceGate::new(space, "the maxmemory of Redis"),
            expiring: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        })
    }

    /// Begins to connect, and waits at most so long for the first connection.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn begin(self: &Arc<Self>, within: Duration) -> Result<(), Fault> {
        let (link, mut state) = (self.clone(), self.state.subscribe());
        // A start that is given up leaves nothing behind that goes on connecting.
        let given_up = self.tasks.stop_on_drop();
        self.tasks.spawn_until_stopped(async move {
            tokio::select! {
                _ = state.wait_for(|state| matches!(state, State::Closed)) => {}
                () = link.tasks.supervisor().watch("redis link", link.supervise()) => {}
            }
        });
        let mut state = self.state.subscribe();
        let settled = |state: &State| match state {
            // Waiting repairs none of these.
            State::Away { fault, .. } => matches!(fault, Fault::Newer(_) | Fault::Refused(_) | Fault::Cluster),
            _ => true,
        };
        // Whether it came to that is seen below.
        let _ = timeout(within, state.wait_for(settled)).await;
        given_up.disarm();
        match &*self.state.borrow() {
            State::Connected(..) => Ok(()),
            State::Away { fault, .. } => Err(fault.clone()),
            State::Closed => Err(Fault::Closed),
        }
    }

    /// The store's epoch, as far as this node knows.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch.read().clone()
    }

    /// A request to run a script.
    pub(super) fn request(&self, step: &Step) -> Request {
        step.on(&self.store, self.requests.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Runs a script, and gives what it answers after the epoch, with that. The request is made for an epoch: where
    /// that is not the store's any more, it is made again, once, for the new one.
    pub(super) async fn run(&self, step: &Step, request: impl Fn(&Epoch) -> Request) -> Result<(Epoch, Reply), Fault> {
        let deadline = Instant::now() + DEADLINE;
        for _ in 0..3 {
            let believed = self.epoch();
            match self.ask(&request(&believed), deadline).await {
                Err(Fault::NoScript) => drop(self.send(&step.load(), deadline).await?),
                Err(fault) => {
                    if let Fault::Refused(_) | Fault::Cluster = &fault {
                        *self.refused.lock() = Some(fault.to_string().into());
                    }
                    return Err(fault);
                }
                Ok((done, mut reply)) => {
                    let epoch = reply.text()?;
                    if epoch.is_empty() {
                        self.enter_again(deadline).await?;
                    } else {
                        let epoch = if *epoch == *believed { believed } else { self.note_epoch(&epoch) };
                        if done {
                            return Ok((epoch, reply));
                        }
                    }
                }
            }
        }
        Err(Fault::Away("its data changes too fast".into()))
    }

    /// Sends a request for a script, and returns whether it did something, and the rest of its reply.
    async fn ask(&self, request: &Request, deadline: Instant) -> Result<(bool, Reply), Fault> {
        let bytes = u32::try_from(request.bytes).unwrap_or(u32::MAX);
        let _room = self.room.try_acquire_many(bytes).map_err(|_| Fault::Full)?;
        self.exchange(&request.command, deadline, |value| request.is_done(value)).await
    }

    /// Sends a command on the shared connection.
    pub(super) async fn send(&self, command: &Cmd, deadline: Instant) -> Result<Value, Fault> {
        self.exchange(command, deadline, Ok).await
    }

    /// Sends a command on the shared connection, and reads the reply. A reply that shows that the connection is of no
    /// use has it replaced.
    async fn exchange<T>(
        &self,
        command: &Cmd,
        deadline: Instant,
        read: impl FnOnce(Value) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let (mut connection, generation) = self.connection(deadline).await?;
        let answer = match timeout_at(deadline, command.query_async::<Value>(&mut connection)).await {
            Ok(answer) => answer.map_err(Fault::from).and_then(read),
            Err(_) => Err(Fault::Late),
        };
        if let Err(fault) = &answer
            && fault.breaks_the_connection()
        {
            self.distrusted.fetch_max(generation, Ordering::AcqRel);
            self.distrust.notify_one();
        }
        answer
    }

    /// Sends several commands together, whose answers say nothing but that they were done.
    pub(super) async fn send_all(&self, commands: &Pipeline) -> Result<(), Fault> {
        let deadline = Instant::now() + DEADLINE;
        let (mut connection, _) = self.connection(deadline).await?;
        match timeout_at(deadline, commands.query_async::<Value>(&mut connection)).await {
            Ok(answer) => Ok(answer.map(drop)?),
            Err(_) => Err(Fault::Late),
        }
    }

    /// The connection; a lost one is waited for, but only for a moment.
    async fn connection(&self, deadline: Instant) -> Result<(MultiplexedConnection, u64), Fault> {
        let mut state = self.state.subscribe();
        loop {
            let (until, fault) = match &*state.borrow_and_update() {
                State::Connected(connection, generation) => return Ok((connection.clone(), *generation)),
                State::Away { since, fault } => ((*since + BLINK).min(deadline), fault.clone()),
                State::Closed => return Err(Fault::Closed),
            };
            if !matches!(timeout_at(until, state.changed()).await, Ok(Ok(()))) {
                return Err(fault);
            }
        }
    }

    /// Sends a command that waits for something at most so long, on a connection of its own.
    pub(super) async fn wait(self: &Arc<Self>, command: &Cmd, within: Duration) -> Result<Value, Fault> {
        let kept = self.waiting.lock().take();
        let (mut connection, driver) = match kept {
            Some(kept) => kept,
            None if !self.is_connected() => {
                return Err(self.connection(Instant::now()).await.err().unwrap_or(Fault::Late));
            }
            None => self.entered().await?,
        };
        let asking = command.query_async(&mut connection);
        let answer = timeout(within + DEADLINE, asking).await.map_err(|_| Fault::Late)??;
        *self.waiting.lock() = Some((connection, driver));
        Ok(answer)
    }

    fn note_epoch(&self, epoch: &str) -> Epoch {
        let mut known = self.epoch.write();
        if **known != *epoch {
            *known = Arc::from(epoch);
        }
        known.clone()
    }

    /// The store was emptied while this node was connected: it begins anew.
    async fn enter_again(&self, deadline: Instant) -> Result<(), Fault> {
        let (mut connection, _) = self.connection(deadline).await?;
        let entering = enter(&mut connection, &self.store, &self.connector.address.place);
        let entered = timeout_at(deadline, entering).await.unwrap_or(Err(Fault::Late))?;
        self.note(entered);
        Ok(())
    }

    fn note(&self, entered: Entered) {
        self.note_epoch(&entered.epoch);
        if entered.outcome == Outcome::Replaced {
            tracing::warn!(epoch = %entered.epoch, "Redis began another life, which may lack what was confirmed: a new epoch begins");
        }
        // Each connection tells the settings again; only what is new goes to the log.
        let known = self.warnings();
        for warning in entered.server.warnings().iter().filter(|warning| !known.contains(warning)) {
            tracing::warn!("{warning}");
        }
        self.note_memory(&entered.server);
        self.note_keys(&entered.server);
        self.note_written();
        *self.server.write() = Some(entered.server);
    }

    /// What of the server's settings hurts.
    pub(super) fn warnings(&self) -> Vec<Arc<str>> {
        self.server.read().as_ref().map(Server::warnings).unwrap_or_default()
    }

    fn is_connected(&self) -> bool {
        matches!(&*self.state.borrow(), State::Connected(..))
    }

    /// Whether there is a server that takes writes, as far as is known.
    pub(super) fn is_writable(&self) -> bool {
        self.is_connected() && self.refused.lock().is_none()
    }

    /// The server has taken a write.
    pub(super) fn note_written(&self) {
        *self.refused.lock() = None;
    }

    /// Why there is no connection, or why the server refuses.
    pub(super) fn last_error(&self) -> Option<Arc<str>> {
        self.last_error.lock().clone().or_else(|| self.refused.lock().clone())
    }

    /// Whether there is space for new entries.
    pub(super) fn space(&self) -> &SpaceGate {
        &self.space
    }

    /// How many keys of the database have an expiry, as far as is known.
    pub(super) fn expiring(&self) -> u64 {
        self.expiring.load(Ordering::Relaxed)
    }

    fn note_memory(&self, server: &Server) {
        server.space().into_iter().for_each(|usage| self.space.observe(usage));
    }

    fn note_keys(&self, server: &Server) {
        self.expiring.store(server.expiring(self.connector.address.database), Ordering::Relaxed);
    }

    /// Ends it, for good, and does not wait.
    pub(super) fn shut(&self) {
        self.state.send_replace(State::Closed);
    }

    /// Ends it, for good.
    pub(super) async fn close(&self) {
        self.shut();
        self.tasks.stop(Duration::from_secs(1)).await;
    }
}
