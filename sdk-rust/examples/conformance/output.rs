//! The lines of the adapter, and errors as the kit wants them.

use std::io::{self, Write as _};

use realtime_gateway_sdk::{
    Error, ErrorKind, Outcome,
    protocol::{CloseCode, Envelope, ServerMessage, decode_server, encode_server},
};
use serde_json::{Value, json};

/// Writes a line.
pub(crate) fn emit(line: &Value) {
    let mut output = io::stdout().lock();
    // Without a reader the kit has ended.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// An error of a command.
pub(crate) struct Failed(pub(crate) Value);

impl Failed {
    /// The app has cancelled the call.
    pub(crate) fn canceled() -> Self {
        Self(json!({"code": "canceled", "outcome": "unknown", "retryable": true}))
    }

    /// The adapter does not know the command.
    pub(crate) fn unsupported(command: &Value) -> Self {
        Self(json!({
            "code": "unsupported", "outcome": "not_sent", "retryable": false, "message": format!("no such command: {command}"),
        }))
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(error_value(&error))
    }
}

impl From<serde_json::Error> for Failed {
    fn from(error: serde_json::Error) -> Self {
        Self(json!({"code": "invalid", "outcome": "not_sent", "retryable": false, "message": error.to_string()}))
    }
}

/// Returns an error in the words of all SDKs.
pub(crate) fn error_value(error: &Error) -> Value {
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
    let mut value =
        json!({"code": code, "outcome": outcome, "retryable": error.is_retryable(), "message": error.to_string()});
    if let Some(wait) = error.retry_after() {
        value["retryAfterMs"] = json!(wait.as_millis());
    }
    if let Some(code) = error.close_code() {
        value["closeCode"] = json!(code.0);
    }
    value
}

/// Returns a message of the gateway as it came.
pub(crate) fn message_value(message: ServerMessage) -> Value {
    if let ServerMessage::Unknown(unknown) = &message
        && decode_server(unknown.raw.as_str()).is_err()
    {
        // Its type is known, but a field is invalid.
        return json!({"type": "unreadable"});
    }
    serde_json::from_str(&encode_server(&Envelope::without_request_id(message))).unwrap_or_default()
}
