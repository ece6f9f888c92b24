//! The heartbeat of a follower: decides when it pings its leader, and when it considers the leader gone.

use crate::machine::Millis;

/// The interval of pings, and a quarter of the timeout for an answer, in milliseconds.
struct Pace {
    beat: Millis,
    quarter: Millis,
}

/// The pace of a visible page. It is faster, so that a visible page takes over before a hidden one.
const SHOWN: Pace = Pace { beat: 2_000, quarter: 250 };
/// The pace of a hidden page, whose timers browsers throttle to one a second or one a minute.
const HIDDEN: Pace = Pace { beat: 10_000, quarter: 2_500 };
/// The number of quarters that a tab waits for an answer.
const QUARTERS: u32 = 4;

/// The timers of a tab that does not lead.
#[derive(Default)]
pub(super) struct Heartbeat {
    now: Millis,
    hidden: bool,
    /// When the next ping is due.
    beat: Option<Millis>,
    /// The quarters that are left, and the end of the current one.
    countdown: Option<(u32, Millis)>,
    last_message: Millis,
}

impl Heartbeat {
    pub(super) fn set_time(&mut self, now: Millis, hidden: bool) {
        self.now = self.now.max(now);
        self.hidden = hidden;
    }

    fn pace(&self) -> &'static Pace {
        if self.hidden { &HIDDEN } else { &SHOWN }
    }

    /// Records that a ping was sent. The next one is due after a beat, and an answer within four quarters.
    pub(super) fn begin(&mut self) {
        self.beat = Some(self.now + self.pace().beat);
        let end = self.now + self.pace().quarter;
        self.countdown.get_or_insert((QUARTERS, end));
    }

    /// Records that the leader has sent a message.
    pub(super) fn record_message(&mut self) {
        self.last_message = self.now;
        self.countdown = None;
    }

    pub(super) fn stop(&mut self) {
        self.record_message();
        self.beat = None;
    }

    /// Returns whether the leader has sent nothing for a while.
    pub(super) fn is_stale(&self) -> bool {
        self.now - self.last_message > Millis::from(QUARTERS) * SHOWN.quarter
    }

    /// Returns whether a ping is due.
    pub(super) fn take_beat(&mut self) -> bool {
        self.beat.take_if(|at| self.now >= *at).is_some()
    }

    /// Returns whether no answer came in time. Quarters are counted, not measured: a page that was suspended has not
    /// waited, and receives the messages that were sent meanwhile before the next quarter ends.
    pub(super) fn take_missed(&mut self) -> bool {
        let next = self.now + self.pace().quarter;
        let Some((left, end)) = &mut self.countdown else { return false };
        if self.now < *end {
            return false;
        }
        *left -= 1;
        *end = next;
        self.countdown.take_if(|(left, _)| *left == 0).is_some()
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        self.beat.into_iter().chain(self.countdown.map(|(_, end)| end)).min()
    }
}
