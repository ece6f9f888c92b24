//! Security events, as a sampled log with the target `security`. For each kind and address at most one line is logged
//! in ten seconds, with the number of events. No line contains a token or a message.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    time::Instant,
};

use parking_lot::Mutex;
use realtime_gateway_protocol::UserId;
use tracing::field::display;

use gateway_runtime::log_limit::INTERVAL;

/// The maximum number of kinds and addresses that are tracked separately. Events of further addresses are counted
/// together.
const CAPACITY: usize = 1024;

/// The kind of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecurityKind {
    /// A token or an API key was refused.
    RefusedToken,
    /// A web page of another origin was refused.
    RefusedOrigin,
    /// An address exceeded its limits.
    ThrottledAddress,
    /// A command was refused because the user lacks the permission.
    ForbiddenCommand,
    /// A blocked user was refused or disconnected.
    RevokedUser,
}

impl SecurityKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::RefusedToken, Self::RefusedOrigin, Self::ThrottledAddress, Self::ForbiddenCommand, Self::RevokedUser];

    /// Returns the name of the kind in the log and in the metric.
    pub fn name(self) -> &'static str {
        match self {
            Self::RefusedToken => "refused_token",
            Self::RefusedOrigin => "refused_origin",
            Self::ThrottledAddress => "throttled_address",
            Self::ForbiddenCommand => "forbidden_command",
            Self::RevokedUser => "revoked_user",
        }
    }
}

/// A security event.
#[derive(Debug, Clone, Copy)]
pub struct SecurityEvent<'a> {
    /// The kind of the event.
    pub kind: SecurityKind,
    /// The address of the client, where it is known.
    pub address: Option<IpAddr>,
    /// The user, if a verified token names one.
    pub user: Option<&'a UserId>,
    /// The reason in a few fixed words. It never contains text of the client.
    pub reason: &'static str,
}

/// The events of all gateways of this process that were counted and not logged yet.
static SAMPLES: Mutex<Samples> = Mutex::new(Samples(BTreeMap::new()));

/// Logs an event, or counts it for a later line.
pub(crate) fn log_security(event: SecurityEvent<'_>) {
    let line = SAMPLES.lock().admit(event, Instant::now());
    if let Some(line) = line {
        line.log();
    }
}

/// Logs the counted events of every kind and address whose interval is over. Called about once a second.
pub(super) fn report_counted() {
    let lines = SAMPLES.lock().due(Instant::now());
    lines.iter().for_each(Line::log);
}

/// An address, or `None` for all addresses beyond the capacity.
type Source = Option<IpAddr>;

struct Samples(BTreeMap<(SecurityKind, Source), Sample>);

struct Sample {
    /// When the next line may be logged.
    next: Instant,
    /// The number of events since the last line.
    counted: u64,
    latest: Line,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    kind: SecurityKind,
    address: Option<IpAddr>,
    user: Option<UserId>,
    reason: &'static str,
    count: u64,
}

impl Samples {
    /// Counts an event. Returns the line to log if the interval of its kind and address is over.
    fn admit(&mut self, event: SecurityEvent<'_>, now: Instant) -> Option<Line> {
        let SecurityEvent { kind, address, user, reason } = event;
        let mut line = Line { kind, address, user: user.cloned(), reason, count: 1 };
        let mut key = (kind, address.map(network));
        if self.0.len() >= CAPACITY && !self.0.contains_key(&key) {
            key = (kind, None);
            line.address = None;
        }
        match self.0.get_mut(&key) {
            Some(sample) if now < sample.next => {
                sample.counted += 1;
                sample.latest = line;
                None
            }
            Some(sample) => {
                line.count += std::mem::take(&mut sample.counted);
                sample.next = now + INTERVAL;
                Some(line)
            }
            None => {
                self.0.insert(key, Sample { next: now + INTERVAL, counted: 0, latest: line.clone() });
                Some(line)
            }
        }
    }

    /// Returns the lines of counted events whose interval is over. Samples without new events are removed.
    fn due(&mut self, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        self.0.retain(|_, sample| {
            if now < sample.next {
                return true;
            }
            let count = std::mem::take(&mut sample.counted);
            if count > 0 {
                lines.push(Line { count, ..sample.latest.clone() });
                sample.next = now + INTERVAL;
            }
            count > 0
        });
        lines
    }
}

impl Line {
    fn log(&self) {
        let Self { kind, address, user, reason, count } = self;
        let (address, user) = (address.map(display), user.as_ref().map(UserId::as_str));
        tracing::info!(target: "security", kind = kind.name(), address, user, reason, count, "security event");
    }
}

/// Returns the network that counts as one address: for IPv6 the /64, which is what one subscriber usually gets.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn event(address: &str) -> SecurityEvent<'static> {
        let address = Some(address.parse().unwrap());
        SecurityEvent { kind: SecurityKind::RefusedToken, address, user: None, reason: "a test" }
    }

    #[test]
    fn logs_one_line_with_a_count_per_address_in_ten_seconds() {
        let (mut samples, started) = (Samples(BTreeMap::new()), Instant::now());
        let at = |seconds| started + Duration::from_secs(seconds);
        assert_eq!(samples.admit(event("192.0.2.1"), at(0)).unwrap().count, 1);
        assert!((0..500).all(|_| samples.admit(event("192.0.2.1"), at(9)).is_none()));
        let origin = SecurityEvent { kind: SecurityKind::RefusedOrigin, ..event("192.0.2.1") };
        assert_eq!(samples.admit(origin, at(9)).unwrap().count, 1, "another kind is logged separately");
        assert_eq!(samples.admit(event("2001:db8::1"), at(9)).unwrap().count, 1);
        assert_eq!(samples.admit(event("2001:db8::2"), at(9)), None, "a /64 is one address");
        assert_eq!(samples.due(at(9)), []);
        assert_eq!(samples.due(at(10)).iter().map(|line| line.count).collect::<Vec<_>>(), [500]);
        assert_eq!(samples.admit(event("192.0.2.1"), at(19)), None, "the report counts as a line");
        assert_eq!(samples.admit(event("192.0.2.1"), at(20)).unwrap().count, 2);
        samples.due(at(40));
        assert_eq!(samples.due(at(60)), []);
        assert!(samples.0.is_empty(), "samples without new events are removed");
    }

    #[test]
    fn counts_addresses_beyond_the_capacity_together() {
        let (mut samples, now) = (Samples(BTreeMap::new()), Instant::now());
        let address = |number: usize| IpAddr::from((number as u32).to_be_bytes()).to_string();
        let lines = (0..CAPACITY * 3).filter(|number| samples.admit(event(&address(*number)), now).is_some()).count();
        assert_eq!(lines, CAPACITY + 1);
        assert_eq!(samples.0.len(), CAPACITY + 1);
        let rest = samples.due(now + INTERVAL);
        assert_eq!((rest.len(), rest[0].address, rest[0].count), (1, None, CAPACITY as u64 * 2 - 1));
    }
}
