//! Limits how often one kind of event is logged. What a client can cause any number of times must not fill the log: the
//! first event is logged, those of the next ten seconds are counted, and the count is logged when they are over.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::Level;

/// At most one line of a kind is logged in this time.
pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// Limits with events that were counted and not logged yet. There are no more than uses of `log_limited!`.
static COUNTING: Mutex<Vec<&'static LogLimit>> = Mutex::new(Vec::new());

/// The limit of one kind of event. `log_limited!` makes one for each place that uses it.
#[derive(Debug)]
pub struct LogLimit {
    level: Level,
    message: &'static str,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the next line may be logged; `None` before the first.
    next: Option<Instant>,
    suppressed: u64,
    /// Whether it stands in [`COUNTING`].
    listed: bool,
}

impl LogLimit {
    /// A limit for events that are logged with this level and message.
    pub const fn new(level: Level, message: &'static str) -> Self {
        Self { level, message, state: Mutex::new(State { next: None, suppressed: 0, listed: false }) }
    }

    /// Returns how many events were not logged before this one, when this one is to be logged. Otherwise it is counted.
    pub fn admit(&'static self) -> Option<u64> {
        self.admit_at(Instant::now())
    }

    fn admit_at(&'static self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        if state.next.is_none_or(|next| now >= next) {
            state.next = Some(now + INTERVAL);
            return Some(std::mem::take(&mut state.suppressed));
        }
        state.suppressed += 1;
        let listed = std::mem::replace(&mut state.listed, true);
        drop(state);
        if !listed {
            COUNTING.lock().push(self);
        }
        None
    }

    /// How many events to report now, if it is time to. False when there is nothing to come back for.
    fn due(&self, now: Instant) -> (Option<u64>, bool) {
        let mut state = self.state.lock();
        if state.suppressed > 0 && state.next.is_some_and(|next| now < next) {
            return (None, true);
        }
        state.listed = false;
        let suppressed = std::mem::take(&mut state.suppressed);
        if suppressed > 0 {
            state.next = Some(now + INTERVAL);
        }
        ((suppressed > 0).then_some(suppressed), false)
    }

    fn report(&self, suppressed: u64) {
        let message = self.message;
        match self.level {
            Level::ERROR => tracing::error!(suppressed, "{message}"),
            Level::WARN => tracing::warn!(suppressed, "{message}"),
            _ => tracing::info!(suppressed, "{message}"),
        }
    }
}

/// Logs how many events were counted, for every kind whose ten seconds are over. To be called about once a second.
pub(super) fn report_suppressed() {
    report_suppressed_at(Instant::now());
}

fn report_suppressed_at(now: Instant) {
    let mut limits = std::mem::take(&mut *COUNTING.lock());
    limits.retain(|limit| {
        let (suppressed, wait) = limit.due(now);
        if let Some(suppressed) = suppressed {
            limit.report(suppressed);
        }
        wait
    });
    COUNTING.lock().append(&mut limits);
}

/// Logs an event that a client can cause any number of times: `log_limited!(WARN, { %error }, "what happened")`. At most
/// one line in ten seconds has the level, and says in `suppressed` how many came since the last; the others are `debug`.
macro_rules! log_limited {
    ($level:ident, { $($fields:tt)* }, $message:literal) => {{
        static LIMIT: $crate::telemetry::LogLimit =
            $crate::telemetry::LogLimit::new(::tracing::Level::$level, $message);
        match LIMIT.admit() {
            Some(suppressed) => ::tracing::event!(::tracing::Level::$level, { suppressed, $($fields)* }, $message),
            None => ::tracing::event!(::tracing::Level::DEBUG, { $($fields)* }, $message),
        }
    }};
}
pub(crate) use log_limited;

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because all limits that count stand in one list.
    #[test]
    fn one_line_in_ten_seconds_and_the_rest_is_counted_and_reported() {
        static LIMIT: LogLimit = LogLimit::new(Level::WARN, "a test");
        let listed = || COUNTING.lock().iter().filter(|limit| std::ptr::eq(**limit, &LIMIT)).count();
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(LIMIT.admit_at(at(0)), Some(0));
        assert_eq!(listed(), 0);
        assert!((0..500).all(|_| LIMIT.admit_at(at(9)).is_none()));
        assert_eq!(listed(), 1);
        assert_eq!(LIMIT.due(at(9)), (None, true), "it is not time yet");
        assert_eq!(LIMIT.due(at(10)), (Some(500), false));
        assert_eq!(LIMIT.admit_at(at(19)), None, "the report was a line too");
        assert_eq!(LIMIT.admit_at(at(20)), Some(1));
        assert_eq!(LIMIT.due(at(31)), (None, false), "nothing was suppressed");
        assert_eq!(LIMIT.admit_at(at(31)), Some(0));
        // What came last is reported although nothing comes after it.
        LIMIT.admit_at(at(32));
        report_suppressed_at(at(33));
        assert_eq!(LIMIT.state.lock().suppressed, 1);
        report_suppressed_at(at(41));
        assert_eq!((listed(), LIMIT.state.lock().suppressed), (0, 0));
    }
}
