//! What the clients of a bench share.

use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use super::Plan;

/// The longest time that is recorded exactly: 10 minutes, in microseconds.
const MAX_MICROS: u64 = 600_000_000;

/// A bench that runs.
pub(super) struct Run {
    pub(super) plan: Plan,
    /// Tells the messages of this run from those of others in the same clans.
    pub(super) id: String,
    /// When sending began. Messages contain the time since.
    pub(super) began: Instant,
    /// Times from a message to its confirmation.
    pub(super) confirmations: Times,
    /// Times from a message to its delivery.
    pub(super) deliveries: Times,
    /// The newest confirmed offset of each clan.
    heads: Mutex<Vec<u64>>,
    /// How many publishers wait for no confirmation any more.
    settled: watch::Sender<usize>,
}

/// A distribution of times.
pub(super) struct Times(Mutex<Histogram<u64>>);

impl Times {
    fn new() -> anyhow::Result<Self> {
        Ok(Self(Mutex::new(Histogram::new_with_bounds(1, MAX_MICROS, 3)?)))
    }

    pub(super) fn record(&self, time: Duration) {
        self.0.lock().saturating_record(u64::try_from(time.as_micros()).unwrap_or(MAX_MICROS));
    }

    /// Returns the time that this share of all times does not exceed, in microseconds. 0 without times.
    pub(super) fn quantile(&self, share: f64) -> u64 {
        self.0.lock().value_at_quantile(share)
    }
}

impl Run {
    /// Begins a bench whose clients are connected.
    ///
    /// # Errors
    /// Never: the bounds of the histograms are valid.
    pub(super) fn new(plan: Plan) -> anyhow::Result<Self> {
        Ok(Self {
            id: uuid::Uuid::now_v7().simple().to_string(),
            began: Instant::now(),
            confirmations: Times::new()?,
            deliveries: Times::new()?,
            heads: Mutex::new(vec![0; plan.clans()]),
            settled: watch::Sender::new(0),
            plan,
        })
    }

    /// Notes that a publisher sends no more, and the newest offset that was confirmed to it.
    pub(super) fn settle(&self, clan: usize, head: u64) {
        if let Some(known) = self.heads.lock().get_mut(clan) {
            *known = head.max(*known);
        }
        self.settled.send_modify(|settled| *settled += 1);
    }

    /// Returns a receiver of the number of publishers that have settled.
    pub(super) fn settled(&self) -> watch::Receiver<usize> {
        self.settled.subscribe()
    }

    /// Returns the newest confirmed offset of a clan.
    pub(super) fn head(&self, clan: usize) -> u64 {
        self.heads.lock().get(clan).copied().unwrap_or_default()
    }
}
