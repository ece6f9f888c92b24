//! Why a command was refused: the code and sentence that the client gets.

use std::{borrow::Cow, time::Duration};

use realtime_gateway_protocol::{ClientMessageId, ErrorCode, RawJson, UserId};

use crate::{store::StoreError, telemetry::log_limited};

/// A refusal, as the client gets it. The cause, where there is one, goes to the log and not in here.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CommandError {
    /// For programs.
    pub code: ErrorCode,
    /// For people: no token, no stack, no internal address.
    pub message: Cow<'static, str>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// More for programs.
    pub details: Option<RawJson>,
}

impl CommandError {
    /// A refusal without more to tell.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry_after: None, details: None }
    }

    /// A refusal that may not hold after a while.
    pub fn retry(code: ErrorCode, message: impl Into<Cow<'static, str>>, after: Duration) -> Self {
        Self { retry_after: Some(after), ..Self::new(code, message) }
    }

    /// A refusal that names the field that was wrong.
    pub fn field(field: &str, problem: &str) -> Self {
        let details = RawJson::encode(&serde_json::json!({ "field": field, "problem": problem })).ok();
        let message = format!("{field}: {problem}");
        Self { details, ..Self::new(ErrorCode::InvalidMessage, message) }
    }

    /// A fault of the gateway. The cause goes to the log, under an id that the client is given.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let error_id = uuid::Uuid::now_v7().to_string();
        log_limited!(ERROR, { %error_id, %cause }, "internal error");
        let details = RawJson::encode(&serde_json::json!({ "errorId": error_id })).ok();
        Self { details, ..Self::new(ErrorCode::Internal, "internal error") }
    }

    /// Not confirmed in time.
    pub fn unavailable() -> Self {
        Self::retry(ErrorCode::Unavailable, "not confirmed in time; try again", Duration::from_secs(1))
    }

    /// Another message was stored under this id before.
    pub fn conflict() -> Self {
        Self::new(
            ErrorCode::Conflict,
            "this id was used before with other content, and nothing was stored; use a new id for new content",
        )
    }

    /// Another notification was stored under this id before for these users. The other users got the new one.
    pub fn conflict_of_users(users: &[UserId]) -> Self {
        let message = format!(
            "this id was used before with other content for {} of the users, who get nothing; the others got the \
             notification; use a new id for new content",
            users.len()
        );
        let details = RawJson::encode(&serde_json::json!({ "userIds": users })).ok();
        Self { details, ..Self::new(ErrorCode::Conflict, message) }
    }

    /// The same error for a command that carries a `clientMessageId`, or does not.
    pub(crate) fn about_command_with(self, id: Option<&ClientMessageId>) -> Self {
        match (&self.code, id) {
            (ErrorCode::Unavailable, Some(_)) => {
                Self { message: format!("{}, with the same clientMessageId", self.message).into(), ..self }
            }
            _ => self,
        }
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::conflict(),
            // The operator learns the reason from the log and from `/health`.
            StoreError::Full(_) => Self::retry(
                ErrorCode::Unavailable,
                "there is no space for new messages now, and nothing was stored; try again later",
                Duration::from_secs(5),
            ),
            StoreError::Unavailable(_) => {
                log_limited!(WARN, { %error }, "the store refused");
                Self::unavailable()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_named_and_its_cause_is_not() {
        let error = CommandError::internal("the cause");
        let details: serde_json::Value = error.details.unwrap().decode().unwrap();
        assert!(details["errorId"].as_str().is_some_and(|id| id.len() == 36));
        assert!(!error.message.contains("the cause"));
    }
}
