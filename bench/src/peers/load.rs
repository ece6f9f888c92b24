//! The loads that all servers are measured with.

use std::time::Duration;

use crate::{
    generator::{Layout, Pace, Plan},
    server::Security,
};

/// The subscribers of the single topic in a fan-out.
const SUBSCRIBERS: u32 = 1_000;
/// The deliveries a second in a load of a fixed rate.
const DELIVERIES: f64 = 20_000.0;
/// The time in which caches and queues fill.
const WARM_UP: Duration = Duration::from_secs(1);
/// The time after which the memory of idle connections is read.
const SETTLE: Duration = Duration::from_secs(3);

/// A load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Load {
    /// One topic with 1,000 subscribers, 20 messages a second.
    FanOut,
    /// 500 topics with 10 subscribers each, 20,000 deliveries a second.
    Rooms,
    /// One topic with 1,000 subscribers at full speed: 64 messages are on their way.
    Saturation,
    /// 16 pairs, each with one message at a time.
    RoundTrip,
    /// 10,000 connections, subscribed to 100 topics.
    Connections,
    /// The fan-out over TLS.
    TlsFanOut,
    /// The connections over TLS.
    TlsConnections,
}

impl Load {
    /// All loads, in the order of the table.
    pub(crate) const ALL: [Self; 7] = [
        Self::FanOut,
        Self::Rooms,
        Self::Saturation,
        Self::RoundTrip,
        Self::Connections,
        Self::TlsFanOut,
        Self::TlsConnections,
    ];

    /// Returns the name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FanOut => "fan-out",
            Self::Rooms => "rooms",
            Self::Saturation => "saturation",
            Self::RoundTrip => "round-trip",
            Self::Connections => "connections",
            Self::TlsFanOut => "tls-fan-out",
            Self::TlsConnections => "tls-connections",
        }
    }

    /// Returns whether clients use TLS.
    pub(crate) fn security(self) -> Security {
        match self {
            Self::TlsFanOut | Self::TlsConnections => Security::Tls,
            _ => Security::Plain,
        }
    }

    /// Returns what the load generator does.
    pub(crate) fn plan(self, measured: Duration) -> Plan {
        let plan = |layout, pace| Plan { layout, pace, warm_up: WARM_UP, measured };
        let rate = |layout: Layout| plan(layout, Pace::PerSecond(DELIVERIES / f64::from(layout.members)));
        match self {
            Self::FanOut | Self::TlsFanOut => rate(Layout::rooms(1, SUBSCRIBERS)),
            Self::Rooms => rate(Layout::rooms(500, 10)),
            Self::Saturation => plan(Layout::rooms(1, SUBSCRIBERS), Pace::InFlight(64)),
            Self::RoundTrip => plan(Layout::rooms(16, 1), Pace::OneByOne),
            Self::Connections | Self::TlsConnections => {
                let layout = Layout { groups: 100, members: 100, topics: 1, publishers: 0 };
                Plan { warm_up: SETTLE, ..plan(layout, Pace::Idle) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn loads_of_a_fixed_rate_have_the_same_deliveries_each_second() {
        for load in [Load::FanOut, Load::Rooms, Load::TlsFanOut] {
            let plan = load.plan(Duration::from_secs(4));
            let Pace::PerSecond(rate) = plan.pace else { panic!("{load:?} has a rate") };
            assert_eq!(rate * f64::from(plan.layout.members), DELIVERIES);
        }
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for load in Load::ALL {
            assert_eq!(load.to_possible_value().expect("no load is hidden").get_name(), load.name());
        }
    }
}
