//! Exponential backoff with jitter. Part of each delay is random, so that callers that failed at the same time do not
//! retry at the same time.

use std::time::Duration;

use uuid::Uuid;

/// The delay after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(30);

/// Returns the delay after this many consecutive failures. It doubles up to 30 s, and its second half is random.
pub(crate) fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let most = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    most.mul_f64(0.5 + random_share() / 2.0)
}

/// Returns a random number from 0 to 1.
pub(crate) fn random_share() -> f64 {
    // The low bits of a UUIDv7 are random.
    f64::from(Uuid::now_v7().as_u128() as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_with_jitter() {
        for (failures, most) in [(0, 1), (1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (u32::MAX, 30)] {
            let most = Duration::from_secs(most);
            for _ in 0..20 {
                let wait = backoff(failures);
                assert!(wait >= most / 2 && wait <= most, "{failures}: {wait:?}");
            }
        }
        assert_ne!(backoff(6), backoff(6));
    }
}
