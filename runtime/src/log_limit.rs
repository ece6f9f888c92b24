//! Limits how often one kind of event is logged, so that clients cannot fill the log. The first event is logged, the
//! events of the next ten seconds are counted, and the count is logged after them.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::Level;

/// The time in which at most one line of a kind is logged.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// The limits with events that were counted and not reported yet. The list is bounded by the number of uses of
/// `log_limited!`.
static PENDING_REPORTS: Mutex<Vec<&'static LogLimit>> = Mutex::new(Vec::new());

/// The limit of one kind of event. `log_limited!` creates one for each place that uses it.
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
    /// Whether it is listed in [`PENDING_REPORTS`].
    listed: bool,
}

impl LogLimit {
    /// Creates a limit for events that are logged with this level and message.
    pub const fn new(level: Level, message: &'static str) -> Self {
        Self { level, message, state: Mutex::new(State { next: None, suppressed: 0, listed: false }) }
    }

    /// Decides whether to log an event. Returns the number of events suppressed before it, or `None` if it is only
    /// counted.
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
            PENDING_REPORTS.lock().push(self);
        }
        None
    }

    /// Returns the number of suppressed events if the ten seconds are over, and whether this limit has to be checked
    /// again.
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

/// Logs the number of suppressed events of every kind whose ten seconds are over. Call it about once a second.
pub fn report_suppressed() {
    report_suppressed_at(Instant::now());
}

fn report_suppressed_at(now: Instant) {
    let mut limits = std::mem::take(&mut *PENDING_REPORTS.lock());
    limits.retain(|limit| {
        let (suppressed, wait) = limit.due(now);
        if let Some(suppressed) = suppressed {
            limit.report(suppressed);
        }
        wait
    });
    PENDING_REPORTS.lock().append(&mut limits);
}

/// Logs an event that a client can cause any number of times: `log_limited!(WARN, { %error }, "message")`. At most one
/// line in ten seconds has this level, with the number of lines suppressed since the last one in `suppressed`. The
/// others are `debug`.
#[macro_export]
macro_rules! log_limited {
    ($level:ident, { $($fields:tt)* }, $message:literal) => {{
        static LIMIT: $crate::log_limit::LogLimit =
            $crate::log_limit::LogLimit::new(::tracing::Level::$level, $message);
        match LIMIT.admit() {
            Some(suppressed) => ::tracing::event!(::tracing::Level::$level, { suppressed, $($fields)* }, $message),
            None => ::tracing::event!(::tracing::Level::DEBUG, { $($fields)* }, $message),
        }
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This is a single test, because all limits share one list.
    #[test]
    fn logs_one_line_in_ten_seconds_and_counts_the_rest() {
        static LIMIT: LogLimit = LogLimit::new(Level::WARN, "a test");
        let listed = || PENDING_REPORTS.lock().iter().filter(|limit| std::ptr::eq(**limit, &LIMIT)).count();
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
        // The last events are reported although none follows.
        LIMIT.admit_at(at(32));
        report_suppressed_at(at(33));
        assert_eq!(LIMIT.state.lock().suppressed, 1);
        report_suppressed_at(at(41));
        assert_eq!((listed(), LIMIT.state.lock().suppressed), (0, 0));
    }
}
