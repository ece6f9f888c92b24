//! The clock that a store uses. Tests pass their own, so that they can test age and expiry without waiting.

use std::{fmt, sync::Arc, time::Duration};

use realtime_gateway_protocol::Timestamp;

/// A function that returns the current time. It is cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// Returns the wall clock of the machine, for tests. It may jump; a gateway passes a clock that detects jumps.
    #[cfg(feature = "testing")]
    pub fn system() -> Self {
        Self::new(|| std::time::SystemTime::now().into())
    }

    /// Creates a clock that calls the function `now`.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Returns the time that is `duration` after `at`, at most the end of the year 9999.
pub(crate) fn after(at: Timestamp, duration: Duration) -> Timestamp {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(at.millis().saturating_add(millis))
}
