//! Decides whether a clock can be trusted. It reads no clock itself. A clock is trusted as long as it advances like the
//! monotonic clock of the machine. After a jump, the trusted time continues with the monotonic clock, and nothing is
//! deleted.

use std::time::Duration;

use realtime_gateway_protocol::Timestamp;

use gateway_store::ClockMark as Mark;

/// The largest step that is adopted, such as a correction by NTP. It is also the accepted difference of a clock that is
/// trusted again.
pub const STEP: Duration = Duration::from_secs(5);
/// How long a clock has to agree with the trusted time before it is trusted again.
pub const AGREEMENT: Duration = Duration::from_secs(60);
/// The longest time between two boots of the machine that is accepted without a confirmation, because no clock measures
/// it.
pub(super) const UNSEEN: Duration = Duration::from_secs(24 * 3_600);
/// The drift that is adopted: one part in this many, which is as fast as NTP daemons correct a clock.
const DRIFT: u64 = 10;
/// The drift that is accepted while the gateway does not run: one part in this many. NTP slews half as fast.
const DRIFT_AT_REST: u32 = 1_000;

/// The values of two clocks at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The clock that is checked.
    pub wall: Timestamp,
    /// The time since the machine started, including the time during which it was suspended.
    pub monotonic: Duration,
}

/// What ends a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// The clock agrees with the trusted time for [`AGREEMENT`], or an operator confirms it.
    Agreement,
    /// The same, but the monotonic progress since the mark is not known. The clock may be ahead by up to [`UNSEEN`], so
    /// that a machine without a hardware clock can get its time from the network.
    AgreementSinceBoot,
    /// An operator confirms the clock, because there is no monotonic progress to compare it with.
    Confirmation,
}

/// A doubt about a clock, which is not trusted until the doubt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// When the doubt began, in trusted time.
    pub since: Timestamp,
    /// How far the clock is ahead of the trusted time, in milliseconds. Negative when it is behind.
    pub difference_ms: i64,
    remedy: Remedy,
    /// Since when the clock has agreed with the trusted time again, and how far it was ahead then.
    agrees_since: Option<(Duration, i64)>,
}

/// The effect of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// The clock has jumped and is no longer trusted.
    Doubted(Doubt),
    /// The clock is trusted again.
    Restored,
}

/// The state of one clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct JumpDetector {
    /// A trusted time, and the monotonic time at which it was valid.
    anchor: Reading,
    /// When the clock was read last, by the monotonic clock.
    last: Duration,
    /// The difference that may still be adopted, in milliseconds. It refills over time, see [`DRIFT`].
    budget: u64,
    doubt: Option<Doubt>,
}

impl JumpDetector {
    /// Creates a detector that trusts the first reading.
    pub(super) fn new(reading: Reading) -> Self {
        Self { anchor: reading, last: reading.monotonic, budget: millis(STEP), doubt: None }
    }

    /// Continues from the mark of an earlier process. Within one boot of the machine, the monotonic clock measures the
    /// time since the mark. After another boot only the clock itself does, so a large step needs a confirmation.
    pub(super) fn resumed(mark: &Mark, boot: &str, reading: Reading) -> Self {
        let fresh = Self::new(reading);
        if mark.boot == boot && !boot.is_empty() && reading.monotonic >= mark.monotonic {
            let elapsed = reading.monotonic - mark.monotonic;
            let expected = later(mark.at, elapsed);
            let difference = difference(reading.wall, expected);
            if difference.unsigned_abs() <= millis(STEP + elapsed / DRIFT_AT_REST) {
                return fresh;
            }
            let anchor = Reading { wall: expected, ..reading };
            return Self { anchor, doubt: Some(Doubt::new(expected, difference, Remedy::Agreement)), ..fresh };
        }
        let difference = difference(reading.wall, mark.at);
        if difference < -signed(STEP) {
            // The time cannot be before the mark, which was stored earlier.
            let anchor = Reading { wall: mark.at, ..reading };
            return Self { anchor, doubt: Some(Doubt::new(mark.at, difference, Remedy::AgreementSinceBoot)), ..fresh };
        }
        if difference > signed(UNSEEN) {
            // The machine was probably off for this long, so new entries use the clock as it is.
            return Self { doubt: Some(Doubt::new(reading.wall, difference, Remedy::Confirmation)), ..fresh };
        }
        fresh
    }

