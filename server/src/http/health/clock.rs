//! The state of the node's clock, as `/health` reports it.

use realtime_gateway_protocol::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::Status;
use crate::runtime::clock::ClockStatus;

/// The state of the clock.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) struct ClockHealth {
    status: Status,
    /// `running`, or `paused` while the clock is not trusted. Nothing is deleted then.
    deletion: &'static str,
    /// Since when the clock has not been trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// How far the clock is ahead of the trusted time, in milliseconds. Negative when it is behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference_ms: Option<i64>,
    /// How far the clock of this machine is ahead of the clock of a shared store, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_difference_ms: Option<i64>,
}

impl ClockHealth {
    pub(super) fn of(clock: &ClockStatus) -> Self {
        Self {
            status: if clock.is_healthy() { Status::Ok } else { Status::Degraded },
            deletion: if clock.may_delete() { "running" } else { "paused" },
            since: clock.doubt.map(|doubt| doubt.since),
            difference_ms: clock.doubt.map(|doubt| doubt.difference_ms),
            store_difference_ms: clock.skew_ms,
        }
    }
}

/// Returns warnings that tell an operator what to do.
pub(super) fn warnings(clock: &ClockStatus) -> Vec<String> {
    let mut warnings = Vec::new();
    if clock.doubt.is_some_and(|doubt| doubt.agrees()) {
        warnings.push(
            "the clock had jumped and is correct again; deletion resumes once it has been correct for a minute".into(),
        );
    } else if let Some(doubt) = clock.doubt {
        let seconds = doubt.difference_ms as f64 / 1_000.0;
        let remedy = match doubt.needs_confirmation() {
            true => {
                "the machine was restarted, so the elapsed time is unknown: if the clock is correct, run \
                     `gateway store accept-clock`"
            }
            false => "correct the clock, or run `gateway store accept-clock` if it is correct now",
        };
        warnings.push(format!("the clock has jumped by {seconds:.1} s, so nothing is deleted: {remedy}"));
    }
    if clock.store_refuses {
        warnings.push(
            "the clock of the store has jumped, so nothing is deleted: correct it, or run `gateway store accept-clock` \
             if it is correct now"
                .to_owned(),
        );
    }
    if let Some(skew) = clock.skew_ms.filter(|_| clock.is_skewed()) {
        let (seconds, way) = (skew.unsigned_abs() as f64 / 1_000.0, if skew > 0 { "ahead of" } else { "behind" });
        warnings.push(format!("the clock of this machine is {seconds:.1} s {way} that of the store; correct it"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime::clock::{Machine, NodeClock};

    /// A machine with stopped clocks that has been rebooted.
    #[derive(Debug)]
    struct StoppedMachine(u64);

    impl Machine for StoppedMachine {
        fn wall(&self) -> Timestamp {
            Timestamp::from_millis(self.0)
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }

        fn timers(&self) -> Duration {
            Duration::ZERO
        }

        fn boot(&self) -> String {
            "another".into()
        }
    }

    #[test]
    fn warnings_tell_what_an_operator_should_do() {
        const DAY: u64 = 24 * 3_600_000;
        for (wall, expected) in [(10 * DAY, "was restarted"), (DAY, "correct the clock"), (5 * DAY, "")] {
            let clock = NodeClock::new(StoppedMachine(wall));
            let at = Timestamp::from_millis(5 * DAY);
            clock.resume(&crate::runtime::clock::Mark { boot: "one".into(), monotonic: Duration::ZERO, at });
            let found = warnings(&clock.status());
            assert_eq!(found.is_empty(), expected.is_empty(), "{found:?}");
            assert!(
                found.iter().all(|warning| warning.contains(expected) && warning.contains("accept-clock")),
                "{found:?}"
            );
        }
    }
}
