//! Rate limits: a token bucket for commands, a counter of recent violations, and the network that counts as one
//! address.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use tokio::time::Instant;

/// A token bucket: it allows a burst and refills at a steady rate.
#[derive(Debug)]
pub struct Bucket {
    tokens: f32,
    burst: f32,
    per_second: f32,
    filled: Instant,
}

impl Bucket {
    /// Creates a full bucket.
    pub fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        Self { tokens: burst as f32, burst: burst as f32, per_second: per_second.max(1) as f32, filled: now }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// The time until a token is available.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let since = now.saturating_duration_since(self.filled).as_secs_f32();
        self.tokens = (self.tokens + since * self.per_second).min(self.burst);
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f32((1.0 - self.tokens) / self.per_second))
    }
}

/// Returns the network that counts as one address: for IPv6 the /64, which is what one subscriber usually gets.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Counts violations in a window that starts with the first one.
#[derive(Debug, Default)]
pub struct Strikes {
    window: Option<Instant>,
    count: u32,
}

impl Strikes {
    /// The length of the window.
    const WINDOW: Duration = Duration::from_secs(10);

    /// Counts a violation. Returns true when there are at least `limit` within the window of 10 s.
    pub fn strike(&mut self, limit: u32, now: Instant) -> bool {
        if self.window.is_none_or(|begun| now.saturating_duration_since(begun) > Self::WINDOW) {
            (self.window, self.count) = (Some(now), 0);
        }
        self.count += 1;
        self.count >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_allows_a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(20, 40, start);
        assert!((0..40).all(|_| bucket.take(start).is_ok()));
        let wait = bucket.take(start).unwrap_err();
        assert!(wait > Duration::from_millis(45) && wait < Duration::from_millis(55), "{wait:?}");
        assert!(bucket.take(start + Duration::from_millis(51)).is_ok());
    }

    #[test]
    fn counts_strikes_within_ten_seconds() {
        let start = Instant::now();
        let mut strikes = Strikes::default();
        assert!((0..19).all(|_| !strikes.strike(20, start)));
        assert!(!strikes.strike(20, start + Duration::from_secs(11)));
        assert!((0..18).all(|_| !strikes.strike(20, start + Duration::from_secs(12))));
        assert!(strikes.strike(20, start + Duration::from_secs(13)));
    }
}
