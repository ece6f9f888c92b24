//! When to try again: exponential backoff with full jitter, bent by what the close code advises.

use realtime_gateway_protocol::Reconnect;

use super::{Millis, Reconnection};

/// The first delay is drawn from 0 to this, unless the app asked for other bounds.
const BASE: Millis = 500;
/// "At once with jitter": a node that drains sends thousands away at the same moment.
const AT_ONCE: Millis = 1_000;

/// Numbers for jitter (splitmix64), all following from the seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to `max`.
    pub(crate) fn up_to(&mut self, max: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        max.checked_add(1).map_or(z, |range| z % range)
    }
}

/// Counts failures in a row.
pub(crate) struct Backoff {
    bounds: Reconnection,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(bounds: Reconnection) -> Self {
        Self { bounds, failures: 0 }
    }

    /// A connection lasted: the next trouble is a new one.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after one more failure; none when the advice is not to come back.
    pub(crate) fn delay(
        &mut self,
        advice: Reconnect,
        asked_for: Option<Millis>,
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
            Reconnect::AtOnce if first => spread(AT_ONCE.min(max)),
            Reconnect::AtOnce | Reconnect::Backoff | Reconnect::WithFreshToken => spread(ceiling),
            Reconnect::After(wait) => {
                let wait = asked_for.unwrap_or(u64::try_from(wait.as_millis()).unwrap_or(max));
                return Some(wait + random.up_to(ceiling.min(wait)));
            }
        };
        Some(delay.max(asked_for.unwrap_or(0)))
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
    fn never_comes_back_sooner_than_asked() {
        let mut random = Random::new(2);
        for _ in 0..100 {
            let advice = Reconnect::After(std::time::Duration::from_secs(5));
            let backoff = || Backoff::new(Reconnection { min: 0, max: 100 });
            assert!(backoff().delay(advice, Some(9_000), &mut random).unwrap() >= 9_000);
            assert!(backoff().delay(Reconnect::Backoff, Some(7_000), &mut random).unwrap() >= 7_000);
        }
    }

    #[test]
    fn keeps_within_the_bounds_that_the_app_asked_for() {
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
