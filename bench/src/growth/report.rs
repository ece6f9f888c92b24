//! The table of growth, and what follows from it for a large deployment.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    capacity,
    point::{Measured, Point, Series},
};
use crate::{peers::Contender, statistics::median};

/// The figures of all rounds.
#[derive(Default)]
pub(super) struct Report(BTreeMap<(Point, Contender), Vec<Measured>>);

impl Report {
    /// Adds the figures of a round.
    pub(super) fn add(&mut self, point: Point, contender: Contender, measured: Measured) {
        self.0.entry((point, contender)).or_default().push(measured);
    }

    fn median(&self, point: Point, contender: Contender, figure: fn(&Measured) -> f64) -> Option<f64> {
        Some(median(self.0.get(&(point, contender))?.iter().map(figure)))
    }

    /// Returns the median of the ratios to the floor of each round, which have the same order.
    fn ratio(&self, point: Point, contender: Contender) -> Option<f64> {
        let (own, floor) = (self.0.get(&(point, contender))?, self.0.get(&(point, Contender::Floor))?);
        Some(median(own.iter().zip(floor).map(|(own, floor)| own.micros / floor.micros)))
    }

    /// Formats the tables in Markdown.
    pub(super) fn markdown(&self) -> String {
        let points: BTreeSet<Point> = self.0.keys().map(|(point, _)| *point).collect();
        let mut text = String::from(
            "CPU µs a delivery at 20,000 deliveries a second. In parentheses: the ratio to the floor.\n\n\
             | | floor | gateway, 1 loop | gateway, 2 loops | p99 ms, 1 loop |\n| --- | --: | --: | --: | --: |\n",
        );
        for point in &points {
            let micros = |contender| {
                let figure = self.median(*point, contender, |measured| measured.micros);
                let text = figure.map_or_else(|| "–".to_owned(), |micros| format!("{micros:.2}"));
                match self.ratio(*point, contender).filter(|_| contender != Contender::Floor) {
                    Some(ratio) => format!("{text} ({ratio:.2})"),
                    None => text,
                }
            };
            let p99 = self.median(*point, Contender::GatewayOneLoop, |measured| measured.p99);
            text.push_str(&format!(
                "| {} | {} | {} | {} | {} |\n",
                point.name(),
                micros(Contender::Floor),
                micros(Contender::GatewayOneLoop),
                micros(Contender::GatewayTwoLoops),
                p99.map_or_else(|| "–".to_owned(), |p99| format!("{p99:.1}")),
            ));
        }
        let mut of_connections = points.into_iter().filter(|point| point.series == Series::Connections);
        if let Some(largest) = of_connections.next_back() {
            let figure = |figure| self.median(largest, Contender::GatewayOneLoop, figure);
            if let (Some(micros), Some(bytes)) = (figure(|it| it.micros), figure(|it| it.bytes)) {
                text.push_str(&format!("\n{}", capacity::table(micros, bytes)));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_ratio_to_the_floor_of_the_same_round() {
        let point = Point { series: Series::Connections, size: 1_000 };
        let mut report = Report::default();
        for speed in [1.0, 4.0] {
            let measured = |micros| Measured { micros, p99: 2.0, bytes: 3_000.0 };
            report.add(point, Contender::Floor, measured(8.0 * speed));
            report.add(point, Contender::GatewayOneLoop, measured(10.0 * speed));
        }
        let text = report.markdown();
        let row = "| 1,000 connections, in topics of 10 | 20.00 | 25.00 (1.25) | – | 2.0 |";
        assert!(text.lines().any(|line| line == row), "{text}");
    }
}
