//! The clock for the core, which also detects that the device has slept.
//!
//! The monotonic clock of the operating system stops while the device sleeps. If the wall clock ran ahead of it, the
//! device slept, or the wall clock was set. In both cases a ping shows whether the connection is alive.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::machine::Millis;

/// The least advance of the wall clock that counts as sleep. A smaller one is a clock adjustment.
const MIN_SLEEP: Duration = Duration::from_secs(2);

/// Counts milliseconds from its start.
pub(super) struct Clock {
    started: Instant,
    wall: SystemTime,
    /// How far the wall clock was ahead at the last reading; zero if it was behind.
    ahead: Duration,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { started: Instant::now(), wall: SystemTime::now(), ahead: Duration::ZERO }
    }

    /// Returns the time, and whether the device has slept since the last reading.
    pub(super) fn read(&mut self) -> (Millis, bool) {
        let monotonic = self.started.elapsed();
        // A wall clock that was set back to before the start has not run ahead.
        let woken = self.has_slept(monotonic, self.wall.elapsed().unwrap_or_default());
        (Millis::try_from(monotonic.as_millis()).unwrap_or(Millis::MAX), woken)
    }

    /// Converts a deadline of the core to an `Instant`.
    pub(super) fn instant(&self, at: Millis) -> Instant {
        self.started + Duration::from_millis(at)
    }

    fn has_slept(&mut self, monotonic: Duration, wall: Duration) -> bool {
        let before = std::mem::replace(&mut self.ahead, wall.saturating_sub(monotonic));
        self.ahead.saturating_sub(before) >= MIN_SLEEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_each_sleep_once() {
        let mut clock = Clock::start();
        let readings = [(10, 11), (20, 80), (21, 81), (30, 5), (31, 6), (40, 40), (41, 44), (42, 45)];
        let slept = readings
            .map(|(monotonic, wall)| clock.has_slept(Duration::from_secs(monotonic), Duration::from_secs(wall)));
        assert_eq!(slept, [false, true, false, false, false, false, true, false]);
    }
}