    /// Returns the trusted time at a monotonic time.
    pub(super) fn now(&self, monotonic: Duration) -> Timestamp {
        later(self.anchor.wall, monotonic.saturating_sub(self.anchor.monotonic))
    }

    /// Compares a reading with the trusted time. `uncertain` is the possible error of the reading.
    pub(super) fn observe(&mut self, reading: Reading, uncertain: Duration) -> Change {
        let elapsed = reading.monotonic.saturating_sub(self.last);
        self.last = self.last.max(reading.monotonic);
        self.budget = self.budget.saturating_add(millis(elapsed) / DRIFT).min(millis(STEP));
        let expected = self.now(reading.monotonic);
        let difference = difference(reading.wall, expected);
        let sure = difference.unsigned_abs().saturating_sub(millis(uncertain));
        let Some(doubt) = &mut self.doubt else {
            if sure <= self.budget {
                self.budget -= sure;
                let adopted = if difference < 0 { earlier(expected, sure) } else { later_by(expected, sure) };
                self.anchor = Reading { wall: adopted, monotonic: reading.monotonic };
                return Change::None;
            }
            let doubt = Doubt::new(expected, difference, Remedy::Agreement);
            self.doubt = Some(doubt);
            return Change::Doubted(doubt);
        };
        if doubt.remedy == Remedy::Confirmation {
            return Change::None;
        }
        doubt.difference_ms = difference;
        let ahead = if doubt.remedy == Remedy::Agreement { STEP } else { UNSEEN };
        let allowed = if difference < 0 { STEP } else { ahead };
        if sure > millis(allowed) {
            doubt.agrees_since = None;
            return Change::None;
        }
        let (since, before) = *doubt.agrees_since.get_or_insert((reading.monotonic, difference));
        if difference.abs_diff(before) > millis(STEP) {
            doubt.agrees_since = Some((reading.monotonic, difference));
            return Change::None;
        }
        if reading.monotonic.saturating_sub(since) < AGREEMENT {
            return Change::None;
        }
        *self = Self::new(reading);
        Change::Restored
    }

    /// Accepts the clock as it is, on behalf of an operator.
    pub(super) fn accept(&mut self, reading: Reading) {
        *self = Self::new(reading);
    }

    /// Returns the doubt about the clock, if there is one.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    /// Returns the mark for the next process. Returns `None` while only an operator can end the doubt, because a new
    /// mark would end it.
    pub(super) fn mark(&self, boot: &str, monotonic: Duration) -> Option<Mark> {
        let is_open = self.doubt.is_some_and(|doubt| doubt.remedy == Remedy::Confirmation);
        (!is_open).then(|| Mark { boot: boot.to_owned(), monotonic, at: self.now(monotonic) })
    }
}

impl Doubt {
    fn new(since: Timestamp, difference_ms: i64, remedy: Remedy) -> Self {
        Self { since, difference_ms, remedy, agrees_since: None }
    }

    /// Returns whether the clock agrees with the trusted time again, but has not done so for [`AGREEMENT`] yet.
    pub fn agrees(&self) -> bool {
        self.agrees_since.is_some()
    }

    /// Returns whether only an operator can end the doubt.
    pub fn needs_confirmation(&self) -> bool {
        self.remedy == Remedy::Confirmation
    }
}

/// Returns how far a time is ahead of another, in milliseconds.
pub(super) fn difference(time: Timestamp, other: Timestamp) -> i64 {
    let (time, other) = (time.millis(), other.millis());
    let distance = i64::try_from(time.abs_diff(other)).unwrap_or(i64::MAX);
    if time < other { -distance } else { distance }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    later_by(at, millis(by))
}

fn later_by(at: Timestamp, millis: u64) -> Timestamp {
    Timestamp::from_millis(at.millis().saturating_add(millis))
}

fn earlier(at: Timestamp, millis: u64) -> Timestamp {
    Timestamp::from_millis(at.millis().saturating_sub(millis))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn signed(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
