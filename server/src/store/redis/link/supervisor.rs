//! Whoever makes the connection to Redis anew, for ever, and looks after it.

use std::{collections::HashMap, sync::Arc, sync::atomic::Ordering, time::Duration};

use redis::{aio::MultiplexedConnection, pipe};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use uuid::Uuid;

use super::{
    super::{advice::Server, enter::enter, fault::Fault},
    DEADLINE, Link, State,
};

/// How often a connection is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Between two attempts to connect, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

impl Link {
    /// Connects for ever.
    pub(super) async fn supervise(self: &Arc<Self>) {
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
    pub(super) async fn entered(&self) -> Result<(MultiplexedConnection, Driving), Fault> {
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
                    // Before version 7 a server answers for one section at a time. Both cost it next to nothing.
                    let mut sections = pipe();
                    sections.cmd("INFO").arg("memory").cmd("INFO").arg("keyspace");
                    match timeout(DEADLINE, sections.query_async::<(String, String)>(&mut connection)).await {
                        Ok(Ok((memory, keyspace))) => {
                            self.note_memory(&Server::of(&memory, HashMap::new()));
                            self.note_keys(&Server::of(&keyspace, HashMap::new()));
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
}

/// The task that moves a connection's bytes; it ends with this.
pub(super) struct Driving(JoinHandle<()>);

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
