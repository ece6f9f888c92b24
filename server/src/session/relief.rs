//! Memory relief: closes the connections that buffer most when all connections together exceed the node's memory
//! budget.
//!
//! A client that keeps up is never closed: candidates are only connections whose client does not read what it is sent,
//! or does not finish a message that it sends. Connections without a session are closed first, then those whose client
//! has read nothing for a second, then those that are behind. Within each of the three ranks the connections with the
//! most buffered bytes are closed first. Closing stops when a tenth of the budget is free, so that the next message
//! does not exceed the budget again.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use tokio::time::sleep;

use super::connections::{Connections, HasSession};
use crate::{delivery::outbound::Outbound, metrics::Metrics, runtime::memory::MemoryBudget, telemetry::log_limited};

/// The shortest time between two runs. It is bounded because each run examines every connection.
const MIN_INTERVAL: Duration = Duration::from_millis(25);
/// A client that has read nothing for this long counts as stalled, and not as merely behind after a burst.
const STALLED: Duration = Duration::from_secs(1);

/// A connection that may be closed.
struct Candidate {
    outbound: Arc<Outbound>,
    rank: Rank,
    bytes: usize,
}

/// The order in which connections are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    WithoutSession,
    Stalled,
    Behind,
}

/// Keeps the node within its memory budget.
pub(crate) struct MemoryRelief {
    budget: Arc<MemoryBudget>,
    connections: Arc<Connections>,
    metrics: Arc<Metrics>,
}

impl MemoryRelief {
    /// Creates a relief for these connections. It does nothing until it runs.
    pub(crate) fn new(budget: Arc<MemoryBudget>, connections: Arc<Connections>, metrics: Arc<Metrics>) -> Self {
        Self { budget, connections, metrics }
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        loop {
            self.budget.until_exceeded().await;
            self.close_largest();
            sleep(MIN_INTERVAL).await;
        }
    }

    fn close_largest(&self) {
        let limit = self.budget.limit();
        let mut closing = 0;
        let mut candidates = Vec::new();
        for (outbound, has_session) in self.connections.queues() {
            let footprint = outbound.footprint();
            let bytes = footprint.bytes();
            if outbound.is_closed() {
                // The connection was asked to close and will release these bytes soon.
                closing += bytes;
            } else if bytes > 0 && footprint.is_held_up() {
                let rank = match has_session {
                    HasSession::No => Rank::WithoutSession,
                    HasSession::Yes if footprint.blocked_for() >= STALLED => Rank::Stalled,
                    HasSession::Yes => Rank::Behind,
                };
                candidates.push(Candidate { outbound, rank, bytes });
            }
        }
        let used = self.budget.staying();
        let mut remaining = used.saturating_sub(closing);
        if remaining <= limit {
            return;
        }
        candidates.sort_unstable_by_key(|candidate| (candidate.rank, Reverse(candidate.bytes)));
        let target = limit - limit / 10;
        let mut closed = 0_u64;
        for candidate in candidates {
            if remaining <= target {
                break;
            }
            candidate.outbound.close_for_memory();
            remaining = remaining.saturating_sub(candidate.bytes);
            closed += 1;
        }
        self.metrics.memory_closed_total.inc_by(closed);
        log_limited!(
            WARN,
            { limit, used, closed },
            "connections buffer more than limits.outbound_total; those that do not read are closed with 4508"
        );
    }
}
