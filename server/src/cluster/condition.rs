//! The health of the node: one task probes the store once a second, and readers get the latest result.
//!
//! A health request therefore never waits for the store, and any number of requests adds no load to it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::RwLock;
use realtime_gateway_protocol::ClanId;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    bus::{BackendBroker, Bus},
    config::LiveConfig,
    confirmation::in_time,
    node::Node,
    runtime::{clock::NodeClock, supervision::Supervisor},
    store::{OutboxStatus, Store},
    topic::Topic,
};

/// The interval of store probes.
const EVERY: Duration = Duration::from_secs(1);
/// The age after which a result is outdated and the node counts as not ready. A probe takes at most two seconds, so the
/// task that probes must be stuck.
const MAX_AGE_READY: Duration = Duration::from_secs(10);
/// The age of the latest result after which the process counts as not alive, because its tasks make no progress.
const MAX_AGE_ALIVE: Duration = Duration::from_secs(60);

/// The status of the node or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Status {
    /// Everything works.
    Ok,
    /// It serves, but with restrictions.
    Degraded,
    /// The node shuts down gracefully.
    Draining,
    /// It cannot serve.
    Unavailable,
}

/// The parts that [`Condition`] examines.
pub(crate) struct ConditionParts {
    pub(crate) node: Arc<Node>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) broker: Option<Arc<BackendBroker>>,
    pub(crate) supervisor: Supervisor,
    pub(crate) config: LiveConfig,
    pub(crate) clock: NodeClock,
}

/// The latest known condition of the node.
pub(crate) struct Condition {
    latest: RwLock<ProbeResult>,
    parts: ConditionParts,
}

#[derive(Debug, Clone, Copy)]
struct ProbeResult {
    at: Instant,
    store: StoreState,
    outbox: Option<OutboxStatus>,
}

/// What a probe checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Whether the store reads and writes.
    Works,
    /// The status of the outbox.
    Outbox,
}

/// The result of the latest check of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StoreState {
    /// It reads and writes.
    Works,
    /// It reads, but rejects writes.
    Refuses,
    /// It does not read, or does not answer in time.
    Fails,
}

impl Status {
    /// Returns whether clients may be sent to the node. A degraded node still serves: with a full disk, for example,
    /// clients can still read.
    pub(crate) fn serves(self) -> bool {
        matches!(self, Self::Ok | Self::Degraded)
    }

    /// Returns the status as the word in the answers of probes.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Draining => "draining",
            Self::Unavailable => "unavailable",
        }
    }
}

impl Condition {
    /// Creates a condition. It starts with a working store, because the store has just been opened.
    pub(crate) fn new(parts: ConditionParts) -> Self {
        let latest = ProbeResult { at: Instant::now(), store: StoreState::Works, outbox: None };
        Self { latest: RwLock::new(latest), parts }
    }

    /// Probes the store once a second until the node stops.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let has_outbox = !self.parts.config.get().bus.is_embedded();
        let mut checks = [Check::Works, if has_outbox { Check::Outbox } else { Check::Works }];
        loop {
            ticks.tick().await;
            checks.rotate_left(1);
            self.probe(checks[0]).await;
        }
    }

    /// Makes one check. The checks alternate, so that the store gets at most one request per second.
    async fn probe(&self, check: Check) {
        let mut latest = *self.latest.read();
        match check {
            Check::Works => latest.store = self.probe_store().await,
            Check::Outbox => match in_time(self.parts.store.outbox_status()).await {
                Ok(outbox) => latest.outbox = Some(outbox),
                Err(_) => latest.store = StoreState::Fails,
            },
        }
        latest.at = Instant::now();
        *self.latest.write() = latest;
    }

    /// Lets the store read and write, because a failing store may not report its failure by itself.
    async fn probe_store(&self) -> StoreState {
        let Ok(clan) = ClanId::new("health") else { return StoreState::Fails };
        let topics = [Topic::Clan(clan)];
        let probing = async {
            self.parts.store.heads(&topics).await?;
            Ok(self.parts.store.probe().await)
        };
        match in_time(probing).await {
            Ok(Ok(())) => StoreState::Works,
            Ok(Err(_)) => StoreState::Refuses,
            Err(_) => StoreState::Fails,
        }
    }

    /// Returns the status of the node, based on the latest probe.
    pub(crate) fn status(&self) -> Status {
        if self.parts.node.is_draining() {
            return Status::Draining;
        }
        let latest = *self.latest.read();
        if self.parts.supervisor.failure().is_some() || latest.at.elapsed() > MAX_AGE_READY {
            return Status::Unavailable;
        }
        if latest.store == StoreState::Fails {
            // An unavailable shared store affects every node. Taking all nodes out of the load balancer would not help.
            return if self.parts.config.get().store.is_shared() { Status::Degraded } else { Status::Unavailable };
        }
        let is_cluster_healthy = self.parts.bus.status().is_none_or(|status| status.connection.is_connected());
        let is_broker_healthy = self.parts.broker.as_ref().is_none_or(|broker| broker.is_healthy());
        let store = self.parts.store.status();
        // A data file can be repaired, so its damage is reported. Losses of a shared store are permanent and were
        // already reported to clients.
        let is_sound = store.damaged == 0 || self.parts.config.get().store.is_shared();
        let has_space = store.space.refusing.is_none();
        let is_store_healthy = latest.store == StoreState::Works && store.writable && is_sound && has_space;
        let is_clock_healthy = self.parts.clock.status().is_healthy();
        let is_healthy = is_cluster_healthy
            && is_broker_healthy
            && is_store_healthy
            && is_clock_healthy
            && !is_overflowing(latest.outbox);
        if is_healthy { Status::Ok } else { Status::Degraded }
    }

    /// Returns whether load balancers may send clients to this node. While the data file is removed or replaced, the
    /// store rejects writes, because they would be lost with the process, and clients should use other nodes.
    pub(crate) fn is_ready(&self) -> bool {
        self.status().serves() && !self.parts.store.status().detached
    }

    /// Returns whether this process is alive.
    pub(crate) fn liveness(&self) -> Status {
        if self.latest.read().at.elapsed() > MAX_AGE_ALIVE { Status::Unavailable } else { Status::Ok }
    }

    /// Returns the latest status of the outbox, if there is one.
    pub(crate) fn outbox(&self) -> Option<OutboxStatus> {
        self.latest.read().outbox
    }
}

/// Returns whether the outbox overflows: events for backend services were left out, and the events from that time are
/// still waiting.
pub(crate) fn is_overflowing(outbox: Option<OutboxStatus>) -> bool {
    outbox.is_some_and(|outbox| outbox.overflowed > 0 && outbox.entries > 0)
}
