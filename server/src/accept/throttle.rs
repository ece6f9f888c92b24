//! Bounds what one address can take: connections at a time, and new ones in a minute.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{config::Limits, limits::network};

/// Addresses are forgotten in one go, when there are twice as many as after the last time, and more than this.
const FEW: usize = 1024;

/// Sockets of one address, beyond its limits, that may wait for a first request which the limits do not apply to. Fewer
/// than a full node keeps in reserve, so that one address cannot take them all.
const ON_PROBATION: usize = 128;

/// All addresses that have a connection or had one within the last minute.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    addresses: Mutex<Addresses>,
}

#[derive(Debug, Default)]
struct Addresses {
    known: HashMap<IpAddr, Address>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Address {
    connections: usize,
    /// Sockets beyond the limits whose first request is not read yet.
    on_probation: usize,
    /// When the bucket of new connections will be empty.
    empty_at: Instant,
}

/// The place of one connection; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    throttle: Arc<Throttle>,
    address: IpAddr,
    /// What it took of the bucket of new connections, until that is given back.
    rate: Option<Duration>,
}

/// A socket beyond the limits of its address, until its first request tells whether they apply; ends when it is dropped.
#[derive(Debug)]
pub(super) struct Probation {
    throttle: Arc<Throttle>,
    address: IpAddr,
}

/// Why an address gets no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has as many connections as it may.
    Connections,
    /// It opened as many in a minute as it may; the next one may come after this time.
    Rate(Duration),
}

impl Throttle {
    /// Counts a new connection.
    ///
    /// # Errors
    /// The limit that it is over.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr, limits: &Limits, now: Instant) -> Result<Place, Refused> {
        let network = network(address);
        let each =
            Duration::from_secs(60) / u32::try_from(limits.connects_per_ip_per_minute.max(1)).unwrap_or(u32::MAX);
        let mut addresses = self.addresses.lock();
        addresses.sweep(now);
        let known = addresses.known.entry(network).or_insert(Address::new(now));
        if known.connections >= limits.connections_per_ip {
            return Err(Refused::Connections);
        }
        let level = known.empty_at.max(now) + each;
        let full = now + Duration::from_secs(60);
        if level > full {
            return Err(Refused::Rate(level - full));
        }
        known.empty_at = level;
        known.connections += 1;
        drop(addresses);
        Ok(Place { throttle: Arc::clone(self), address: network, rate: Some(each) })
    }

    /// Lets a socket beyond the limits wait for its first request, unless too many of its address do.
    pub(super) fn probation(self: &Arc<Self>, address: IpAddr, now: Instant) -> Option<Probation> {
        let network = network(address);
        let mut addresses = self.addresses.lock();
        let known = addresses.known.entry(network).or_insert(Address::new(now));
        if known.on_probation >= ON_PROBATION {
            return None;
        }
        known.on_probation += 1;
        drop(addresses);
        Some(Probation { throttle: Arc::clone(self), address: network })
    }
}

impl Place {
    /// Takes the connection out of the rate of new ones; it goes on counting as one that is open.
    pub(super) fn give_back_rate(&mut self) {
        let Some(rate) = self.rate.take() else { return };
        if let Some(known) = self.throttle.addresses.lock().known.get_mut(&self.address) {
            known.empty_at = known.empty_at.checked_sub(rate).unwrap_or(known.empty_at);
        }
    }

    /// Whether the connection counts towards the rate of new ones.
    pub(super) fn has_rate(&self) -> bool {
        self.rate.is_some()
    }
}

impl Address {
    fn new(now: Instant) -> Self {
        Self { connections: 0, on_probation: 0, empty_at: now }
    }
}

impl Addresses {
    fn sweep(&mut self, now: Instant) {
        if self.known.len() >= self.sweep_at.max(FEW) {
            self.known
                .retain(|_, address| address.connections > 0 || address.on_probation > 0 || address.empty_at > now);
            self.sweep_at = self.known.len() * 2;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(known) = self.throttle.addresses.lock().known.get_mut(&self.address) {
            known.connections = known.connections.saturating_sub(1);
        }
    }
}

impl Drop for Probation {
    fn drop(&mut self) {
        if let Some(known) = self.throttle.addresses.lock().known.get_mut(&self.address) {
            known.on_probation = known.on_probation.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn limits(connections_per_ip: usize, connects_per_ip_per_minute: usize) -> Limits {
        Limits { connections_per_ip, connects_per_ip_per_minute, ..Config::default().limits }
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_given_back() {
        let throttle = Arc::new(Throttle::default());
        let address = "192.0.2.1".parse().unwrap();
        let (limits, now) = (limits(1, 100), Instant::now());
        let place = throttle.admit(address, &limits, now).unwrap();
        assert_eq!(throttle.admit(address, &limits, now).unwrap_err(), Refused::Connections);
        assert!(throttle.admit("192.0.2.2".parse().unwrap(), &limits, now).is_ok());
        drop(place);
        assert!(throttle.admit(address, &limits, now).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_has_so_many_connects() {
        let throttle = Arc::new(Throttle::default());
        let address = "192.0.2.1".parse().unwrap();
        let (limits, now) = (limits(100, 6), Instant::now());
        assert!((0..6).all(|_| throttle.admit(address, &limits, now).is_ok()));
        assert_eq!(throttle.admit(address, &limits, now).unwrap_err(), Refused::Rate(Duration::from_secs(10)));
        assert!(throttle.admit(address, &limits, now + Duration::from_secs(10)).is_ok());
        assert!(throttle.admit(address, &limits, now + Duration::from_secs(10)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_can_be_given_back() {
        let throttle = Arc::new(Throttle::default());
        let address = "192.0.2.1".parse().unwrap();
        let (limits, now) = (limits(100, 2), Instant::now());
        for _ in 0..10 {
            let mut place = throttle.admit(address, &limits, now).unwrap();
            place.give_back_rate();
            place.give_back_rate();
        }
        assert!((0..2).all(|_| throttle.admit(address, &limits, now).is_ok()));
        assert!(throttle.admit(address, &limits, now).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_sockets_may_be_on_probation() {
        let throttle = Arc::new(Throttle::default());
        let (address, now) = ("192.0.2.1".parse().unwrap(), Instant::now());
        let mut waiting: Vec<_> = (0..ON_PROBATION).map(|_| throttle.probation(address, now).unwrap()).collect();
        assert!(throttle.probation(address, now).is_none());
        assert!(throttle.probation("192.0.2.2".parse().unwrap(), now).is_some());
        waiting.pop();
        assert!(throttle.probation(address, now).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_64_counts_as_one_and_the_idle_are_forgotten() {
        let throttle = Arc::new(Throttle::default());
        let (limits, now) = (limits(1, 100), Instant::now());
        let _place = throttle.admit("2001:db8::1".parse().unwrap(), &limits, now).unwrap();
        assert!(throttle.admit("2001:db8::ffff:2".parse().unwrap(), &limits, now).is_err());
        for last in 0..2_000_u32 {
            throttle.admit(IpAddr::from((0x0a00_0000 + last).to_be_bytes()), &limits, now).unwrap();
        }
        let later = now + Duration::from_secs(61);
        for last in 0..2_000_u32 {
            throttle.admit(IpAddr::from((0x0b00_0000 + last).to_be_bytes()), &limits, later).unwrap();
        }
        assert!(throttle.addresses.lock().known.len() < 3_000);
    }
}
