//! The link to Redis: one connection that all requests share. `supervisor.rs` replaces it when it is lost.
//!
//! Concurrent requests are pipelined. Each has a deadline, so no request hangs. While there is
//! no connection, requests fail immediately. For a short time after a connection was lost, they wait for the next one.

mod supervisor;

pub(super) use self::supervisor::with_jitter;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gateway_runtime::{supervision::Supervisor, tasks::Tasks};
use parking_lot::{Mutex, RwLock};
use redis::{Cmd, Pipeline, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::{Instant, timeout, timeout_at},
};

use self::supervisor::DriverTask;
use super::{
    arguments::Arguments,
    connect::Connector,
    enter::{Entered, Outcome, enter},
    fault::Fault,
    request::{Reply, Request},
    server_info::ServerInfo,
};
use crate::{Epoch, SpaceLimits, space::SpaceGate};

/// The time limit of an operation. It is shorter than the time-out of clients, so that they get an error from the
/// gateway.
pub(super) const DEADLINE: Duration = Duration::from_millis(1_800);
/// How long after the loss of a connection requests wait for the next one.
const RECONNECT_GRACE: Duration = Duration::from_secs(1);
/// How many bytes of requests may wait for a reply.
const MAX_QUEUED_BYTES: usize = 64 * 1024 * 1024;

/// The link to Redis.
pub(super) struct Link {
    connector: Connector,
    /// The key of the hash `{prefix}:store`, which every script gets.
    store: String,
    epoch: RwLock<Epoch>,
    state: watch::Sender<State>,
    /// The newest generation of a connection that has to be replaced.
    broken_generation: AtomicU64,
    broken: Notify,
    /// The connections for blocking requests that no request uses now. There are as many as there were at the same time.
    blocking: Mutex<Vec<(MultiplexedConnection, DriverTask)>>,
    queue_space: Semaphore,
    tasks: Tasks,
    last_error: Mutex<Option<Arc<str>>>,
    /// The last error reply of the server, until a write succeeds.
    refused: Mutex<Option<Arc<str>>>,
    /// What the server reported on the last connection; `None` before the first connection.
    server: RwLock<Option<ServerInfo>>,
    /// Decides by the memory of the server whether there is space for new entries.
    space: SpaceGate,
    /// How many keys of the database have an expiry.
    keys_with_expiry: AtomicU64,
    /// The number of the last request for a script.
    requests: AtomicU64,
}

/// Whether there is a connection.
#[derive(Clone)]
enum State {
    Connected(MultiplexedConnection, u64),
    Disconnected { since: Instant, fault: Fault },
    Closed,
}

impl Link {
    /// Creates a link that is not connected yet.
    pub(super) fn new(connector: Connector, store: String, space: SpaceLimits, supervisor: &Supervisor) -> Arc<Self> {
        // Disconnected for longer than `RECONNECT_GRACE`, so that requests fail immediately.
        let since = Instant::now().checked_sub(RECONNECT_GRACE).unwrap_or_else(Instant::now);
        let state = State::Disconnected { since, fault: Fault::Disconnected("not connected yet".into()) };
        Arc::new(Self {
            connector,
            store,
            epoch: RwLock::new("".into()),
            state: watch::Sender::new(state),
            broken_generation: AtomicU64::new(0),
            broken: Notify::new(),
            blocking: Mutex::default(),
            queue_space: Semaphore::new(MAX_QUEUED_BYTES),
            tasks: Tasks::supervised_by(supervisor),
            last_error: Mutex::default(),
            refused: Mutex::default(),
            server: RwLock::default(),
            space: SpaceGate::new(space, "the maxmemory of Redis"),
            keys_with_expiry: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        })
    }

    /// Starts the supervisor of the connection, and waits for the first connection, at most for `within`.
    ///
    /// # Errors
    /// The reason why there is no connection.
    pub(super) async fn start(self: &Arc<Self>, within: Duration) -> Result<(), Fault> {
        let (link, mut state) = (self.clone(), self.state.subscribe());
        // If the start is abandoned, the supervisor stops connecting.
        let given_up = self.tasks.stop_on_drop();
        self.tasks.spawn_until_stopped(async move {
            tokio::select! {
                _ = state.wait_for(|state| matches!(state, State::Closed)) => {}
                () = link.tasks.supervisor().watch("redis link", link.supervise()) => {}
            }
        });
        let mut state = self.state.subscribe();
        let settled = |state: &State| match state {
            // Only an operator can fix these, so waiting longer is useless.
            State::Disconnected { fault, .. } => {
                matches!(fault, Fault::NewerFormat(_) | Fault::ErrorReply(_) | Fault::ClusterNode)
            }
            _ => true,
        };
        // The result is not needed: the state is checked below.
        let _ = timeout(within, state.wait_for(settled)).await;
        given_up.disarm();
        match &*self.state.borrow() {
            State::Connected(..) => Ok(()),
            State::Disconnected { fault, .. } => Err(fault.clone()),
            State::Closed => Err(Fault::Closed),
        }
    }

