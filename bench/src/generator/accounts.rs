//! Accounts for deliveries: how many there were, how long they took, and what was wrong.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::{
    connection::Connection,
    mark::Mark,
    receipts::{Arrival, Faults},
};

/// The longest recorded latency, in microseconds.
const LONGEST: u64 = 120_000_000;

/// What has been delivered so far.
pub(super) struct Accounts {
    /// First deliveries of messages.
    pub(super) delivered: u64,
    /// When the newest of them arrived.
    pub(super) last_delivery: Duration,
    /// When the measurement began. Latencies of messages that were sent earlier are not recorded.
    pub(super) measured_from: Option<Duration>,
    /// The topics whose messages arrived, if the next one is published then.
    pub(super) answered: Option<Vec<u32>>,
    /// Latencies in microseconds.
    pub(super) latency: Histogram<u64>,
    /// What was wrong.
    pub(super) faults: Faults,
}

impl Accounts {
    /// Begins without deliveries.
    pub(super) fn new(notes_answers: bool) -> Self {
        Self {
            delivered: 0,
            last_delivery: Duration::ZERO,
            measured_from: None,
            answered: notes_answers.then(Vec::new),
            latency: Histogram::new_with_bounds(1, LONGEST, 3).expect("valid bounds"),
            faults: Faults::default(),
        }
    }

    /// Records a delivery.
    pub(super) fn deliver(&mut self, connection: &mut Connection, mark: Mark, now: Duration) {
        match connection.receipts_of(mark.topic).map(|receipts| receipts.record(mark.sequence)) {
            None => return self.faults.errors += 1,
            Some(Arrival::Repeated) => return self.faults.doubled += 1,
            Some(Arrival::Late) => self.faults.reordered += 1,
            Some(Arrival::InOrder) => {}
        }
        self.delivered += 1;
        self.last_delivery = now;
        let sent = Duration::from_nanos(mark.sent);
        if self.measured_from.is_some_and(|from| sent >= from) {
            let micros = now.saturating_sub(sent).as_micros() as u64;
            self.latency.saturating_record(micros.max(1));
        }
        if let Some(answered) = &mut self.answered {
            answered.push(mark.topic);
        }
    }

    /// Reports a connection that ended, or a message that was refused. Only the first problem is printed.
    pub(super) fn report_error(&mut self, what: &str) {
        if self.faults.errors == 0 {
            println!("  {what}");
        }
        self.faults.errors += 1;
    }
}
