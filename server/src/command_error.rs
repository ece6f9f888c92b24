//! The error of a command: the code and the sentence that the client receives.

use std::{borrow::Cow, time::Duration};

use gateway_contracts::InvalidData;
use realtime_gateway_protocol::{ClientMessageId, ErrorCode, RawJson, UserId};

use crate::{store::StoreError, telemetry::log_limited};

/// The error of a command as it is sent to the client. An internal cause is written to the log and is not part of it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{code}: {message}")]
pub struct CommandError {
    /// The code, for programs.
    pub code: ErrorCode,
    /// The sentence, for people. It contains no token, stack trace or internal address.
    pub message: Cow<'static, str>,
    /// The time after which the client may retry.
    pub retry_after: Option<Duration>,
    /// Additional data for programs, as a JSON object.
    pub details: Option<RawJson>,
    /// The problem of data that a service does not accept. The details contain it too.
    pub invalid_data: Option<Box<InvalidData>>,
}

impl CommandError {
    /// Creates an error without a retry time and details.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry_after: None, details: None, invalid_data: None }
    }

    /// Creates an error for a command that may succeed when it is retried after some time.
    pub fn retry(code: ErrorCode, message: impl Into<Cow<'static, str>>, after: Duration) -> Self {
        Self { retry_after: Some(after), ..Self::new(code, message) }
    }

    /// Creates an `invalid_message` error that names the invalid field.
    pub fn field(field: &str, problem: &str) -> Self {
        let details = RawJson::encode(&serde_json::json!({ "field": field, "problem": problem })).ok();
        let message = format!("{field}: {problem}");
        Self { details, ..Self::new(ErrorCode::InvalidMessage, message) }
    }

    /// Creates an `invalid_message` error for published data that does not match its schema. It contains the position of
    /// the first problem and the keyword of the schema, never the value.
    pub fn invalid_data(problem: InvalidData) -> Self {
        Self::invalid_data_of("data", problem)
    }

    /// As [`CommandError::invalid_data`], for data in another field.
    pub fn invalid_data_of(field: &str, problem: InvalidData) -> Self {
        let InvalidData { pointer, keyword, .. } = &problem;
        let details = serde_json::json!({ "field": field, "pointer": pointer, "keyword": keyword });
        let details = RawJson::encode(&details).ok();
        let message = format!("{field}: {problem}");
        Self { details, invalid_data: Some(Box::new(problem)), ..Self::new(ErrorCode::InvalidMessage, message) }
    }

    /// Creates an `internal` error. The cause is logged under a random id, and only the id is sent to the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let error_id = uuid::Uuid::now_v7().to_string();
        log_limited!(ERROR, { %error_id, %cause }, "internal error");
        let details = RawJson::encode(&serde_json::json!({ "errorId": error_id })).ok();
        Self { details, ..Self::new(ErrorCode::Internal, "internal error") }
    }

    /// Creates an `unavailable` error: the command was not confirmed in time.
    pub fn unavailable() -> Self {
        Self::retry(ErrorCode::Unavailable, "not confirmed in time; try again", Duration::from_secs(1))
    }

    /// Creates a `conflict` error: another message was stored with the same id before.
    pub fn conflict() -> Self {
        Self::new(
            ErrorCode::Conflict,
            "this id was used before with other content, and nothing was stored; use a new id for new content",
        )
    }

    /// Creates a `conflict` error: another notification was stored with the same id for these users before. The other
    /// users received the new one.
    pub fn conflict_of_users(users: &[UserId]) -> Self {
        let message = format!(
            "this id was used before with other content for {} of the users, who get nothing; the others got the \
             notification; use a new id for new content",
            users.len()
        );
        let details = RawJson::encode(&serde_json::json!({ "userIds": users })).ok();
        Self { details, ..Self::new(ErrorCode::Conflict, message) }
    }

    /// Adds to an `unavailable` error that the command has to be retried with the same `clientMessageId`, if it had
    /// one.
    pub(crate) fn for_command_with_id(self, id: Option<&ClientMessageId>) -> Self {
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
            // The reason is in the log and in `/health`, for the operator.
            StoreError::Full(_) => Self::retry(
                ErrorCode::Unavailable,
                "there is no space for new messages now, and nothing was stored; try again later",
                Duration::from_secs(5),
            ),
            StoreError::Unavailable(_) => {
                log_limited!(WARN, { %error }, "a request to the store failed");
                Self::unavailable()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_error_contains_its_id_but_not_its_cause() {
        let error = CommandError::internal("the cause");
        let details: serde_json::Value = error.details.unwrap().decode().unwrap();
        assert!(details["errorId"].as_str().is_some_and(|id| id.len() == 36));
        assert!(!error.message.contains("the cause"));
    }
}
