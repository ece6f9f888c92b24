//! The measured loads: three series, in each of which one size grows.

use std::time::Duration;

use crate::generator::{Layout, Pace, Plan, Report};

/// The deliveries a second of all loads.
const DELIVERIES: f64 = 20_000.0;
/// The time in which caches and queues fill.
const WARM_UP: Duration = Duration::from_secs(1);
/// The publishers, or fewer if there are fewer topics.
const PUBLISHERS: u32 = 100;
/// The members of a topic where the number of members does not grow.
const MEMBERS: u32 = 10;
/// The connections where the number of connections does not grow, in the series of members and of topics.
const CONNECTIONS_WITH_MEMBERS: u32 = 10_000;
const CONNECTIONS_WITH_TOPICS: u32 = 2_000;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Series {
    /// Connections, in rooms of 10.
    Connections,
    /// The members of a topic, with 10,000 connections.
    Members,
    /// Topics with 10 members each, with 2,000 connections.
    Topics,
}

/// A load of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point {
    /// What grows.
    pub(super) series: Series,
    /// How many there are.
    pub(super) size: u32,
}

impl Point {
    /// Returns all loads that this number of connections allows.
    pub(super) fn all(most_connections: u64) -> Vec<Self> {
        let most = u32::try_from(most_connections).unwrap_or(u32::MAX).saturating_sub(PUBLISHERS);
        // Rooms of ten, and a round number.
        let largest = 20_000.min(most / 100 * 100);
        let connections = [100, 1_000, 5_000, largest].map(|size| Self { series: Series::Connections, size });
        let members = [1, 10, 100, 1_000, 10_000].map(|size| Self { series: Series::Members, size });
        let topics = [1_000, 10_000, 100_000].map(|size| Self { series: Series::Topics, size });
        let all = connections.into_iter().chain(members).chain(topics);
        all.filter(|point| u64::from(point.layout().connections()) <= most_connections).collect()
    }

    fn layout(self) -> Layout {
        let layout =
            |groups, members, topics| Layout { groups, members, topics, publishers: PUBLISHERS.min(groups * topics) };
        match self.series {
            Series::Connections => layout(self.size / MEMBERS, MEMBERS, 1),
            Series::Members => layout(CONNECTIONS_WITH_MEMBERS / self.size, self.size, 1),
            Series::Topics => {
                let groups = CONNECTIONS_WITH_TOPICS / MEMBERS;
                layout(groups, MEMBERS, self.size / groups)
            }
        }
    }

    /// Returns what the load generator does.
    pub(super) fn plan(self, measured: Duration) -> Plan {
        let layout = self.layout();
        let pace = Pace::PerSecond(DELIVERIES / f64::from(layout.members));
        Plan { layout, pace, warm_up: WARM_UP, measured }
    }

    /// Returns the name in the table.
    pub(super) fn name(self) -> String {
        let size = grouped(self.size);
        match self.series {
            Series::Connections => format!("{size} connections, in topics of {MEMBERS}"),
            Series::Members if self.size == 1 => format!("1 member, {} topics", grouped(CONNECTIONS_WITH_MEMBERS)),
            Series::Members => {
                format!(
                    "{size} members, {} of {} connections",
                    plural(self.layout().groups),
                    grouped(CONNECTIONS_WITH_MEMBERS)
                )
            }
            Series::Topics => {
                let each = self.layout().topics;
                format!(
                    "{size} topics of {MEMBERS}, {each} for each of {} connections",
                    grouped(CONNECTIONS_WITH_TOPICS)
                )
            }
        }
    }
}

/// The figures of one server in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// The server's CPU for each delivery, in microseconds.
    pub(super) micros: f64,
    /// The time within which 99 % of the messages arrive, in milliseconds.
    pub(super) p99: f64,
    /// The server's memory for each connection, in bytes.
    pub(super) bytes: f64,
}

impl Measured {
    /// Takes what the table shows.
    pub(super) fn of(report: &Report) -> Self {
        let p99 = report.latency_micros(0.99) / 1_000.0;
        Self { micros: report.cpu_micros(), p99, bytes: report.idle_bytes }
    }
}

/// Formats a number with commas between groups of three digits.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn plural(topics: u32) -> String {
    let topics_text = grouped(topics);
    if topics == 1 { "1 topic".into() } else { format!("{topics_text} topics") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_loads_have_the_same_deliveries() {
        let points = Point::all(u64::MAX);
        assert_eq!(points.len(), 12);
        for point in points {
            let plan = point.plan(Duration::from_secs(4));
            let Pace::PerSecond(rate) = plan.pace else { panic!("{point:?} has a rate") };
            assert_eq!(rate * f64::from(plan.layout.members), DELIVERIES, "{point:?}");
            assert!(plan.layout.publishers <= plan.layout.all_topics(), "{point:?}");
            let size = match point.series {
                Series::Connections => plan.layout.subscribers(),
                Series::Members => plan.layout.members,
                Series::Topics => plan.layout.all_topics(),
            };
            assert_eq!(size, point.size, "{point:?}");
        }
    }

    #[test]
    fn needs_no_more_connections_than_are_allowed() {
        let sizes = |most| {
            let points = Point::all(most);
            assert!(points.iter().all(|point| u64::from(point.layout().connections()) <= most));
            points
                .iter()
                .filter(|point| point.series == Series::Connections)
                .map(|point| point.size)
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(u64::MAX), [100, 1_000, 5_000, 20_000]);
        assert_eq!(sizes(18_000), [100, 1_000, 5_000, 17_900]);
        assert_eq!(sizes(4_096), [100, 1_000, 3_900]);
    }

    #[test]
    fn names_say_what_grows() {
        let name = |series, size| Point { series, size }.name();
        assert_eq!(name(Series::Connections, 20_000), "20,000 connections, in topics of 10");
        assert_eq!(name(Series::Members, 1), "1 member, 10,000 topics");
        assert_eq!(name(Series::Members, 10_000), "10,000 members, 1 topic of 10,000 connections");
        assert_eq!(name(Series::Topics, 100_000), "100,000 topics of 10, 500 for each of 2,000 connections");
    }
}
