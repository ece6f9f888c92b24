//! Limits the connections of one address: how many are open, and how many are opened per minute.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{config::Limits, runtime::limits::network};

/// The smallest table that is swept. A sweep runs when the table has doubled since the last one and is at least this
/// large.
const MIN_SWEEP_SIZE: usize = 1024;

/// The most sockets of one address that may be on probation. Fewer than the descriptors that a full node reserves, so
/// that one address cannot take them all.
const MAX_ON_PROBATION: usize = 128;

/// All addresses with an open connection, or with one opened within the last minute.
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
    /// Sockets beyond the limits whose first request has not been read yet.
    on_probation: usize,
    /// When the leaky bucket of new connections is empty.
    empty_at: Instant,
}

/// Counts one open connection of an address. Released on drop.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    throttle: Arc<Throttle>,
    address: IpAddr,
    /// What the connection added to the bucket of new connections, until it is refunded.
    rate: Option<Duration>,
}

/// Counts one socket on probation, until its first request shows whether the limits apply. Released on drop.
#[derive(Debug)]
pub(super) struct Probation {
    throttle: Arc<Throttle>,
    address: IpAddr,
}

/// The limit that an address has exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitExceeded {
    /// The number of open connections.
    Connections,
    /// The number of new connections per minute. The next one is allowed after this time.
    Rate(Duration),
}

impl Throttle {
    /// Counts a new connection.
    ///
    /// # Errors
    /// Returns the limit that is exceeded.
    pub(super) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        limits: &Limits,
        now: Instant,
    ) -> Result<ConnectionSlot, LimitExceeded> {
        let network = network(address);
        let interval =
            Duration::from_secs(60) / u32::try_from(limits.connects_per_ip_per_minute.max(1)).unwrap_or(u32::MAX);
        let mut addresses = self.addresses.lock();
        addresses.sweep(now);
        let known = addresses.known.entry(network).or_insert(Address::new(now));
        if known.connections >= limits.connections_per_ip {
            return Err(LimitExceeded::Connections);
        }
        let level = known.empty_at.max(now) + interval;
        let full = now + Duration::from_secs(60);
        if level > full {
            return Err(LimitExceeded::Rate(level - full));
        }
        known.empty_at = level;
        known.connections += 1;
        drop(addresses);
        Ok(ConnectionSlot { throttle: Arc::clone(self), address: network, rate: Some(interval) })
    }

    /// Puts a socket on probation. Returns `None` when too many sockets of its address are on probation already.
    pub(super) fn probation(self: &Arc<Self>, address: IpAddr, now: Instant) -> Option<Probation> {
        let network = network(address);
        let mut addresses = self.addresses.lock();
        let known = addresses.known.entry(network).or_insert(Address::new(now));
        if known.on_probation >= MAX_ON_PROBATION {
            return None;
        }
        known.on_probation += 1;
        drop(addresses);
        Some(Probation { throttle: Arc::clone(self), address: network })
    }
}

impl ConnectionSlot {
    /// Removes the connection from the rate of new connections. It still counts as open.
    pub(super) fn refund_rate(&mut self) {
        let Some(rate) = self.rate.take() else { return };
        if let Some(known) = self.throttle.addresses.lock().known.get_mut(&self.address) {
            known.empty_at = known.empty_at.checked_sub(rate).unwrap_or(known.empty_at);
        }
    }

    /// Returns whether the connection counts towards the rate of new connections.
    pub(super) fn counts_towards_rate(&self) -> bool {
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
        if self.known.len() >= self.sweep_at.max(MIN_SWEEP_SIZE) {
            self.known
                .retain(|_, address| address.connections > 0 || address.on_probation > 0 || address.empty_at > now);
            self.sweep_at = self.known.len() * 2;
        }
    }
}

impl Drop for ConnectionSlot {
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
    async fn releases_the_connection_slot_on_drop() {
        let throttle = Arc::new(Throttle::default());
        let address = "192.0.2.1".parse().unwrap();
        let (limits, now) = (limits(1, 100), Instant::now());
        let slot = throttle.admit(address, &limits, now).unwrap();
        assert_eq!(throttle.admit(address, &limits, now).unwrap_err(), LimitExceeded::Connections);
        assert!(throttle.admit("192.0.2.2".parse().unwrap(), &limits, now).is_ok());
        drop(slot);
        assert!(throttle.admit(address, &limits, now).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn limits_new_connections_per_minute() {
        let throttle = Arc::new(Throttle::default());
        let address = "192.0.2.1".parse().unwrap();
        let (limits, now) = (limits(100, 6), Instant::now());
        assert!((0..6).all(|_| throttle.admit(address, &limits, now).is_ok()));
        assert_eq!(throttle.admit(address, &limits, now).unwrap_err(), LimitExceeded::Rate(Duration::from_secs(10)));
        assert!(throttle.admit(address, &limits, now + Duration::from_secs(10)).is_ok());
        assert!(throttle.admit(address, &limits, now + Duration::from_secs(10)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn refunded_connects_do_not_count_towards_the_rate() {
        let throttle = Arc::new(Throttle::default());
        let address = "192.0.2.1".parse().unwrap();
        let (limits, now) = (limits(100, 2), Instant::now());
        for _ in 0..10 {
            let mut slot = throttle.admit(address, &limits, now).unwrap();
            slot.refund_rate();
            slot.refund_rate();
        }
        assert!((0..2).all(|_| throttle.admit(address, &limits, now).is_ok()));
        assert!(throttle.admit(address, &limits, now).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn limits_sockets_on_probation() {
        let throttle = Arc::new(Throttle::default());
        let (address, now) = ("192.0.2.1".parse().unwrap(), Instant::now());
        let mut waiting: Vec<_> = (0..MAX_ON_PROBATION).map(|_| throttle.probation(address, now).unwrap()).collect();
        assert!(throttle.probation(address, now).is_none());
        assert!(throttle.probation("192.0.2.2".parse().unwrap(), now).is_some());
        waiting.pop();
        assert!(throttle.probation(address, now).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_64_share_limits_and_idle_ones_are_forgotten() {
        let throttle = Arc::new(Throttle::default());
        let (limits, now) = (limits(1, 100), Instant::now());
        let _slot = throttle.admit("2001:db8::1".parse().unwrap(), &limits, now).unwrap();
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
