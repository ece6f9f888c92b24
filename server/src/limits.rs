//! Bounds of one session: a token bucket for its commands, and a count of what it did wrong lately. And what counts as
//! one address where addresses are bounded.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use tokio::time::Instant;

/// A token bucket: so many at once, refilled at a steady rate.
#[derive(Debug)]
pub struct Bucket {
    tokens: f32,
    burst: f32,
    per_second: f32,
    filled: Instant,
}

impl Bucket {
    /// A full bucket.
    pub fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        Self { tokens: burst as f32, burst: burst as f32, per_second: per_second.max(1) as f32, filled: now }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// How long until there is one.
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

/// What counts as one address: of IPv6 the /64 that one subscriber has.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Counts strikes in a window that begins with the first.
#[derive(Debug, Default)]
pub struct Strikes {
    window: Option<Instant>,
    count: u32,
}

impl Strikes {
    /// How long strikes are counted together.
    const WINDOW: Duration = Duration::from_secs(10);

    /// Counts one; true when there are `limit` within 10 s.
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
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(20, 40, start);
        assert!((0..40).all(|_| bucket.take(start).is_ok()));
        let wait = bucket.take(start).unwrap_err();
        assert!(wait > Duration::from_millis(45) && wait < Duration::from_millis(55), "{wait:?}");
        assert!(bucket.take(start + Duration::from_millis(51)).is_ok());
    }

    #[test]
    fn strikes_count_within_ten_seconds() {
        let start = Instant::now();
        let mut strikes = Strikes::default();
        assert!((0..19).all(|_| !strikes.strike(20, start)));
        assert!(!strikes.strike(20, start + Duration::from_secs(11)));
        assert!((0..18).all(|_| !strikes.strike(20, start + Duration::from_secs(12))));
        assert!(strikes.strike(20, start + Duration::from_secs(13)));
    }
}
