//! How long to wait after failures: at random, so that nodes that failed together do not try again together.

use std::time::Duration;

/// The shortest time between two attempts.
pub(crate) const SHORTEST: Duration = Duration::from_millis(250);
/// The longest.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);
/// What lasted this long was good: the next failures count from the beginning.
pub(crate) const GOOD: Duration = Duration::from_secs(10);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns how long to wait after a failure of what lasted for this time. After the first failure that is no time.
    pub(crate) fn after_failure(&mut self, lasted: Duration) -> Duration {
        let failures = std::mem::replace(&mut self.failures, 0);
        let failures = if lasted >= GOOD { 0 } else { failures };
        self.failures = failures.saturating_add(1);
        if failures == 0 { Duration::ZERO } else { backoff(failures, random()) }
    }
}

/// Returns a time between the shortest and one that doubles with each failure; `share`, from 0 to 1, says where.
pub(crate) fn backoff(failures: u32, share: f64) -> Duration {
    let longest = SHORTEST.saturating_mul(1 << failures.min(8)).min(LONGEST);
    SHORTEST + longest.saturating_sub(SHORTEST).mul_f64(share)
}

/// Returns a random number from 0 to 1.
pub(crate) fn random() -> f64 {
    // The last bits of a UUIDv7 are random.
    uuid::Uuid::now_v7().as_u128() as u32 as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_seconds_and_no_further() {
        assert_eq!(backoff(1, 0.0), SHORTEST);
        assert_eq!(backoff(1, 1.0), SHORTEST * 2);
        assert_eq!(backoff(3, 1.0), SHORTEST * 8);
        for failures in [6, 60, u32::MAX] {
            assert_eq!((backoff(failures, 0.0), backoff(failures, 1.0)), (SHORTEST, LONGEST));
        }
        assert!((0.0..=1.0).contains(&random()));
    }

    #[test]
    fn the_first_failure_waits_for_nothing_and_a_good_time_forgets_failures() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.after_failure(Duration::ZERO), Duration::ZERO);
        assert!(backoff.after_failure(Duration::ZERO) >= SHORTEST);
        assert!(backoff.after_failure(Duration::from_secs(1)) >= SHORTEST);
        assert_eq!(backoff.after_failure(GOOD), Duration::ZERO);
    }
}
