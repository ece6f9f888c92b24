//! Decides whether a clock can be trusted, without reading one. A clock is trusted as long as it moves as the monotonic
//! clock of the machine does. After a jump the trusted time goes on by monotonic progress, and nothing is deleted.

use std::time::Duration;

use realtime_gateway_protocol::Timestamp;

use super::mark::Mark;

/// A step that is adopted without doubt, such as one of NTP. It also bounds how far a clock that is trusted again may
/// differ.
pub const STEP: Duration = Duration::from_secs(5);
/// How long a clock must agree with the trusted time before it is trusted again.
pub const AGREEMENT: Duration = Duration::from_secs(60);
/// The longest time between two boots of the machine that is believed without a confirmation. Nothing measures it.
pub(super) const UNSEEN: Duration = Duration::from_secs(24 * 3_600);
/// Of each span of time this share may be adopted as drift: one part in ten, as fast as NTP daemons correct a clock.
const DRIFT: u64 = 10;
/// While the gateway does not run, the drift that is believed is one part in a thousand. NTP slews half as fast.
const DRIFT_AT_REST: u32 = 1_000;

/// What two clocks showed at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The clock that is watched.
    pub wall: Timestamp,
    /// The time since the machine started, with the time in which it was suspended.
    pub monotonic: Duration,
}

/// When a doubt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// When the clock has agreed with the trusted time for [`AGREEMENT`], or an operator confirms the clock.
    Agreement,
    /// The same, but no monotonic progress is known from before: the clock may be ahead by up to [`UNSEEN`], so that a
    /// machine without a clock of its own can get its time from the network.
    AgreementSinceBoot,
    /// When an operator confirms the clock: no monotonic progress is there to compare it with.
    Confirmation,
}

/// A clock that is not trusted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// Since when, in trusted time.
    pub since: Timestamp,
    /// How far the clock is ahead of the trusted time, in milliseconds; negative when it is behind.
    pub difference_ms: i64,
    remedy: Remedy,
    /// Since when it has agreed with the trusted time again, and by how much it was ahead then.
    agrees_since: Option<(Duration, i64)>,
}

/// What a reading has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// The clock has jumped and is doubted from now on.
    Doubted(Doubt),
    /// The clock is trusted again.
    Restored,
}

/// The state of one clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct JumpDetector {
    /// A trusted time, and when it was.
    anchor: Reading,
    /// When the clock was read last.
    last: Duration,
    /// How much difference may still be adopted, in milliseconds.
    budget: u64,
    doubt: Option<Doubt>,
}

impl JumpDetector {
    /// Trusts a clock from its first reading on.
    pub(super) fn new(reading: Reading) -> Self {
        Self { anchor: reading, last: reading.monotonic, budget: millis(STEP), doubt: None }
    }

    /// Goes on from what an earlier process has noted. Within one boot of the machine monotonic progress tells how much
    /// time has passed. After another boot only the clock itself does, so a large step needs a confirmation.
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
            // What was stored is not younger than now.
            let anchor = Reading { wall: mark.at, ..reading };
            return Self { anchor, doubt: Some(Doubt::new(mark.at, difference, Remedy::AgreementSinceBoot)), ..fresh };
        }
        if difference > signed(UNSEEN) {
            // The machine was probably off for so long, so new entries are stamped with the clock as it is.
            return Self { doubt: Some(Doubt::new(reading.wall, difference, Remedy::Confirmation)), ..fresh };
        }
        fresh
    }

    /// The trusted time at a moment.
    pub(super) fn now(&self, monotonic: Duration) -> Timestamp {
        later(self.anchor.wall, monotonic.saturating_sub(self.anchor.monotonic))
    }

    /// Takes a reading, which is `uncertain` by the time that it took.
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

    /// Trusts the clock as it is, because an operator says so.
    pub(super) fn accept(&mut self, reading: Reading) {
        *self = Self::new(reading);
    }

    /// Why the clock is not trusted, if it is not.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    /// What a later process goes on from. None while only an operator can end the doubt: a mark would end it.
    pub(super) fn mark(&self, boot: &str, monotonic: Duration) -> Option<Mark> {
        let is_open = self.doubt.is_some_and(|doubt| doubt.remedy == Remedy::Confirmation);
        (!is_open).then(|| Mark { boot: boot.to_owned(), monotonic, at: self.now(monotonic) })
    }
}

impl Doubt {
    fn new(since: Timestamp, difference_ms: i64, remedy: Remedy) -> Self {
        Self { since, difference_ms, remedy, agrees_since: None }
    }

    /// Whether the clock agrees with the trusted time again, for less than [`AGREEMENT`] yet.
    pub fn agrees(&self) -> bool {
        self.agrees_since.is_some()
    }

    /// Whether only an operator can end it.
    pub fn needs_confirmation(&self) -> bool {
        self.remedy == Remedy::Confirmation
    }
}

/// How far a time is ahead of another, in milliseconds.
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
