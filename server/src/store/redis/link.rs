//! The link to Redis: a connection that everybody shares, and whoever makes it anew, for ever.
//!
//! Concurrent requests are written together and answered in order. Each has a deadline, so nothing ever hangs; while
//! there is no connection, requests fail at once, but for a moment after one was lost.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use redis::{Cmd, Pipeline, Value, aio::MultiplexedConnection, cmd};
use tokio::{
    sync::{Notify, Semaphore, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use uuid::Uuid;

use super::{
    advice::Server,
    connect::Connector,
    enter::{Entered, Outcome, enter},
    fault::Fault,
    request::{Reply, Request, Step},
};
use crate::{drain::Tasks, store::Epoch};

/// How long an operation may take: less than clients are told.
pub(super) const DEADLINE: Duration = Duration::from_millis(1_800);
/// For so long after a connection was lost requests wait for the next one.
const BLINK: Duration = Duration::from_secs(1);
/// How often a connection is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Between two attempts to connect, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
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
    server: RwLock<Server>,
    used_memory: AtomicU64,
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
    pub(super) fn new(connector: Connector, store: String) -> Arc<Self> {
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
            tasks: Tasks::default(),
            last_error: Mutex::default(),
            server: RwLock::default(),
            used_memory: AtomicU64::new(0),
        })
    }

    /// Begins to connect, and waits at most so long for the first connection.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn begin(self: &Arc<Self>, within: Duration) -> Result<(), Fault> {
        let (link, mut state) = (self.clone(), self.state.subscribe());
        self.tasks.spawn_until_stopped(async move {
            tokio::select! {
                _ = state.wait_for(|state| matches!(state, State::Closed)) => {}
                () = link.supervise() => {}
            }
        });
        let mut state = self.state.subscribe();
        let settled = |state: &State| match state {
            // Waiting mends neither of these.
            State::Away { fault, .. } => matches!(fault, Fault::Newer(_) | Fault::Refused(_)),
            _ => true,
        };
        let waited = timeout(within, state.wait_for(settled)).await;
        drop(waited);
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
        step.on(&self.store)
    }

    /// Runs a script, and gives what it answers after the epoch, with that. The request is made for an epoch: where
    /// that is not the store's any more, it is made again, once, for the new one.
    pub(super) async fn run(&self, step: &Step, request: impl Fn(&Epoch) -> Request) -> Result<(Epoch, Reply), Fault> {
        let deadline = Instant::now() + DEADLINE;
        for _ in 0..3 {
            let believed = self.epoch();
            match self.ask(&request(&believed), deadline).await {
                Err(Fault::NoScript) => drop(self.send(&step.load(), deadline).await?),
                Err(fault) => return Err(fault),
                Ok(mut reply) => {
                    let done = reply.number()? == 1;
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

    async fn ask(&self, request: &Request, deadline: Instant) -> Result<Reply, Fault> {
        let bytes = u32::try_from(request.bytes).unwrap_or(u32::MAX);
        let _room = self.room.try_acquire_many(bytes).map_err(|_| Fault::Full)?;
        Reply::of(self.send(&request.command, deadline).await?)
    }

    /// Sends a command on the shared connection.
    pub(super) async fn send(&self, command: &Cmd, deadline: Instant) -> Result<Value, Fault> {
        let (mut connection, generation) = self.connection(deadline).await?;
        let answer = match timeout_at(deadline, command.query_async::<Value>(&mut connection)).await {
            Ok(answer) => answer.map_err(Fault::from),
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
        let answer = timeout(within + DEADLINE, command.query_async(&mut connection)).await;
        let answer = answer.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))?;
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
        let warnings = entered.server.warnings();
        for warning in warnings.iter().filter(|warning| !self.warnings().contains(warning)) {
            tracing::warn!("{warning}");
        }
        self.used_memory.store(entered.server.used_memory().unwrap_or(0), Ordering::Relaxed);
        *self.server.write() = entered.server;
    }

    /// What of the server's settings hurts.
    pub(super) fn warnings(&self) -> Vec<Arc<str>> {
        self.server.read().warnings()
    }

    /// Whether there is a connection.
    pub(super) fn is_connected(&self) -> bool {
        matches!(&*self.state.borrow(), State::Connected(..))
    }

    /// Why there was no connection last.
    pub(super) fn last_error(&self) -> Option<Arc<str>> {
        self.last_error.lock().clone()
    }

    /// How much memory Redis uses, when that was told.
    pub(super) fn used_memory(&self) -> Option<u64> {
        Some(self.used_memory.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }

    /// Connects for ever.
    async fn supervise(self: &Arc<Self>) {
        let mut generation = 0;
        let mut backoff = BACKOFF.0;
        loop {
            generation += 1;
            let fault = match self.connect(generation).await {
                Ok((connection, driver)) => {
                    backoff = BACKOFF.0;
                    let fault = self.look_after(connection, generation, driver).await;
                    tracing::warn!(error = %fault, "the connection to Redis is lost");
                    fault
                }
                Err(fault) => {
                    tracing::debug!(error = %fault, "Redis cannot be connected to");
                    fault
                }
            };
            self.lost(fault);
            sleep(jittered(backoff)).await;
            backoff = (backoff * 2).min(BACKOFF.1);
        }
    }

    /// Makes a connection, and shows it to everybody once the store is entered.
    async fn connect(self: &Arc<Self>, generation: u64) -> Result<(MultiplexedConnection, Driving), Fault> {
        let (connection, driver) = self.entered().await?;
        *self.last_error.lock() = None;
        let connected = State::Connected(connection.clone(), generation);
        self.state.send_if_modified(|state| {
            let open = !matches!(state, State::Closed);
            if open {
                *state = connected;
            }
            open
        });
        Ok((connection, driver))
    }

    /// A new connection on which the store is entered.
    async fn entered(&self) -> Result<(MultiplexedConnection, Driving), Fault> {
        let (mut connection, driver) = self.connector.connect().await?;
        let driver = Driving(self.tasks.spawn_until_stopped(driver));
        let entering = enter(&mut connection, &self.store, &self.connector.address.place);
        self.note(timeout(DEADLINE, entering).await.unwrap_or(Err(Fault::Late))?);
        Ok((connection, driver))
    }

    /// Watches a connection until it is of no use any more, and tells why.
    async fn look_after(&self, mut connection: MultiplexedConnection, generation: u64, mut driver: Driving) -> Fault {
        let mut look = Instant::now() + LOOK;
        loop {
            tokio::select! {
                _ = &mut driver.0 => return Fault::Connection("Redis closed the connection".into()),
                () = self.distrust.notified() => {
                    if self.distrusted.load(Ordering::Acquire) >= generation {
                        return Fault::Connection("Redis does not answer as it should".into());
                    }
                }
                () = sleep_until(look) => {
                    let memory = cmd("INFO").arg("memory").to_owned();
                    match timeout(DEADLINE, memory.query_async::<String>(&mut connection)).await {
                        Ok(Ok(info)) => {
                            let used = Server::of(&info, HashMap::new()).used_memory();
                            self.used_memory.store(used.unwrap_or(0), Ordering::Relaxed);
                        }
                        Ok(Err(error)) => return error.into(),
                        Err(_) => return Fault::Late,
                    }
                    look = Instant::now() + LOOK;
                }
            }
        }
    }

    fn lost(&self, fault: Fault) {
        *self.last_error.lock() = Some(fault.to_string().into());
        self.state.send_if_modified(|state| match state {
            State::Closed => false,
            State::Connected(..) => {
                *state = State::Away { since: Instant::now(), fault };
                true
            }
            State::Away { fault: last, .. } => {
                *last = fault;
                true
            }
        });
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

/// The task that moves a connection's bytes; it ends with this.
struct Driving(JoinHandle<()>);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Half of it to all of it, so that nodes do not come together.
fn jittered(time: Duration) -> Duration {
    // The last bits of a UUIDv7 are random.
    time.mul_f64(0.5 + f64::from(Uuid::now_v7().as_u128() as u32) / f64::from(u32::MAX) / 2.0)
}
