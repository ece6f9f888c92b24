//! The tables of the group `cluster`: medians of the rounds, with ratios to Centrifugo.

use super::{
    Measured,
    confirmed::Confirmed,
    delivery::Faults,
    load::{Figures, Load},
    peer::Kind,
};
use crate::statistics::median;

/// Formats the medians of all servers for both loads as a Markdown table.
pub(crate) fn loads(measured: &[Measured]) -> String {
    let mut text = String::from(
        "Two nodes on one Redis, subscribers on one node and publishers on the other. In parentheses: the ratio to \
         Centrifugo.\n\n\
         | load | | deliveries/s | p50 ms | p99 ms | CPU µs a delivery: nodes | with Redis and RabbitMQ | \
         lost; doubled; out of order |\n| --- | --- | --: | --: | --: | --: | --: | --: |\n",
    );
    for load in Load::ALL {
        let of_load = || measured.iter().filter(|measured| measured.load == load && !measured.rounds.is_empty());
        let baseline = of_load().find(|measured| measured.kind == Kind::ALL[0]);
        for row in of_load() {
            text.push_str(&line(row, baseline));
        }
    }
    text
}

fn line(row: &Measured, baseline: Option<&Measured>) -> String {
    let load = match row.load {
        Load::RoundTrip => "round trip, 16 pairs",
        Load::Rooms => "200 rooms of 10, 2,000 messages/s",
    };
    let cell = |decimals: usize, figure: fn(&Figures) -> f64| {
        let own = median(row.rounds.iter().map(figure));
        let ratio = baseline.map(|baseline| own / median(baseline.rounds.iter().map(figure)));
        let ratio = ratio.map_or_else(String::new, |ratio| format!(" ({ratio:.2})"));
        format!("{own:.decimals$}{ratio}")
    };
    let Faults { lost, doubled, reordered } =
        row.rounds.iter().fold(Faults::default(), |sum, figures| sum.and(figures.faults));
    format!(
        "| {load} | {} | {} | {} | {} | {} | {} | {lost}; {doubled}; {reordered} |\n",
        row.kind.name(),
        cell(0, |figures| figures.per_second),
        cell(2, |figures| figures.p50),
        cell(2, |figures| figures.p99),
        cell(1, |figures| figures.nodes_micros),
        cell(1, |figures| figures.all_micros),
    )
}

/// Formats the rates of confirmed messages as a Markdown table.
pub(crate) fn confirmed(rounds: &[Confirmed]) -> String {
    let node = median(rounds.iter().map(|round| round.node));
    let redis = median(rounds.iter().map(|round| round.redis));
    let share = median(rounds.iter().map(|round| round.node / round.redis));
    format!(
        "| confirmed messages/s, one node, 100 connections | append script, `redis-benchmark` | share |\n\
         | --: | --: | --: |\n| {node:.0} | {redis:.0} | {share:.2} |\n"
    )
}
