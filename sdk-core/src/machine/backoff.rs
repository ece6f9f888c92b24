//! The reconnect delay: exponential backoff with full jitter, adjusted by the advice of the close code.

use realtime_gateway_protocol::Reconnect;

use super::{Millis, Reconnection};

/// The upper bound of the first random delay, unless the app has set other bounds.
const BASE: Millis = 500;
/// The jitter of an immediate reconnect: a node that drains disconnects thousands of clients at the same moment.
const IMMEDIATE: Millis = 1_000;

/// A generator of random numbers for jitter (splitmix64), which depends only on the seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a random number from 0 to `max`.
    pub(crate) fn up_to(&mut self, max: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        max.checked_add(1).map_or(z, |range| z % range)
    }
}

/// Counts consecutive failures.
pub(crate) struct Backoff {
    bounds: Reconnection,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(bounds: Reconnection) -> Self {
        Self { bounds, failures: 0 }
    }

    /// Resets the count after a stable connection.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns how long to wait after one more failure, or `None` if the close code advises not to reconnect.
    pub(crate) fn delay(
        &mut self,
        advice: Reconnect,
        requested: Option<Millis>,
        random: &mut Random,
    ) -> Option<Millis> {
        let Reconnection { min, max } = self.bounds;
        let ceiling = BASE.max(min).saturating_mul(1 << self.failures.min(16)).min(max);
        // A delay without advice lies between the bounds.
        let mut spread = |ceiling: Millis| min + random.up_to(ceiling.saturating_sub(min));
        let first = self.failures == 0;
        self.failures = self.failures.saturating_add(1);
        let delay = match advice {
            Reconnect::Never => return None,
            Reconnect::AtOnce if first => spread(IMMEDIATE.min(max)),
            Reconnect::AtOnce | Reconnect::Backoff | Reconnect::WithFreshToken => spread(ceiling),
            Reconnect::After(wait) => {
                let wait = requested.unwrap_or(u64::try_from(wait.as_millis()).unwrap_or(max));
                return Some(wait + random.up_to(ceiling.min(wait)));
            }
        };
        Some(delay.max(requested.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_ceiling_and_starts_over() {
        let bounds = Reconnection::default();
        let (mut backoff, mut random) = (Backoff::new(bounds), Random::new(1));
        let delays: Vec<_> = (0..40).map(|_| backoff.delay(Reconnect::Backoff, None, &mut random).unwrap()).collect();
        assert!(delays[0] <= BASE);
        assert!(delays.iter().all(|delay| *delay <= bounds.max));
        assert!(delays.iter().any(|delay| *delay > bounds.max / 2), "the ceiling is reached");
        backoff.reset();
        assert!(backoff.delay(Reconnect::Backoff, None, &mut random).unwrap() <= BASE);
        assert_eq!(backoff.delay(Reconnect::Never, None, &mut random), None);
    }

    #[test]
    fn never_reconnects_sooner_than_requested() {
        let mut random = Random::new(2);
        for _ in 0..100 {
            let advice = Reconnect::After(std::time::Duration::from_secs(5));
            let backoff = || Backoff::new(Reconnection { min: 0, max: 100 });
            assert!(backoff().delay(advice, Some(9_000), &mut random).unwrap() >= 9_000);
            assert!(backoff().delay(Reconnect::Backoff, Some(7_000), &mut random).unwrap() >= 7_000);
        }
    }

    #[test]
    fn keeps_within_the_bounds_that_the_app_set() {
        let mut random = Random::new(3);
        for bounds in [(2_000, 5_000), (0, 200), (40_000, 90_000), (700, 700), (0, 0)] {
            let (min, max) = bounds;
            let mut backoff = Backoff::new(Reconnection { min, max });
            for advice in [Reconnect::AtOnce, Reconnect::Backoff, Reconnect::WithFreshToken] {
                for _ in 0..40 {
                    let delay = backoff.delay(advice, None, &mut random).unwrap();
                    assert!((min..=max).contains(&delay), "{delay} of {bounds:?}");
                }
                backoff.reset();
            }
        }
    }
}
