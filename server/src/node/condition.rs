//! How the node is: one task asks the store once a second, and everything that wants to know reads what it found.
//!
//! So a health probe never waits for the store, and costs it nothing however often it comes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use parking_lot::RwLock;
use realtime_gateway_protocol::ClanId;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::{Node, in_time};
use crate::{
    probe::{Probe, Probed},
    store::OutboxStatus,
    topic::Topic,
};

/// How often the store is asked.
const EVERY: Duration = Duration::from_secs(1);
/// What was found out longer ago than this says nothing of now: the node is not ready. A question takes two seconds at
/// most, so something else is wrong.
const FRESH: Duration = Duration::from_secs(10);
/// After this time without a question to the store nothing runs in this process as it should: it is not alive.
const ALIVE: Duration = Duration::from_secs(60);

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Status {
    /// All is well.
    Ok,
    /// It serves, but not everything.
    Degraded,
    /// The node is on its way out.
    Draining,
    /// It cannot serve.
    Unavailable,
}

/// What the node knows of its store.
pub(crate) struct Condition(RwLock<Found>);

#[derive(Debug, Clone, Copy)]
struct Found {
    at: Instant,
    store: StoreAnswer,
    outbox: Option<OutboxStatus>,
}

/// What the store is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    /// Whether it reads and writes.
    Works,
    /// How the outbox is.
    Outbox,
}

/// What the store answered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoreAnswer {
    /// It reads and writes.
    Works,
    /// It reads, and refuses to write.
    Refuses,
    /// It does not read, or does not answer in time.
    Fails,
}

impl Default for Condition {
    /// A store that has just been opened answers.
    fn default() -> Self {
        Self(RwLock::new(Found { at: Instant::now(), store: StoreAnswer::Works, outbox: None }))
    }
}

impl Status {
    /// Degraded is no reason to be taken out: a full disk still lets everybody read.
    pub(crate) fn serves(self) -> bool {
        matches!(self, Self::Ok | Self::Degraded)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Draining => "draining",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Node {
    /// Asks the store once a second how it is, until the node stops.
    pub(crate) async fn watch_condition(self: Arc<Self>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut questions = [Question::Works, if self.reports { Question::Outbox } else { Question::Works }];
        loop {
            ticks.tick().await;
            questions.rotate_left(1);
            self.ask_store(questions[0]).await;
        }
    }

    /// Asks one question, because no more than one a second is asked.
    async fn ask_store(&self, question: Question) {
        let mut found = *self.condition.0.read();
        match question {
            Question::Works => found.store = self.probe_store().await,
            Question::Outbox => match in_time(self.store.outbox_status()).await {
                Ok(outbox) => found.outbox = Some(outbox),
                Err(_) => found.store = StoreAnswer::Fails,
            },
        }
        found.at = Instant::now();
        *self.condition.0.write() = found;
    }

    /// Has the store read and write, because a broken one may not know that it is.
    async fn probe_store(&self) -> StoreAnswer {
        let Ok(clan) = ClanId::new("health") else { return StoreAnswer::Fails };
        let topics = [Topic::Clan(clan)];
        let probing = async {
            self.store.heads(&topics).await?;
            Ok(self.store.probe().await)
        };
        match in_time(probing).await {
            Ok(Ok(())) => StoreAnswer::Works,
            Ok(Err(_)) => StoreAnswer::Refuses,
            Err(_) => StoreAnswer::Fails,
        }
    }

    /// How the node is, as far as it knows.
    pub(crate) fn status(&self) -> Status {
        if self.is_draining() {
            return Status::Draining;
        }
        let found = *self.condition.0.read();
        if self.tasks.supervisor().failure().is_some() || found.at.elapsed() > FRESH {
            return Status::Unavailable;
        }
        if found.store == StoreAnswer::Fails {
            // A shared store that is away is away for every node: nobody gains when all are taken out at once.
            return if self.config().store.is_shared() { Status::Degraded } else { Status::Unavailable };
        }
        let is_bus_well = self.bus.status().is_well() && !self.bus.warnings().iter().any(|warning| warning.degrades);
        let store = self.store.status();
        // What a shared store lost is gone for good, and told to clients; a data file can be repaired.
        let is_sound = store.damaged == 0 || self.config().store.is_shared();
        let has_space = store.space.refusing.is_none();
        let is_store_well = found.store == StoreAnswer::Works && store.writable && is_sound && has_space;
        let is_clock_well = self.clock.status().is_well();
        let is_well = is_bus_well && is_store_well && is_clock_well && !is_overflowing(found.outbox);
        if is_well { Status::Ok } else { Status::Degraded }
    }

    /// Whether clients may be sent here. What is written to a data file that was removed or replaced would be lost with
    /// the process, so writes are refused, and clients go elsewhere, until the file is back.
    pub(crate) fn is_ready(&self) -> bool {
        self.status().serves() && !self.store.status().detached
    }

    /// Whether this process is alive.
    pub(crate) fn liveness(&self) -> Status {
        if self.condition.0.read().at.elapsed() > ALIVE { Status::Unavailable } else { Status::Ok }
    }

    /// How the outbox was when it was last looked at, where there is one.
    pub(crate) fn outbox(&self) -> Option<OutboxStatus> {
        self.condition.0.read().outbox
    }

    /// The answer to a probe.
    pub(crate) fn probed(&self, probe: Probe) -> Probed {
        let (status, serves) = match probe {
            Probe::Live => (self.liveness(), self.liveness().serves()),
            Probe::Ready => (self.status(), self.is_ready()),
        };
        let code = if serves { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        Probed { status: code, word: status.word() }
    }
}

/// Whether backend services are not told of something: as long as what was left out is not far behind what waits.
pub(crate) fn is_overflowing(outbox: Option<OutboxStatus>) -> bool {
    outbox.is_some_and(|outbox| outbox.overflowed > 0 && outbox.entries > 0)
}
