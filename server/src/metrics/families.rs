//! Families of metrics whose label values are known beforehand, so that no string is looked up in the registry later.

use std::collections::HashMap;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Bounds for what usually takes micro- to milliseconds.
const SHORT: [f64; 12] = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];
/// Bounds for what takes seconds to days.
const LONG: [f64; 9] = [1.0, 10.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0];

/// Counters by a label whose values are known; others count as `other`.
pub struct Counters {
    known: HashMap<String, IntCounter>,
    /// The same counters, in the order in which the values were given.
    ordered: Vec<IntCounter>,
    other: IntCounter,
}

impl Counters {
    /// The counter of a label value.
    pub fn of(&self, value: &str) -> &IntCounter {
        self.known.get(value).unwrap_or(&self.other)
    }

    /// Adds to the counter of the label value at a place in the list of known ones.
    pub fn add_at(&self, index: usize, count: u64) {
        if count > 0 {
            self.ordered.get(index).unwrap_or(&self.other).inc_by(count);
        }
    }

    /// All that are not zero, by label value.
    pub fn nonzero(&self) -> Vec<(&str, u64)> {
        let mut counts: Vec<_> = self.known.iter().map(|(value, counter)| (value.as_str(), counter.get())).collect();
        counts.push(("other", self.other.get()));
        counts.retain(|(_, count)| *count > 0);
        counts.sort_unstable();
        counts
    }

    /// The sum over all label values.
    pub fn sum(&self) -> u64 {
        self.known.values().chain([&self.other]).map(IntCounter::get).sum()
    }
}

/// Histograms by a label whose values are known; others count as `other`.
pub struct Histograms {
    known: HashMap<String, Histogram>,
    other: Histogram,
}

impl Histograms {
    /// The histogram of a label value.
    pub fn of(&self, value: &str) -> &Histogram {
        self.known.get(value).unwrap_or(&self.other)
    }
}

/// Makes metrics and registers them.
pub(super) struct Maker<'a> {
    pub(super) registry: &'a Registry,
}

impl Maker<'_> {
    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        let gauge = IntGauge::with_opts(opts(name, help))?;
        self.registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        let gauges = IntGaugeVec::new(opts(name, help), labels)?;
        self.registry.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let counter = IntCounter::with_opts(opts(name, help))?;
        self.registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    pub(super) fn counters(&self, name: &str, help: &str, label: &str) -> Result<IntCounterVec, prometheus::Error> {
        let counters = IntCounterVec::new(opts(name, help), &[label])?;
        self.registry.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    pub(super) fn known(
        &self,
        name: &str,
        help: &str,
        label: &str,
        values: &[&str],
    ) -> Result<Counters, prometheus::Error> {
        let family = self.counters(name, help, label)?;
        let ordered: Vec<_> = values.iter().map(|value| family.with_label_values(&[value])).collect();
        let known =
            values.iter().zip(&ordered).map(|(value, counter)| ((*value).to_owned(), counter.clone())).collect();
        Ok(Counters { known, ordered, other: family.with_label_values(&["other"]) })
    }

    pub(super) fn short(&self, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
        self.histogram(name, help, &SHORT)
    }

    pub(super) fn long(&self, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
        self.histogram(name, help, &LONG)
    }

    pub(super) fn timed(
        &self,
        name: &str,
        help: &str,
        label: &str,
        values: &[&str],
    ) -> Result<Histograms, prometheus::Error> {
        let options = HistogramOpts::from(opts(name, help)).buckets(SHORT.to_vec());
        let family = HistogramVec::new(options, &[label])?;
        self.registry.register(Box::new(family.clone()))?;
        let known = values.iter().map(|value| ((*value).to_owned(), family.with_label_values(&[value]))).collect();
        Ok(Histograms { known, other: family.with_label_values(&["other"]) })
    }

    fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Result<Histogram, prometheus::Error> {
        let histogram = Histogram::with_opts(HistogramOpts::from(opts(name, help)).buckets(bounds.to_vec()))?;
        self.registry.register(Box::new(histogram.clone()))?;
        Ok(histogram)
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("gateway_{name}"), help)
}
