//! Makes room when clients make the node hold more than its memory budget: the connections that hold most are closed.
//!
//! A client that reads loses nothing by this: only connections are closed that do not take what they are sent, or do not
//! finish what they send. Those without a session go first, then those that have taken nothing for a second, then those
//! that are behind; within each of the three the ones that hold most. It goes on until a tenth of the budget is free, so
//! that the next message does not start it again.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use super::{Node, connections::HasSession};
use crate::{outbound::Outbound, telemetry::log_limited};

/// The shortest time between two searches, each of which looks at every connection.
const EVERY: Duration = Duration::from_millis(25);
/// A client that has taken nothing for this long is not merely behind after a burst.
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

impl Node {
    /// Keeps the node within its memory budget, until it stops.
    pub(crate) async fn keep_memory(self: Arc<Self>) {
        loop {
            self.memory.until_exceeded().await;
            self.make_room();
            tokio::time::sleep(EVERY).await;
        }
    }

    fn make_room(&self) {
        let limit = self.memory.limit();
        let mut closing = 0;
        let mut candidates = Vec::new();
        for (outbound, has_session) in self.connections.queues() {
            let footprint = outbound.footprint();
            let bytes = footprint.bytes();
            if outbound.is_closed() {
                // It was told to close, and has not begun to.
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
        let used = self.memory.staying();
        let mut left = used.saturating_sub(closing);
        if left <= limit {
            return;
        }
        candidates.sort_unstable_by_key(|candidate| (candidate.rank, Reverse(candidate.bytes)));
        let target = limit - limit / 10;
        let mut closed = 0_u64;
        for candidate in candidates {
            if left <= target {
                break;
            }
            candidate.outbound.close_for_memory();
            left = left.saturating_sub(candidate.bytes);
            closed += 1;
        }
        self.metrics.memory_closed_total.inc_by(closed);
        log_limited!(
            WARN,
            { limit, used, closed },
            "clients make the node hold more than limits.outbound_total; those that do not read are closed with 4508"
        );
    }
}
