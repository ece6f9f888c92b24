//! Supervises the connection to Redis: checks it once a second, and replaces it when it is lost.

use std::{collections::HashMap, sync::Arc, sync::atomic::Ordering, time::Duration};

use redis::{aio::MultiplexedConnection, pipe};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use uuid::Uuid;

use super::{
    super::{enter::enter, fault::Fault, server_info::ServerInfo},
    DEADLINE, Link, State,
};

/// How often a connection is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The time between two attempts to connect: the first, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

impl Link {
    /// Keeps the link connected until the task is stopped.
    pub(super) async fn supervise(self: &Arc<Self>) {
        let mut generation = 0;
        let mut backoff = BACKOFF.0;
        loop {
            generation += 1;
            let fault = match self.connect(generation).await {
                Ok((connection, driver)) => {
                    backoff = BACKOFF.0;
                    let fault = self.watch_connection(connection, generation, driver).await;
                    tracing::warn!(error = %fault, "the connection to Redis is lost");
                    fault
                }
                Err(fault) => {
                    tracing::debug!(error = %fault, "connecting to Redis failed");
                    fault
                }
            };
            self.note_lost(fault);
            sleep(with_jitter(backoff)).await;
            backoff = (backoff * 2).min(BACKOFF.1);
        }
    }

    /// Opens a connection, enters the store, and makes the connection the shared one.
    async fn connect(self: &Arc<Self>, generation: u64) -> Result<(MultiplexedConnection, DriverTask), Fault> {
        let (connection, driver) = self.connect_and_enter().await?;
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

    /// Opens a connection, and enters the store on it.
    pub(super) async fn connect_and_enter(&self) -> Result<(MultiplexedConnection, DriverTask), Fault> {
        let (mut connection, driver) = self.connector.connect().await?;
        let driver = DriverTask(self.tasks.spawn_until_stopped(driver));
        let entering = enter(&mut connection, &self.store, &self.connector.address.servers);
        self.record_entry(timeout(DEADLINE, entering).await.unwrap_or(Err(Fault::TimedOut))?);
        Ok((connection, driver))
    }

    /// Watches a connection until it has to be replaced, and returns the reason.
    async fn watch_connection(
        &self,
        mut connection: MultiplexedConnection,
        generation: u64,
        mut driver: DriverTask,
    ) -> Fault {
        let mut next_check = Instant::now() + CHECK_INTERVAL;
        loop {
            tokio::select! {
                _ = &mut driver.0 => return Fault::ConnectionBroken("Redis closed the connection".into()),
                () = self.broken.notified() => {
                    if self.broken_generation.load(Ordering::Acquire) >= generation {
                        return Fault::ConnectionBroken("Redis sent an unexpected reply".into());
                    }
                }
                () = sleep_until(next_check) => {
                    // Before version 7, `INFO` takes one section only. Both sections are cheap for the server.
                    let mut sections = pipe();
                    sections.cmd("INFO").arg("memory").cmd("INFO").arg("keyspace");
                    match timeout(DEADLINE, sections.query_async::<(String, String)>(&mut connection)).await {
                        Ok(Ok((memory, keyspace))) => {
                            self.note_memory(&ServerInfo::parse(&memory, HashMap::new()));
                            self.note_keys(&ServerInfo::parse(&keyspace, HashMap::new()));
                        }
                        Ok(Err(error)) => return error.into(),
                        Err(_) => return Fault::TimedOut,
                    }
                    next_check = Instant::now() + CHECK_INTERVAL;
                }
            }
        }
    }

    fn note_lost(&self, fault: Fault) {
        *self.last_error.lock() = Some(fault.to_string().into());
        self.state.send_if_modified(|state| match state {
            State::Closed => false,
            State::Connected(..) => {
                *state = State::Disconnected { since: Instant::now(), fault };
                true
            }
            State::Disconnected { fault: last, .. } => {
                *last = fault;
                true
            }
        });
    }
}

/// The task that reads and writes the bytes of a connection. Dropping this ends the task.
pub(super) struct DriverTask(JoinHandle<()>);

impl Drop for DriverTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Returns a random time between half of `time` and `time`, so that nodes do not connect at the same moment.
pub(in crate::redis) fn with_jitter(time: Duration) -> Duration {
    // The last bits of a UUIDv7 are random.
    time.mul_f64(0.5 + f64::from(Uuid::now_v7().as_u128() as u32) / f64::from(u32::MAX) / 2.0)
}
