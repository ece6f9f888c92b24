//! How the clock of the node is, as `/health` shows it.

use realtime_gateway_protocol::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::Status;
use crate::clock::ClockStatus;

/// How the clock is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub(super) struct ClockHealth {
    status: Status,
    /// `running`, or `paused` while the clock cannot be trusted: nothing is deleted then.
    deletion: &'static str,
    /// Since when the clock is not trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// How far the clock is ahead of the time that is trusted, in milliseconds; negative when it is behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference_ms: Option<i64>,
    /// How far the clock of this machine is ahead of that of a shared store, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    store_difference_ms: Option<i64>,
}

impl ClockHealth {
    pub(super) fn of(clock: &ClockStatus) -> Self {
        Self {
            status: if clock.is_well() { Status::Ok } else { Status::Degraded },
            deletion: if clock.may_delete() { "running" } else { "paused" },
            since: clock.doubt.map(|doubt| doubt.since),
            difference_ms: clock.doubt.map(|doubt| doubt.difference_ms),
            store_difference_ms: clock.skew_ms,
        }
    }
}

/// What an operator should look at, in sentences.
pub(super) fn warnings(clock: &ClockStatus) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(doubt) = clock.doubt {
        let seconds = doubt.difference_ms as f64 / 1_000.0;
        let remedy = match doubt.needs_confirmation() {
            true => {
                "the machine was restarted, so nothing tells how much time has passed: if the clock is right, run \
                     `gateway store accept-clock`"
            }
            false => "correct the clock, or run `gateway store accept-clock` if it is right now",
        };
        warnings.push(format!("the clock has jumped by {seconds:.1} s, so nothing is deleted: {remedy}"));
    }
    if clock.store_refuses {
        warnings.push(
            "the clock of the store has jumped, so nothing is deleted: correct it, or run `gateway store accept-clock` \
             if it is right now"
                .to_owned(),
        );
    }
    if let Some(skew) = clock.skew_ms.filter(|_| clock.is_skewed()) {
        let (seconds, way) = (skew.unsigned_abs() as f64 / 1_000.0, if skew > 0 { "ahead of" } else { "behind" });
        warnings.push(format!("the clock of this machine is {seconds:.1} s {way} that of the store; correct it"));
    }
    warnings
}
