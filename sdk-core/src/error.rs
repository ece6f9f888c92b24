//! The error type of the SDK: the kind of error, whether a retry may succeed, and the outcome of the command.

use std::time::Duration;

use realtime_gateway_protocol::{CloseCode, ErrorCode};

/// Whether a failed command may have taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The command was not sent.
    NotSent,
    /// The gateway refused the command, which had no effect.
    Refused,
    /// The command was sent, and it is unknown whether it took effect.
    Unknown,
}

/// The kind of an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is not valid. Nothing was sent.
    Invalid(String),
    /// The gateway refused the command.
    Refused {
        /// The error code.
        code: ErrorCode,
        /// The error message of the gateway.
        message: String,
        /// How long to wait before another attempt, if the gateway sent a time.
        retry_after: Option<Duration>,
        /// The `details` of the error: JSON.
        details: Option<Box<str>>,
    },
    /// No answer arrived in time. Contains the error because of which there was no connection, if there was one.
    TimedOut(Option<Box<Error>>),
    /// Too many commands are waiting.
    QueueFull,
    /// The connection was lost before the answer arrived.
    Disconnected,
    /// The connection could not be opened, or was lost. The SDK reconnects automatically.
    Connection(String),
    /// The token provider failed. The SDK calls it again.
    Token(String),
    /// The client was closed by the app, or has stopped until the app resumes it.
    Closed {
        /// The close code that stopped the client; 1000 if the app closed it.
        code: CloseCode,
        /// The meaning of the close code.
        reason: String,
    },
    /// The client was used outside a tokio runtime.
    Runtime,
}

impl ErrorKind {
    /// The text of the error. Unlike `to_string` it needs no formatting code, which a browser would download.
    pub fn sentence(&self) -> String {
        match self {
            Self::Invalid(problem) => problem.clone(),
            Self::Refused { code, message, .. } => {
                ["the gateway refused: ", message, " (", code.as_str(), ")"].concat()
            }
            Self::TimedOut(None) => "no answer came in time".to_owned(),
            Self::TimedOut(Some(cause)) => ["no answer came in time (", &cause.kind.sentence(), ")"].concat(),
            Self::QueueFull => "too many commands are waiting".to_owned(),
            Self::Disconnected => "the connection was lost before the answer came".to_owned(),
            Self::Connection(problem) => ["no connection: ", problem].concat(),
            Self::Token(problem) => ["the token provider failed: ", problem].concat(),
            Self::Closed { code, reason } => {
                ["the client has stopped: ", reason, " (", &code.0.to_string(), ")"].concat()
            }
            Self::Runtime => "the client must be used inside a tokio runtime".to_owned(),
        }
    }
}

/// Why a call failed, or why a stream or the client ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    kind: Box<ErrorKind>,
    outcome: Outcome,
}

impl Error {
    /// Returns the kind of the error.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Returns the gateway's error code, if the gateway refused the command.
    pub fn code(&self) -> Option<&ErrorCode> {
        match &*self.kind {
            ErrorKind::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Returns the `details` of the gateway's error, as JSON. For [`ErrorCode::CallFailed`] these are the status, the code
    /// and the message of the backend.
    pub fn details(&self) -> Option<&str> {
        match &*self.kind {
            ErrorKind::Refused { details, .. } => details.as_deref(),
            _ => None,
        }
    }

    /// Returns the close code, if the client has stopped.
    pub fn close_code(&self) -> Option<CloseCode> {
        match &*self.kind {
            ErrorKind::Closed { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Returns whether the same call may succeed later. If the outcome is [`Outcome::Unknown`], repeat a send only with the
    /// same client message id.
    pub fn is_retryable(&self) -> bool {
        match &*self.kind {
            ErrorKind::Refused { code, .. } => code.is_retryable(),
            ErrorKind::TimedOut(_)
            | ErrorKind::QueueFull
            | ErrorKind::Disconnected
            | ErrorKind::Connection(_)
            | ErrorKind::Token(_) => true,
            ErrorKind::Invalid(_) | ErrorKind::Closed { .. } | ErrorKind::Runtime => false,
        }
    }

    /// Returns how long the gateway requires the client to wait before another attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        match &*self.kind {
            ErrorKind::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Returns whether the command may have taken effect.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Creates an error of this kind, for a command with this outcome.
    pub fn new(kind: ErrorKind, outcome: Outcome) -> Self {
        Self { kind: Box::new(kind), outcome }
    }

    /// Creates an error for an argument that is not valid.
    pub fn invalid(problem: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::Invalid(problem.to_string()), Outcome::NotSent)
    }

    pub(crate) fn refused(code: ErrorCode, message: String, retry_after: Option<Duration>) -> Self {
        // After `unavailable` and `internal` the command may still have taken effect.
        let outcome = match code {
            ErrorCode::Unavailable | ErrorCode::Internal | ErrorCode::CallUnknown => Outcome::Unknown,
            _ => Outcome::Refused,
        };
        Self::new(ErrorKind::Refused { code, message, retry_after, details: None }, outcome)
    }

    pub(crate) fn with_details(mut self, text: Option<&str>) -> Self {
        if let ErrorKind::Refused { details, .. } = &mut *self.kind {
            *details = text.map(Into::into);
        }
        self
    }

    /// Creates the error of a client that has stopped with this close code.
    pub fn closed(code: CloseCode, reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Closed { code, reason: reason.into() }, Outcome::NotSent)
    }

    /// Replaces the outcome.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }
}
