//! An error of the machine as JavaScript is told of it.

use realtime_gateway_sdk::{Error, ErrorKind, Outcome, protocol::CloseCode};
use serde::Serialize;

/// What `GatewayError` is made of.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fault {
    code: String,
    message: String,
    outcome: &'static str,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_code: Option<u16>,
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
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
        Self {
            code: code.to_owned(),
            message: error.to_string(),
            outcome,
            retryable: error.is_retryable(),
            retry_after_ms: error.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            close_code: error.close_code().map(|code| code.0),
        }
    }
}
