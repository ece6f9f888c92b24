//! The result of a bench.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde::Serialize;

use super::{
    client::Outcome,
    run::{Run, Times},
};

/// The result of a bench, as it is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    clients: usize,
    connected_in_seconds: f64,
    /// For how long messages were sent.
    seconds: f64,
    sent: u64,
    confirmed: u64,
    /// The deliveries of confirmed messages that should have come.
    expected: u64,
    received: u64,
    lost: u64,
    doubled: u64,
    out_of_order: u64,
    /// Errors of the gateway, by their codes.
    errors: BTreeMap<String, u64>,
    /// How many connections ended, by the reason.
    disconnected: BTreeMap<String, u64>,
    confirmation_micros: Quantiles,
    delivery_micros: Quantiles,
}

/// A distribution of times, in microseconds.
#[derive(Debug, Serialize)]
struct Quantiles {
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    max: u64,
}

impl From<&Times> for Quantiles {
    fn from(times: &Times) -> Self {
        let [p50, p90, p99, p999, max] = [0.5, 0.9, 0.99, 0.999, 1.0].map(|share| times.quantile(share));
        Self { p50, p90, p99, p999, max }
    }
}

impl Report {
    /// Sums up what the clients have seen.
    pub(super) fn new(run: &Run, connected_in: Duration, outcomes: &[Outcome]) -> Self {
        let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum();
        let (mut errors, mut disconnected) = (BTreeMap::new(), BTreeMap::new());
        for outcome in outcomes {
            for (code, count) in &outcome.errors {
                *errors.entry(code.clone()).or_default() += count;
            }
            if let Some(reason) = &outcome.ended {
                *disconnected.entry(reason.clone()).or_default() += 1;
            }
        }
        Self {
            clients: outcomes.len(),
            connected_in_seconds: connected_in.as_secs_f64(),
            seconds: run.plan.duration.as_secs_f64(),
            sent: sum(|outcome| outcome.sent),
            confirmed: sum(|outcome| outcome.confirmed),
            expected: sum(|outcome| outcome.expected),
            received: sum(|outcome| outcome.offsets.received),
            lost: sum(|outcome| outcome.lost),
            doubled: sum(|outcome| outcome.offsets.doubled),
            out_of_order: sum(|outcome| outcome.offsets.out_of_order),
            errors,
            disconnected,
            confirmation_micros: (&run.confirmations).into(),
            delivery_micros: (&run.deliveries).into(),
        }
    }

    /// Returns whether every message was confirmed and came once and in order, and no connection ended.
    pub(super) fn is_clean(&self) -> bool {
        self.sent == self.confirmed
            && self.lost + self.doubled + self.out_of_order == 0
            && self.errors.is_empty()
            && self.disconnected.is_empty()
    }

    /// Returns the report as one line of JSON.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub(super) fn json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(self)? + "\n")
    }

    /// Returns the report for people.
    pub(super) fn text(&self) -> String {
        let each_second = |count: u64| count as f64 / self.seconds;
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(text, "connected     {} in {:.2} s", self.clients, self.connected_in_seconds);
        let _ = writeln!(
            text,
            "sent          {} ({:.0}/s), {} confirmed",
            self.sent,
            each_second(self.sent),
            self.confirmed
        );
        let _ = writeln!(
            text,
            "received      {} of {} ({:.0}/s): {} lost, {} doubled, {} out of order",
            self.received,
            self.expected,
            each_second(self.received),
            self.lost,
            self.doubled,
            self.out_of_order
        );
        for (name, times) in [("confirmation", &self.confirmation_micros), ("delivery", &self.delivery_micros)] {
            let Quantiles { p50, p90, p99, p999, max } = times;
            let [p50, p90, p99, p999, max] = [p50, p90, p99, p999, max].map(|micros| *micros as f64 / 1_000.0);
            let _ = writeln!(
                text,
                "{name:<13} p50 {p50:.2} ms, p90 {p90:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms, longest {max:.2} ms"
            );
        }
        for (code, count) in &self.errors {
            let _ = writeln!(text, "refused       {count} with {code}");
        }
        for (reason, count) in &self.disconnected {
            let _ = writeln!(text, "disconnected  {count}: {reason}");
        }
        text
    }
}
