//! What a cluster is meant to cost, next to what it costs: ratios to Centrifugo, the price of events for backend services,
//! and the share of Redis' own limit.

use super::{
    Measured,
    confirmed::Confirmed,
    load::{Figures, Load},
    peer::Kind,
};
use crate::statistics::median;

/// A limit for the ratio of a figure to that of another server.
struct Aim {
    what: &'static str,
    load: Load,
    kind: Kind,
    reference: Kind,
    figure: fn(&Figures) -> f64,
    most: f64,
}

/// The messages a second that one node confirms, and the share of Redis' own rate. One of the two is enough.
const CONFIRMED: f64 = 40_000.0;
const SHARE: f64 = 0.8;

const AIMS: [Aim; 10] = [
    Aim::gateway("round trip, p50", Load::RoundTrip, |figures| figures.p50, 0.8),
    Aim::gateway("round trip, p99", Load::RoundTrip, |figures| figures.p99, 0.8),
    Aim::gateway("round trip, CPU of the nodes", Load::RoundTrip, |figures| figures.nodes_micros, 0.7),
    Aim::gateway("round trip, CPU with Redis", Load::RoundTrip, |figures| figures.all_micros, 0.7),
    Aim::gateway("rooms, CPU of the nodes", Load::Rooms, |figures| figures.nodes_micros, 0.5),
    Aim::gateway("rooms, CPU with Redis", Load::Rooms, |figures| figures.all_micros, 0.6),
    Aim::events("round trip with an event for each message, p50", Load::RoundTrip, |figures| figures.p50, 1.2),
    Aim::events(
        "round trip with an event for each message, CPU of all",
        Load::RoundTrip,
        |figures| figures.all_micros,
        1.6,
    ),
    Aim::events("rooms with an event for each message, p50", Load::Rooms, |figures| figures.p50, 1.2),
    Aim::events("rooms with an event for each message, CPU of all", Load::Rooms, |figures| figures.all_micros, 1.6),
];

impl Aim {
    const fn gateway(what: &'static str, load: Load, figure: fn(&Figures) -> f64, most: f64) -> Self {
        Self { what, load, kind: Kind::Redis, reference: Kind::Centrifugo, figure, most }
    }

    const fn events(what: &'static str, load: Load, figure: fn(&Figures) -> f64, most: f64) -> Self {
        Self { what, load, kind: Kind::RedisAndRabbit, reference: Kind::Redis, figure, most }
    }

    /// Returns the median of the ratios of the rounds. Both servers have run in each of them.
    fn ratio(&self, measured: &[Measured]) -> Option<f64> {
        let rounds = |kind: Kind| {
            let mut of_load = measured.iter().filter(|measured| measured.load == self.load);
            of_load.find(|measured| measured.kind == kind).map(|measured| &measured.rounds)
        };
        let (own, others) = (rounds(self.kind)?, rounds(self.reference)?);
        let ratios = own.iter().zip(others).map(|(own, other)| (self.figure)(own) / (self.figure)(other));
        Some(median(ratios))
    }
}

/// Formats the aims of the servers that were measured as a Markdown table.
pub(super) fn table(measured: &[Measured], confirmed: &[Confirmed]) -> String {
    let mut text = String::from("| | ratio to | measured | aim | |\n| --- | --- | --: | --: | --- |\n");
    let mut line = |what: &str, reference: &str, measured: &str, aim: &str, is_met: bool| {
        let verdict = if is_met { "met" } else { "**not met**" };
        text.push_str(&format!("| {what} | {reference} | {measured} | {aim} | {verdict} |\n"));
    };
    for aim in &AIMS {
        if let Some(ratio) = aim.ratio(measured) {
            let (ratio_text, most) = (format!("{ratio:.2}"), format!("≤ {}", aim.most));
            line(aim.what, aim.reference.name(), &ratio_text, &most, ratio <= aim.most);
        }
    }
    let rate = median(confirmed.iter().map(|round| round.node));
    let share = median(confirmed.iter().map(|round| round.node / round.redis));
    let figures = format!("{share:.2} ({rate:.0}/s)");
    let aim = format!("≥ {SHARE}, or {CONFIRMED}/s");
    line("confirmed messages of one node", "`redis-benchmark`", &figures, &aim, share >= SHARE || rate >= CONFIRMED);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::delivery::Faults;

    fn measured(kind: Kind, load: Load, p50s: [f64; 3]) -> Measured {
        let figures = |p50| Figures {
            per_second: 1.0,
            nodes_micros: p50 * 10.0,
            all_micros: p50 * 20.0,
            p50,
            p99: p50 * 2.0,
            faults: Faults::default(),
        };
        Measured { kind, load, rounds: p50s.map(figures).into() }
    }

    #[test]
    fn compares_within_each_round() {
        // The machine was ten times slower in the second round, which does not change the ratio.
        let all = [
            measured(Kind::Centrifugo, Load::RoundTrip, [1.0, 10.0, 1.0]),
            measured(Kind::Redis, Load::RoundTrip, [0.75, 7.5, 0.75]),
        ];
        let confirmed = [Confirmed { node: 30_000.0, redis: 40_000.0 }];
        let text = table(&all, &confirmed);
        assert!(text.contains("| round trip, p50 | Centrifugo, Redis | 0.75 | ≤ 0.8 | met |"), "{text}");
        assert!(
            text.contains("| round trip, CPU of the nodes | Centrifugo, Redis | 0.75 | ≤ 0.7 | **not met** |"),
            "{text}"
        );
        assert!(text.contains("| 0.75 (30000/s) | ≥ 0.8, or 40000/s | **not met** |"), "{text}");
        assert!(!text.contains("rooms"), "rooms were not measured: {text}");
    }
}
