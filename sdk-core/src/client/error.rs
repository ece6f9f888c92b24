//! An error of the machine as JSON.

use realtime_gateway_protocol::{CloseCode, ObjectText};

use crate::{Error, ErrorKind, Outcome};

/// Encodes an error with the fields that every SDK reports.
pub(super) fn text(error: &Error) -> ObjectText {
    let code = match error.kind() {
        ErrorKind::Refused { code, .. } => code.as_str(),
        ErrorKind::Invalid(_) => "invalid",
        ErrorKind::TimedOut(_) => "timed_out",
        ErrorKind::QueueFull => "queue_full",
        ErrorKind::Disconnected => "disconnected",
        ErrorKind::Token(_) => "token",
        ErrorKind::Closed { code: CloseCode::REPLACED, .. } => "replaced",
        ErrorKind::Closed { code: CloseCode::UNAUTHORIZED, .. } => "unauthorized",
        ErrorKind::Closed { .. } => "closed",
        ErrorKind::Connection(_) | ErrorKind::Runtime => "connection",
    };
    let outcome = match error.outcome() {
        Outcome::NotSent => "not_sent",
        Outcome::Refused => "refused",
        Outcome::Unknown => "unknown",
    };
    let mut members = ObjectText::default();
    members.text("code", code).text("message", &error.kind().sentence()).text("outcome", outcome);
    members.flag("retryable", error.is_retryable());
    if let Some(wait) = error.retry_after() {
        members.whole("retryAfterMs", u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    }
    if let Some(details) = error.details() {
        members.raw("details", details);
    }
    if let Some(code) = error.close_code() {
        members.whole("closeCode", code.0.into());
    }
    if let ErrorKind::TimedOut(Some(cause)) = error.kind() {
        members.raw("cause", text(cause).as_str());
    }
    members
}
