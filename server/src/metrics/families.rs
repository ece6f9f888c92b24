//! Creates, registers and lists metric families. Metrics whose label values are known in advance need no lookup later.

use std::{cell::RefCell, collections::HashMap};

use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    process_collector::ProcessCollector,
};

/// Histogram bounds for durations of micro- to milliseconds, in seconds.
const SHORT: [f64; 12] = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];
/// Histogram bounds for durations of seconds to days, in seconds.
const LONG: [f64; 9] = [1.0, 10.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0];

/// The description of a family, for the generated dashboard and for checks of alert rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// The full name, such as `gateway_connections_active`.
    pub name: String,
    /// The help text.
    pub help: String,
    /// The kind of metric.
    pub kind: Kind,
    /// The labels of its series, without those of the node.
    pub labels: Vec<String>,
}

impl Family {
    fn of(desc: &Desc, kind: Kind) -> Self {
        let (name, help, labels) = (desc.fq_name.clone(), desc.help.clone(), desc.variable_labels.clone());
        Self { name, help, kind, labels }
    }
}

/// The kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A value that only increases until the process restarts.
    Counter,
    /// A current value.
    Gauge,
    /// A distribution of values.
    Histogram,
}

/// Counters by a label whose values are known. Other values count as `other`.
pub struct Counters {
    known: HashMap<String, IntCounter>,
    /// The same counters in the order of the values.
    ordered: Vec<IntCounter>,
    other: IntCounter,
}

impl Counters {
    /// Returns the counter of a label value.
    pub fn of(&self, value: &str) -> &IntCounter {
        self.known.get(value).unwrap_or(&self.other)
    }

    /// Adds to the counter of the label value at this index of the known values.
    pub fn add_at(&self, index: usize, count: u64) {
        if count > 0 {
            self.ordered.get(index).unwrap_or(&self.other).inc_by(count);
        }
    }

    /// Returns all counters that are not zero, by label value.
    pub fn nonzero(&self) -> Vec<(&str, u64)> {
        let mut counts: Vec<_> = self.known.iter().map(|(value, counter)| (value.as_str(), counter.get())).collect();
        counts.push(("other", self.other.get()));
        counts.retain(|(_, count)| *count > 0);
        counts.sort_unstable();
        counts
    }

    /// Returns the sum over all label values.
    pub fn sum(&self) -> u64 {
        self.known.values().chain([&self.other]).map(IntCounter::get).sum()
    }
}

/// Histograms by a label whose values are known. Other values count as `other`.
pub struct Histograms {
    known: HashMap<String, Histogram>,
    other: Histogram,
}

impl Histograms {
    /// Returns the histogram of a label value.
    pub fn of(&self, value: &str) -> &Histogram {
        self.known.get(value).unwrap_or(&self.other)
    }
}

/// Creates and registers metrics, and lists their families.
pub(super) struct Maker<'a> {
    registry: &'a Registry,
    families: RefCell<Vec<Family>>,
}

impl<'a> Maker<'a> {
    /// Creates a maker and registers the metrics of the process.
    pub(super) fn new(registry: &'a Registry) -> Result<Self, prometheus::Error> {
        let process = ProcessCollector::for_self();
        let kind = |desc: &Desc| if desc.fq_name.ends_with("_total") { Kind::Counter } else { Kind::Gauge };
        let families = process.desc().into_iter().map(|desc| Family::of(desc, kind(desc))).collect();
        registry.register(Box::new(process))?;
        Ok(Self { registry, families: RefCell::new(families) })
    }

    /// Returns all families that were created.
    pub(super) fn families(self) -> Vec<Family> {
        self.families.into_inner()
    }

    fn register(&self, family: impl Collector + 'static, kind: Kind) -> Result<(), prometheus::Error> {
        self.families.borrow_mut().extend(family.desc().into_iter().map(|desc| Family::of(desc, kind)));
        self.registry.register(Box::new(family))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        let gauge = IntGauge::with_opts(opts(name, help))?;
        self.register(gauge.clone(), Kind::Gauge)?;
        Ok(gauge)
    }

    pub(super) fn ratio(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        let gauge = Gauge::with_opts(opts(name, help))?;
        self.register(gauge.clone(), Kind::Gauge)?;
        Ok(gauge)
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        let gauges = IntGaugeVec::new(opts(name, help), labels)?;
        self.register(gauges.clone(), Kind::Gauge)?;
        Ok(gauges)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let counter = IntCounter::with_opts(opts(name, help))?;
        self.register(counter.clone(), Kind::Counter)?;
        Ok(counter)
    }

    pub(super) fn counters(&self, name: &str, help: &str, label: &str) -> Result<IntCounterVec, prometheus::Error> {
        self.counters_of(name, help, &[label])
    }

    pub(super) fn counters_of(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let counters = IntCounterVec::new(opts(name, help), labels)?;
        self.register(counters.clone(), Kind::Counter)?;
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
        self.register(family.clone(), Kind::Histogram)?;
        let known = values.iter().map(|value| ((*value).to_owned(), family.with_label_values(&[value]))).collect();
        Ok(Histograms { known, other: family.with_label_values(&["other"]) })
    }

    fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Result<Histogram, prometheus::Error> {
        let histogram = Histogram::with_opts(HistogramOpts::from(opts(name, help)).buckets(bounds.to_vec()))?;
        self.register(histogram.clone(), Kind::Histogram)?;
        Ok(histogram)
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("gateway_{name}"), help)
}
