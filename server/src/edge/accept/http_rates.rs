//! Limits the rate of HTTP requests per address and per API key.

use std::{borrow::Borrow, collections::HashMap, hash::Hash, net::IpAddr, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{config::Limits, runtime::limits::network};

/// The size of a burst, in seconds at the sustained rate.
const BURST_SECONDS: u32 = 4;
/// The most addresses or keys that are tracked. One is forgotten once its bucket is empty, at most four seconds after
/// its last request.
const MAX_BUCKETS: usize = 100_000;
/// The shortest time between two sweeps for empty buckets.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The request rates of all addresses and API keys.
#[derive(Debug, Default)]
pub(super) struct HttpRates {
    addresses: Rates<IpAddr>,
    /// Monitoring requests have a separate rate, so that other requests from the same address cannot use it up.
    monitors: Rates<IpAddr>,
    keys: Rates<String>,
}

/// The bucket that a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RateKey<'a> {
    /// An API key, by its name.
    Key(&'a str),
    /// An address without an API key.
    Address(IpAddr),
    /// An address without an API key that requests metrics or health.
    Monitor(IpAddr),
}

impl RateKey<'_> {
    /// Returns the label of this limit in the metric of rate-limited requests.
    pub(super) fn metric_label(self) -> &'static str {
        match self {
            Self::Key(_) => "http_key",
            Self::Address(_) | Self::Monitor(_) => "http_address",
        }
    }
}

impl HttpRates {
    /// Counts a request.
    ///
    /// # Errors
    /// Returns the time until the next request is allowed.
    pub(super) fn admit(&self, key: RateKey<'_>, limits: &Limits, now: Instant) -> Result<(), Duration> {
        match key {
            RateKey::Key(name) => self.keys.take(name, limits.http_per_key_per_second, now),
            RateKey::Address(address) => self.addresses.take(&network(address), limits.http_per_ip_per_second, now),
            RateKey::Monitor(address) => self.monitors.take(&network(address), limits.http_per_ip_per_second, now),
        }
    }
}

/// A leaky bucket per key, stored as the time at which the bucket is empty.
#[derive(Debug)]
struct Rates<K>(Mutex<Buckets<K>>);

#[derive(Debug)]
struct Buckets<K> {
    empty_at: HashMap<K, Instant>,
    swept: Option<Instant>,
}

impl<K> Default for Rates<K> {
    fn default() -> Self {
        Self(Mutex::new(Buckets { empty_at: HashMap::new(), swept: None }))
    }
}

impl<K: Eq + Hash> Rates<K> {
    fn take<Q>(&self, key: &Q, per_second: u32, now: Instant) -> Result<(), Duration>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let burst = Duration::from_secs(BURST_SECONDS.into()).max(interval);
        let mut buckets = self.0.lock();
        buckets.sweep(now);
        if let Some(empty_at) = buckets.empty_at.get_mut(key) {
            let level = (*empty_at).max(now) + interval;
            if level > now + burst {
                return Err(level - (now + burst));
            }
            *empty_at = level;
            return Ok(());
        }
        if buckets.empty_at.len() >= MAX_BUCKETS {
            // The table is full. A new key has to wait until another bucket is empty; admitting it untracked would lift
            // the limit for everyone.
            return Err(SWEEP_EVERY);
        }
        buckets.empty_at.insert(key.to_owned(), now + interval);
        Ok(())
    }
}

impl<K: Eq + Hash> Buckets<K> {
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_EVERY) {
            self.swept = Some(now);
            self.empty_at.retain(|_, empty_at| *empty_at > now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn limits(http_per_ip_per_second: u32, http_per_key_per_second: u32) -> Limits {
        Limits { http_per_ip_per_second, http_per_key_per_second, ..Config::default().limits }
    }

    fn address(last: u32) -> RateKey<'static> {
        RateKey::Address(IpAddr::from((0x0a00_0000 + last).to_be_bytes()))
    }

    #[tokio::test(start_paused = true)]
    async fn admits_the_burst_and_then_the_rate() {
        let (rates, limits, now) = (HttpRates::default(), limits(5, 1), Instant::now());
        assert!((0..20).all(|_| rates.admit(address(1), &limits, now).is_ok()));
        assert_eq!(rates.admit(address(1), &limits, now), Err(Duration::from_millis(200)));
        assert_eq!(rates.admit(address(2), &limits, now), Ok(()));
        let later = now + Duration::from_secs(1);
        assert!((0..5).all(|_| rates.admit(address(1), &limits, later).is_ok()));
        assert!(rates.admit(address(1), &limits, later).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn keys_monitors_and_addresses_do_not_share_a_rate() {
        let (rates, limits, now) = (HttpRates::default(), limits(1, 1), Instant::now());
        let ip = "192.0.2.1".parse().unwrap();
        for key in [RateKey::Address(ip), RateKey::Monitor(ip), RateKey::Key("a"), RateKey::Key("b")] {
            assert!((0..4).all(|_| rates.admit(key, &limits, now).is_ok()), "{key:?}");
            assert!(rates.admit(key, &limits, now).is_err(), "{key:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_64_share_a_rate() {
        let (rates, limits, now) = (HttpRates::default(), limits(1, 1), Instant::now());
        let key = |last: u16| RateKey::Address(format!("2001:db8::{last:x}").parse().unwrap());
        assert!((0..4).all(|last| rates.admit(key(last), &limits, now).is_ok()));
        assert!(rates.admit(key(5), &limits, now).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn table_is_bounded_and_forgets_idle_addresses() {
        let (rates, limits, now) = (HttpRates::default(), limits(1, 1), Instant::now());
        assert!((0..MAX_BUCKETS as u32).all(|last| rates.admit(address(last), &limits, now).is_ok()));
        assert_eq!(rates.admit(address(MAX_BUCKETS as u32), &limits, now), Err(SWEEP_EVERY));
        let later = now + Duration::from_secs(2);
        assert_eq!(rates.admit(address(MAX_BUCKETS as u32), &limits, later), Ok(()));
        assert_eq!(rates.addresses.0.lock().empty_at.len(), 1);
    }
}
