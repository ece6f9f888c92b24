//! An error of the machine as JavaScript is told of it.

use realtime_gateway_sdk::{
    Error, ErrorKind, Outcome,
    protocol::{CloseCode, ObjectText},
};

/// What `GatewayError` is made of.
pub(crate) fn fault(error: &Error) -> ObjectText {
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
        _ => "connection",
    };
    let outcome = match error.outcome() {
        Outcome::NotSent => "not_sent",
        Outcome::Refused => "refused",
        _ => "unknown",
    };
    let mut text = ObjectText::default();
    text.text("code", code).text("message", &error.to_string()).text("outcome", outcome);
    text.raw("retryable", if error.is_retryable() { "true" } else { "false" });
    if let Some(wait) = error.retry_after() {
        text.whole("retryAfterMs", u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    }
    if let Some(code) = error.close_code() {
        text.whole("closeCode", code.0.into());
    }
    if let ErrorKind::TimedOut(Some(cause)) = error.kind() {
        text.raw("cause", fault(cause).as_str());
    }
    text
}
