//! How long to wait before a request is repeated: between 1 s and 5 min, at random, so that receivers are not hit by all
//! gateways together.

use std::time::Duration;

/// The shortest time between two requests.
pub(super) const SHORTEST: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest `Retry-After` that is followed.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Returns how long to wait after this many failures in a row. `share`, from 0 to 1, is random: the wait is between half
/// of and the whole of a time that doubles with each failure.
pub(super) fn wait(failures: u32, share: f64) -> Duration {
    let longest = SHORTEST.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(LONGEST);
    let shortest = (longest / 2).max(SHORTEST);
    shortest + longest.saturating_sub(shortest).mul_f64(share)
}

/// Returns how long to wait for a `Retry-After`.
pub(super) fn bounded(retry_after: Duration) -> Duration {
    retry_after.clamp(SHORTEST, MAX_RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_one_second_to_five_minutes() {
        assert_eq!((wait(1, 0.0), wait(1, 1.0)), (SHORTEST, SHORTEST * 2));
        assert_eq!((wait(4, 0.0), wait(4, 1.0)), (SHORTEST * 8, SHORTEST * 16));
        for failures in [9, 60, u32::MAX] {
            assert_eq!((wait(failures, 0.0), wait(failures, 1.0)), (LONGEST / 2, LONGEST));
        }
        assert_eq!(bounded(Duration::ZERO), SHORTEST);
        assert_eq!(bounded(Duration::from_secs(864_000)), MAX_RETRY_AFTER);
    }
}
