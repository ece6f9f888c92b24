//! Bounds how often one address, or one API key, may ask over HTTP.

use std::{borrow::Borrow, collections::HashMap, hash::Hash, net::IpAddr, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{config::Limits, limits::network};

/// The size of a burst, in seconds at the sustained rate.
const BURST_SECONDS: u32 = 4;
/// Addresses or keys that are known at a time. Each is forgotten when it has been quiet for four seconds.
const KNOWN: usize = 100_000;
/// How often those that have been quiet are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The rates of all addresses and keys.
#[derive(Debug, Default)]
pub(super) struct HttpRates {
    addresses: Rates<IpAddr>,
    /// What monitoring asks for has a rate of its own, so that other requests of its address do not use it up.
    monitors: Rates<IpAddr>,
    keys: Rates<String>,
}

/// Whose rate a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker<'a> {
    /// The holder of an API key, by its name.
    Key(&'a str),
    /// An address without a key.
    Address(IpAddr),
    /// An address without a key that asks for metrics or health.
    Monitor(IpAddr),
}

impl Asker<'_> {
    /// What the metric of refusals calls its limit.
    pub(super) fn limit(self) -> &'static str {
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
    /// When the next request may come.
    pub(super) fn admit(&self, asker: Asker<'_>, limits: &Limits, now: Instant) -> Result<(), Duration> {
        match asker {
            Asker::Key(name) => self.keys.take(name, limits.http_per_key_per_second, now),
            Asker::Address(address) => self.addresses.take(&network(address), limits.http_per_ip_per_second, now),
            Asker::Monitor(address) => self.monitors.take(&network(address), limits.http_per_ip_per_second, now),
        }
    }
}

/// A bucket for each key, as the time at which it will be empty.
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
        let each = Duration::from_secs(1) / per_second.max(1);
        let most = Duration::from_secs(BURST_SECONDS.into()).max(each);
        let mut buckets = self.0.lock();
        buckets.sweep(now);
        if let Some(empty_at) = buckets.empty_at.get_mut(key) {
            let level = (*empty_at).max(now) + each;
            if level > now + most {
                return Err(level - (now + most));
            }
            *empty_at = level;
            return Ok(());
        }
        if buckets.empty_at.len() >= KNOWN {
            // As many are at work as can be told apart: a further one waits until one of them is quiet.
            return Err(SWEEP_EVERY);
        }
        buckets.empty_at.insert(key.to_owned(), now + each);
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

    fn address(last: u32) -> Asker<'static> {
        Asker::Address(IpAddr::from((0x0a00_0000 + last).to_be_bytes()))
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
        for asker in [Asker::Address(ip), Asker::Monitor(ip), Asker::Key("a"), Asker::Key("b")] {
            assert!((0..4).all(|_| rates.admit(asker, &limits, now).is_ok()), "{asker:?}");
            assert!(rates.admit(asker, &limits, now).is_err(), "{asker:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_64_counts_as_one_address() {
        let (rates, limits, now) = (HttpRates::default(), limits(1, 1), Instant::now());
        let asker = |last: u16| Asker::Address(format!("2001:db8::{last:x}").parse().unwrap());
        assert!((0..4).all(|last| rates.admit(asker(last), &limits, now).is_ok()));
        assert!(rates.admit(asker(5), &limits, now).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_is_bounded_and_forgets_the_quiet() {
        let (rates, limits, now) = (HttpRates::default(), limits(1, 1), Instant::now());
        assert!((0..KNOWN as u32).all(|last| rates.admit(address(last), &limits, now).is_ok()));
        assert_eq!(rates.admit(address(KNOWN as u32), &limits, now), Err(SWEEP_EVERY));
        let later = now + Duration::from_secs(2);
        assert_eq!(rates.admit(address(KNOWN as u32), &limits, later), Ok(()));
        assert_eq!(rates.addresses.0.lock().empty_at.len(), 1);
    }
}