    /// Waits for a connection of a later generation than this one; 0 is before the first. Returns its generation, or
    /// `None` if the link is closed.
    pub(super) async fn connected_after(&self, generation: u64) -> Option<u64> {
        let mut state = self.state.subscribe();
        let is_later = |state: &State| match state {
            State::Connected(_, number) => *number > generation,
            State::Disconnected { .. } => false,
            State::Closed => true,
        };
        match &*state.wait_for(is_later).await.ok()? {
            State::Connected(_, number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the connector, for further connections to the same server.
    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Runs a part of the store until the link is closed.
    pub(super) fn spawn_part(&self, part: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_part(part, task);
    }

    /// Returns the newest epoch that this node knows. The store may have a newer one.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch.read().clone()
    }

    /// Creates a request to run a script, with the next request number.
    pub(super) fn request<A: Arguments>(&self, arguments: &A) -> Request {
        Request::new(&self.store, self.requests.fetch_add(1, Ordering::Relaxed) + 1, arguments)
    }

    /// Runs a script, and returns the epoch of the store and the rest of the reply.
    ///
    /// `request` builds the request for an epoch. If the store has a newer epoch, the script does nothing, and the request is
    /// built and sent again. It is also sent again after a script had to be loaded, or the store had to be entered.
    pub(super) async fn run_script(&self, request: impl Fn(&Epoch) -> Request) -> Result<(Epoch, Reply), Fault> {
        let deadline = Instant::now() + DEADLINE;
        for _ in 0..3 {
            let known_epoch = self.epoch();
            let request = request(&known_epoch);
            match self.evaluate(&request, deadline).await {
                Err(Fault::NoScript) => drop(self.send(&request.script.load(), deadline).await?),
                Err(fault) => {
                    if let Fault::ErrorReply(_) | Fault::ClusterNode = &fault {
                        *self.refused.lock() = Some(fault.to_string().into());
                    }
                    return Err(fault);
                }
                Ok((done, mut reply)) => {
                    let epoch = reply.text()?;
                    if epoch.is_empty() {
                        self.reenter(deadline).await?;
                    } else {
                        let epoch = if *epoch == *known_epoch { known_epoch } else { self.note_epoch(&epoch) };
                        if done {
                            return Ok((epoch, reply));
                        }
                    }
                }
            }
        }
        Err(Fault::Disconnected("the epoch of the store changed repeatedly".into()))
    }

    /// Sends a request for a script. Returns whether the script did what was requested, and the rest of its reply.
    async fn evaluate(&self, request: &Request, deadline: Instant) -> Result<(bool, Reply), Fault> {
        let bytes = u32::try_from(request.bytes).unwrap_or(u32::MAX);
        let _space = self.queue_space.try_acquire_many(bytes).map_err(|_| Fault::QueueFull)?;
        self.exchange(&request.command, deadline, |value| request.is_done(value)).await
    }

    /// Sends a command on the shared connection.
    pub(super) async fn send(&self, command: &Cmd, deadline: Instant) -> Result<Value, Fault> {
        self.exchange(command, deadline, Ok).await
    }

    /// Sends a command on the shared connection, and reads the reply. If the reply or its absence shows that the
    /// connection is broken, the supervisor is notified, which replaces the connection.
    async fn exchange<T>(
        &self,
        command: &Cmd,
        deadline: Instant,
        read: impl FnOnce(Value) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let (mut connection, generation) = self.connection(deadline).await?;
        let reply = match timeout_at(deadline, command.query_async::<Value>(&mut connection)).await {
            Ok(reply) => reply.map_err(Fault::from).and_then(read),
            Err(_) => Err(Fault::TimedOut),
        };
        if let Err(fault) = &reply
            && fault.requires_new_connection()
        {
            self.broken_generation.fetch_max(generation, Ordering::AcqRel);
            self.broken.notify_one();
        }
        reply
    }

    /// Sends several commands together, and ignores the values of their replies.
    pub(super) async fn send_all(&self, commands: &Pipeline) -> Result<(), Fault> {
        let deadline = Instant::now() + DEADLINE;
        let (mut connection, _) = self.connection(deadline).await?;
        match timeout_at(deadline, commands.query_async::<Value>(&mut connection)).await {
            Ok(reply) => Ok(reply.map(drop)?),
            Err(_) => Err(Fault::TimedOut),
        }
    }

    /// Returns the connection. If it was lost a short time ago, this waits for the next one.
    async fn connection(&self, deadline: Instant) -> Result<(MultiplexedConnection, u64), Fault> {
        let mut state = self.state.subscribe();
        loop {
            let (until, fault) = match &*state.borrow_and_update() {
                State::Connected(connection, generation) => return Ok((connection.clone(), *generation)),
                State::Disconnected { since, fault } => ((*since + RECONNECT_GRACE).min(deadline), fault.clone()),
                State::Closed => return Err(Fault::Closed),
            };
            if !matches!(timeout_at(until, state.changed()).await, Ok(Ok(()))) {
                return Err(fault);
            }
        }
    }

    /// Sends a command that blocks for `within` at most, on a connection of its own.
    pub(super) async fn send_blocking(self: &Arc<Self>, command: &Cmd, within: Duration) -> Result<Value, Fault> {
        let kept = self.blocking.lock().pop();
        let (mut connection, driver) = match kept {
            Some(kept) => kept,
            None if !self.is_connected() => {
                return Err(self.connection(Instant::now()).await.err().unwrap_or(Fault::TimedOut));
            }
            None => self.connect_and_enter().await?,
        };
        let querying = command.query_async(&mut connection);
        let reply = timeout(within + DEADLINE, querying).await.map_err(|_| Fault::TimedOut)??;
        self.blocking.lock().push((connection, driver));
        Ok(reply)
    }

    /// Stores the epoch if it changed, and returns it as a shared text.
    fn note_epoch(&self, epoch: &str) -> Epoch {
        let mut known = self.epoch.write();
        if **known != *epoch {
            *known = Arc::from(epoch);
        }
        known.clone()
    }

    /// Enters the store again, after it was emptied while this node was connected (`FLUSHALL`, for example).
    async fn reenter(&self, deadline: Instant) -> Result<(), Fault> {
        let (mut connection, _) = self.connection(deadline).await?;
        let entering = enter(&mut connection, &self.store, &self.connector.address.servers);
        let entered = timeout_at(deadline, entering).await.unwrap_or(Err(Fault::TimedOut))?;
        self.record_entry(entered);
        Ok(())
    }

    fn record_entry(&self, entered: Entered) {
        self.note_epoch(&entered.epoch);
        if entered.outcome == Outcome::Replaced {
            tracing::warn!(epoch = %entered.epoch, "Redis restarted or failed over, and confirmed entries may be lost: a new epoch begins");
        }
        // Each connection reports the settings again; only new warnings are logged.
        let known = self.warnings();
        for warning in entered.server.warnings().iter().filter(|warning| !known.contains(warning)) {
            tracing::warn!("{warning}");
        }
        self.note_memory(&entered.server);
        self.note_keys(&entered.server);
        self.note_written();
        *self.server.write() = Some(entered.server);
    }

    /// Returns warnings about settings of the server that risk data.
    pub(super) fn warnings(&self) -> Vec<Arc<str>> {
        self.server.read().as_ref().map(ServerInfo::warnings).unwrap_or_default()
    }

    fn is_connected(&self) -> bool {
        matches!(&*self.state.borrow(), State::Connected(..))
    }

    /// Returns whether a server is connected, and no write has failed since the last one that succeeded.
    pub(super) fn is_writable(&self) -> bool {
        self.is_connected() && self.refused.lock().is_none()
    }

    /// Records that a write succeeded.
    pub(super) fn note_written(&self) {
        *self.refused.lock() = None;
    }

    /// Returns why there is no connection, or the last error reply of the server.
    pub(super) fn last_error(&self) -> Option<Arc<str>> {
        self.last_error.lock().clone().or_else(|| self.refused.lock().clone())
    }

    /// Returns the gate that decides whether there is space for new entries.
    pub(super) fn space(&self) -> &SpaceGate {
        &self.space
    }

    /// Returns how many keys of the database have an expiry, from the last check.
    pub(super) fn keys_with_expiry(&self) -> u64 {
        self.keys_with_expiry.load(Ordering::Relaxed)
    }

    fn note_memory(&self, server: &ServerInfo) {
        server.space().into_iter().for_each(|usage| self.space.observe(usage));
    }

    fn note_keys(&self, server: &ServerInfo) {
        self.keys_with_expiry.store(server.keys_with_expiry(self.connector.address.database), Ordering::Relaxed);
    }

    /// Closes the link, and does not wait for its tasks.
    pub(super) fn mark_closed(&self) {
        self.state.send_replace(State::Closed);
    }

    /// Closes the link, and waits for its tasks for a second.
    pub(super) async fn close(&self) {
        self.mark_closed();
        self.tasks.stop(Duration::from_secs(1)).await;
    }
}
