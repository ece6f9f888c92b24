//! The time of day as an input of a store, so that age and expiry can be tried without waiting.

use std::{fmt, sync::Arc, time::Duration};

use realtime_gateway_protocol::Timestamp;

/// Tells what time it is, where no caller says so. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The wall clock of the machine, trusted or not: for tests. A gateway has a [`NodeClock`](crate::clock::NodeClock).
    #[cfg(test)]
    pub fn system() -> Self {
        Self::new(|| std::time::SystemTime::now().into())
    }

    /// One that asks the given function.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The moment so long after another, at most the end of the year 9999.
pub(super) fn after(at: Timestamp, duration: Duration) -> Timestamp {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(at.millis().saturating_add(millis))
}
