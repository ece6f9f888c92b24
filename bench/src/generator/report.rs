//! What a load has measured.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::receipts::Faults;

/// The figures of one load.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The server's CPU time for each connection, until it is subscribed. The first fifth of them is a warm-up.
    pub(crate) connect_cpu: Duration,
    /// The server's memory for each connection, in bytes, some seconds after the last one.
    pub(crate) idle_bytes: f64,
    /// Deliveries in the time of the measurement.
    pub(crate) deliveries: u64,
    /// The time of the measurement.
    pub(crate) elapsed: Duration,
    /// The server's CPU time in it.
    pub(crate) server_cpu: Duration,
    /// The load generator's CPU time in it.
    pub(crate) client_cpu: Duration,
    /// The time from sending to receiving, in microseconds, of the messages sent in it.
    pub(crate) latency: Histogram<u64>,
    /// What was wrong, from the first message to the last.
    pub(crate) faults: Faults,
}

impl Report {
    /// Returns the server's CPU time for each delivery, in microseconds.
    pub(crate) fn cpu_micros(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.deliveries as f64
    }

    /// Returns the deliveries a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.deliveries as f64 / self.elapsed.as_secs_f64()
    }

    /// Returns the latency at a quantile, in microseconds.
    pub(crate) fn latency_micros(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64
    }

    /// Returns whether the load generator used nearly all of a core, so that the server could have been faster.
    pub(crate) fn is_bound_by_client(&self) -> bool {
        self.client_cpu.as_secs_f64() > 0.9 * self.elapsed.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computes_figures_for_each_delivery_and_second() {
        let mut latency = Histogram::new(3).unwrap();
        (1..=100).for_each(|micros| latency.record(micros).unwrap());
        let report = Report {
            connect_cpu: Duration::ZERO,
            idle_bytes: 0.0,
            deliveries: 80_000,
            elapsed: Duration::from_secs(4),
            server_cpu: Duration::from_millis(400),
            client_cpu: Duration::from_millis(3_700),
            latency,
            faults: Faults::default(),
        };
        assert_eq!((report.cpu_micros(), report.per_second()), (5.0, 20_000.0));
        assert_eq!((report.latency_micros(0.5), report.latency_micros(0.99)), (50.0, 99.0));
        assert!(report.is_bound_by_client());
    }
}
