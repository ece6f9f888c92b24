//! The figures of all rounds: medians, and ratios within rounds.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    contender::Contender,
    metric::{Aim, Better, Metric},
};
use crate::statistics::median;

/// The figures of all servers.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// The figure of each round.
    rounds: BTreeMap<(Contender, Metric), BTreeMap<u16, f64>>,
    /// Those that the load generator limited in some round.
    bound_by_client: BTreeSet<(Contender, Metric)>,
}

impl Figures {
    /// Adds the figure of a round.
    pub(super) fn add(&mut self, round: u16, contender: Contender, metric: Metric, value: f64, is_bound: bool) {
        self.rounds.entry((contender, metric)).or_default().insert(round, value);
        if is_bound {
            self.bound_by_client.insert((contender, metric));
        }
    }

    /// Returns the servers that were measured.
    pub(super) fn contenders(&self) -> Vec<Contender> {
        let contenders: BTreeSet<Contender> = self.rounds.keys().map(|(contender, _)| *contender).collect();
        contenders.into_iter().collect()
    }

    /// Returns the metrics that were measured.
    pub(super) fn metrics(&self) -> Vec<Metric> {
        let metrics: BTreeSet<Metric> = self.rounds.keys().map(|(_, metric)| *metric).collect();
        metrics.into_iter().collect()
    }

    /// Returns the median of the rounds.
    pub(super) fn median(&self, contender: Contender, metric: Metric) -> Option<f64> {
        Some(median(self.rounds.get(&(contender, metric))?.values().copied()))
    }

    /// Returns whether the load generator limited the server, which could have been faster.
    pub(super) fn is_bound_by_client(&self, contender: Contender, metric: Metric) -> bool {
        metric == Metric::Saturation && self.bound_by_client.contains(&(contender, metric))
    }

    /// Returns the median of the ratios to the floor within each round.
    pub(super) fn ratio_to_floor(&self, contender: Contender, metric: Metric) -> Option<f64> {
        self.ratio((contender, metric), (Contender::Floor, metric.of_floor()))
    }

    fn ratio(&self, of: (Contender, Metric), to: (Contender, Metric)) -> Option<f64> {
        let (of, to) = (self.rounds.get(&of)?, self.rounds.get(&to)?);
        let ratios: Vec<f64> = of.iter().filter_map(|(round, value)| Some(value / to.get(round)?)).collect();
        (!ratios.is_empty()).then(|| median(ratios))
    }

    /// Returns the figure of a server in the unit of the aim, and whether the aim is met. Returns `None` if there is no
    /// aim, or if the server that it refers to was not measured.
    pub(super) fn verdict(&self, contender: Contender, metric: Metric) -> Option<(f64, bool)> {
        let (value, limit) = match metric.aim()? {
            Aim::Times(factor, other) => (self.ratio((contender, metric), (other, metric))?, factor),
            Aim::Figure(figure) => (self.median(contender, metric)?, figure),
        };
        let is_met = match metric.better() {
            Better::Lower => value <= limit,
            Better::Higher => value >= limit,
        };
        Some((value, is_met))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns figures of three rounds, in which the machine had different speeds.
    pub(in super::super) fn figures(ours: f64) -> Figures {
        let mut figures = Figures::default();
        for (round, speed) in [(1, 1.0), (2, 5.0), (3, 1.1)] {
            figures.add(round, Contender::Floor, Metric::FanOut, 5.0 * speed, false);
            figures.add(round, Contender::GatewayOneLoop, Metric::FanOut, 5.0 * speed * ours, false);
            figures.add(round, Contender::GatewayOneLoop, Metric::TlsFanOut, 10.0 * speed, false);
            figures.add(round, Contender::Uwebsockets, Metric::Saturation, 1_000.0 / speed, false);
            figures.add(round, Contender::GatewayOneLoop, Metric::Saturation, 1_000.0 / speed * 1.5, true);
            figures.add(round, Contender::GatewayOneLoop, Metric::Idle, 2_600.0, false);
        }
        figures
    }

    #[test]
    fn takes_ratios_within_rounds_and_medians_of_figures() {
        let figures = figures(1.1);
        assert_eq!(figures.median(Contender::Floor, Metric::FanOut), Some(5.5));
        let ratio = figures.ratio_to_floor(Contender::GatewayOneLoop, Metric::FanOut).expect("both were measured");
        assert!((ratio - 1.1).abs() < 1e-9, "{ratio}");
        let tls = figures.ratio_to_floor(Contender::GatewayOneLoop, Metric::TlsFanOut);
        assert_eq!(tls, Some(2.0), "compared with the floor without TLS");
        assert_eq!(figures.ratio_to_floor(Contender::Centrifugo, Metric::FanOut), None);
    }

    #[test]
    fn judges_aims_by_their_direction() {
        let figures = figures(1.2);
        let verdict = |metric| figures.verdict(Contender::GatewayOneLoop, metric).map(|(_, is_met)| is_met);
        assert_eq!(verdict(Metric::FanOut), Some(false), "1.2 is more than 1.15");
        assert_eq!(verdict(Metric::Saturation), Some(true), "1.5 is more than 1.2");
        assert_eq!(verdict(Metric::Idle), Some(false), "2,600 bytes are more than 2,500");
        assert_eq!(verdict(Metric::Trips), None, "not measured");
        assert!(figures.is_bound_by_client(Contender::GatewayOneLoop, Metric::Saturation));
    }
}
