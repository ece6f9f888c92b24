//! The gate: how many connections an address has and how often it connects.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Addresses that are remembered before those that are idle are forgotten.
const SWEEP_AT: usize = 4_096;

/// What is known of addresses: an IPv4 address, or the /64 network of an IPv6 address.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    addresses: Arc<Mutex<HashMap<IpAddr, Address>>>,
}

#[derive(Debug)]
struct Address {
    open: usize,
    /// The minute that is counted, and what came in it and in the one before.
    minute: Instant,
    now: usize,
    before: usize,
}

/// An open connection of an address, until it is dropped.
#[derive(Debug)]
pub struct Pass {
    gate: Gate,
    key: IpAddr,
}

impl Gate {
    /// Counts an attempt to connect; false when there were too many within a minute.
    pub fn attempt(&self, address: IpAddr, per_minute: usize) -> bool {
        let now = Instant::now();
        let mut addresses = self.addresses.lock();
        if addresses.len() >= SWEEP_AT {
            addresses.retain(|_, address| address.open > 0 || address.recent(now) > 0.0);
        }
        let address = addresses.entry(network(address)).or_insert(Address { open: 0, minute: now, now: 0, before: 0 });
        if address.recent(now) >= per_minute as f64 {
            return false;
        }
        address.now += 1;
        true
    }

    /// Opens a connection of an address, unless it has as many as it may.
    pub fn enter(&self, address: IpAddr, most: usize) -> Option<Pass> {
        let key = network(address);
        let mut addresses = self.addresses.lock();
        let fresh = || Address { open: 0, minute: Instant::now(), now: 0, before: 0 };
        let address = addresses.entry(key).or_insert_with(fresh);
        if address.open >= most {
            return None;
        }
        address.open += 1;
        Some(Pass { gate: self.clone(), key })
    }
}

impl Address {
    /// Attempts within the last minute: this minute's, and as much of the last one's as reaches into it.
    fn recent(&mut self, now: Instant) -> f64 {
        let mut into = now.saturating_duration_since(self.minute).as_secs_f64() / 60.0;
        if into >= 1.0 {
            self.before = if into < 2.0 { self.now } else { 0 };
            (self.now, self.minute, into) = (0, now, 0.0);
        }
        self.now as f64 + self.before as f64 * (1.0 - into)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(address) = self.gate.addresses.lock().get_mut(&self.key) {
            address.open = address.open.saturating_sub(1);
        }
    }
}

/// An IPv6 host has a /64 of its own, so all of that counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_counted_until_its_passes_are_dropped() {
        let gate = Gate::default();
        let here: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let first = gate.enter(here, 2);
        let second = gate.enter(neighbour, 2);
        assert!(first.is_some() && second.is_some());
        assert!(gate.enter(here, 2).is_none());
        drop(second);
        assert!(gate.enter(here, 2).is_some());
    }

    #[test]
    fn attempts_within_a_minute_are_bounded() {
        let gate = Gate::default();
        let here: IpAddr = "192.0.2.1".parse().unwrap();
        assert!((0..5).all(|_| gate.attempt(here, 5)));
        assert!(!gate.attempt(here, 5));
        assert!(gate.attempt("192.0.2.2".parse().unwrap(), 5));
    }
}
