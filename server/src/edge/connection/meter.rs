//! Limits the control frames of a client. Each one costs a wakeup, and often a write.

use std::time::Duration;

use tokio::time::Instant;

/// The most control frames in a burst.
const BURST: u32 = 50;
/// The time after which one frame leaves the bucket: 10 frames a second.
const EACH: Duration = Duration::from_millis(100);

/// A leaky bucket that releases one frame every 100 ms.
#[derive(Debug)]
pub(super) struct ControlMeter {
    /// When the bucket is empty.
    empty_at: Instant,
}

impl ControlMeter {
    pub(super) fn new(now: Instant) -> Self {
        Self { empty_at: now }
    }

    /// Counts a frame. Returns false when it exceeds the limit.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let level = self.empty_at.max(now) + EACH;
        let fits = level <= now + EACH * BURST;
        if fits {
            self.empty_at = level;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn allows_a_burst_of_fifty_and_ten_a_second() {
        let now = Instant::now();
        let mut meter = ControlMeter::new(now);
        assert!((0..50).all(|_| meter.take(now)));
        assert!(!meter.take(now));
        let later = now + Duration::from_secs(1);
        assert!((0..10).all(|_| meter.take(later)));
        assert!(!meter.take(later));
    }
}
