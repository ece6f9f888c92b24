//! The rows of the table: what is taken from a load, which direction is better, and what the gateway is meant to reach.

use super::{contender::Contender, load::Load};
use crate::generator::Report;

/// A figure of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// CPU for each delivery in the fan-out.
    FanOut,
    /// CPU for each delivery in rooms.
    Rooms,
    /// Deliveries a second at full speed.
    Saturation,
    /// Round trips a second.
    Trips,
    /// The time within which 99 % of the round trips end.
    TripTime,
    /// CPU for each new connection.
    Connect,
    /// Memory of an idle connection.
    Idle,
    /// CPU for each delivery in the fan-out over TLS.
    TlsFanOut,
    /// CPU for each new connection over TLS.
    TlsConnect,
    /// Memory of an idle connection with TLS.
    TlsIdle,
}

/// Whether more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
}

/// What the gateway is meant to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Aim {
    /// This many times the figure of another server.
    Times(f64, Contender),
    /// This figure.
    Figure(f64),
}

impl Metric {
    /// All figures, in the order of the table.
    pub(crate) const ALL: [Self; 10] = [
        Self::FanOut,
        Self::Rooms,
        Self::Saturation,
        Self::Trips,
        Self::TripTime,
        Self::Connect,
        Self::Idle,
        Self::TlsFanOut,
        Self::TlsConnect,
        Self::TlsIdle,
    ];

    /// Returns the figures of a load.
    pub(crate) fn of(load: Load) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |metric| metric.load() == load)
    }

    fn load(self) -> Load {
        match self {
            Self::FanOut => Load::FanOut,
            Self::Rooms => Load::Rooms,
            Self::Saturation => Load::Saturation,
            Self::Trips | Self::TripTime => Load::RoundTrip,
            Self::Connect | Self::Idle => Load::Connections,
            Self::TlsFanOut => Load::TlsFanOut,
            Self::TlsConnect | Self::TlsIdle => Load::TlsConnections,
        }
    }

    /// Returns the name in the baseline.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::FanOut => "fan-out",
            Self::Rooms => "rooms",
            Self::Saturation => "saturation",
            Self::Trips => "round-trip",
            Self::TripTime => "round-trip-p99",
            Self::Connect => "connect",
            Self::Idle => "idle",
            Self::TlsFanOut => "tls-fan-out",
            Self::TlsConnect => "tls-connect",
            Self::TlsIdle => "tls-idle",
        }
    }

    /// Returns the name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FanOut => "fan-out: 20,000 deliveries/s to 1,000 subscribers, CPU µs each",
            Self::Rooms => "500 rooms of 10: 20,000 deliveries/s, CPU µs each",
            Self::Saturation => "saturation: deliveries/s to 1,000 subscribers",
            Self::Trips => "16 pairs, one message at a time: round trips/s",
            Self::TripTime => "their p99, µs",
            Self::Connect => "connect and subscribe, the gateway with a verified token, CPU µs",
            Self::Idle => "idle connection of 10,000, bytes of the process",
            Self::TlsFanOut => "fan-out over TLS, CPU µs each",
            Self::TlsConnect => "connect and subscribe over TLS, CPU µs",
            Self::TlsIdle => "idle connection over TLS, bytes of the process",
        }
    }

    /// Returns the figure.
    pub(crate) fn value(self, report: &Report) -> f64 {
        match self {
            Self::FanOut | Self::Rooms | Self::TlsFanOut => report.cpu_micros(),
            Self::Saturation | Self::Trips => report.per_second(),
            Self::TripTime => report.latency_micros(0.99),
            Self::Connect | Self::TlsConnect => report.connect_cpu.as_secs_f64() * 1e6,
            Self::Idle | Self::TlsIdle => report.idle_bytes,
        }
    }

    /// Formats a figure.
    pub(crate) fn text(self, value: f64) -> String {
        match self {
            Self::FanOut | Self::Rooms | Self::TlsFanOut => format!("{value:.2}"),
            Self::Saturation | Self::Trips if value < 100_000.0 => format!("{:.1}k", value / 1_000.0),
            Self::Saturation | Self::Trips => format!("{:.0}k", value / 1_000.0),
            Self::Connect | Self::TlsConnect => format!("{value:.1}"),
            Self::TripTime | Self::Idle | Self::TlsIdle => format!("{value:.0}"),
        }
    }

    /// Returns which direction is better.
    pub(crate) fn better(self) -> Better {
        if matches!(self, Self::Saturation | Self::Trips) { Better::Higher } else { Better::Lower }
    }

    /// Returns the figure of the floor that this one is compared with. The floor has no TLS.
    pub(crate) fn of_floor(self) -> Self {
        match self {
            Self::TlsFanOut => Self::FanOut,
            Self::TlsConnect => Self::Connect,
            Self::TlsIdle => Self::Idle,
            plain => plain,
        }
    }

    /// Returns what the gateway is meant to reach.
    pub(crate) fn aim(self) -> Option<Aim> {
        match self {
            Self::FanOut => Some(Aim::Times(1.15, Contender::Floor)),
            Self::Rooms => Some(Aim::Times(1.2, Contender::Floor)),
            Self::Saturation => Some(Aim::Times(1.2, Contender::Uwebsockets)),
            Self::Trips | Self::TripTime => Some(Aim::Times(1.0, Contender::Uwebsockets)),
            Self::Connect => Some(Aim::Times(1.2, Contender::Uwebsockets)),
            Self::Idle => Some(Aim::Figure(2_500.0)),
            Self::TlsFanOut | Self::TlsConnect | Self::TlsIdle => None,
        }
    }

    /// Returns by which part a ratio to the floor may become worse than the baseline, because it varies by that much
    /// between runs on a quiet machine.
    pub(crate) fn tolerance(self) -> f64 {
        match self {
            Self::FanOut | Self::Rooms | Self::Idle | Self::TlsFanOut | Self::TlsIdle => 0.10,
            Self::Trips | Self::Connect | Self::TlsConnect => 0.15,
            Self::Saturation | Self::TripTime => 0.25,
        }
    }
}
