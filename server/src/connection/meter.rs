//! Bounds how many control frames a client sends, each of which costs us a wake and often a write.

use std::time::Duration;

use tokio::time::Instant;

/// Control frames that may come at once.
const BURST: u32 = 50;
/// How long one takes to be forgotten: 10 a second.
const EACH: Duration = Duration::from_millis(100);

/// A bucket that leaks one frame every 100 ms.
#[derive(Debug)]
pub(super) struct ControlMeter {
    /// When the bucket will be empty.
    empty_at: Instant,
}

impl ControlMeter {
    pub(super) fn new(now: Instant) -> Self {
        Self { empty_at: now }
    }

    /// Counts a frame; false when it is one too many.
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
    async fn fifty_at_once_and_ten_a_second() {
        let now = Instant::now();
        let mut meter = ControlMeter::new(now);
        assert!((0..50).all(|_| meter.take(now)));
        assert!(!meter.take(now));
        let later = now + Duration::from_secs(1);
        assert!((0..10).all(|_| meter.take(later)));
        assert!(!meter.take(later));
    }
}
