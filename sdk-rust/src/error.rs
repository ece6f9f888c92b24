//! The one error type of the SDK: what went wrong, whether it may be tried again, and what became of the command.

use std::time::Duration;

use realtime_gateway_protocol::{CloseCode, ErrorCode};

/// What became of the command that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It never left this process.
    NotSent,
    /// The gateway answered that it did not do it.
    Refused,
    /// It was sent, and whether it took effect is not known.
    Unknown,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is outside its bounds; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// The gateway refused the command.
    #[error("the gateway refused: {message} ({code})")]
    Refused {
        /// Why, for programs.
        code: ErrorCode,
        /// Why, for people.
        message: String,
        /// When the gateway said that it may be tried again.
        retry_after: Option<Duration>,
    },
    /// No answer came in time. Holds what kept the connection from working, when something did.
    #[error("no answer came in time{}", .0.as_ref().map(|why| format!(" ({why})")).unwrap_or_default())]
    TimedOut(Option<Box<Error>>),
    /// Too many commands wait already.
    #[error("too many commands are waiting")]
    QueueFull,
    /// The connection ended before the answer came.
    #[error("the connection was lost before the answer came")]
    Disconnected,
    /// No connection could be made, or it ended; the SDK tries again by itself.
    #[error("no connection: {0}")]
    Connection(String),
    /// The token provider failed; it is asked again.
    #[error("the token provider failed: {0}")]
    Token(String),
    /// The client was closed by the app, or has stopped until the app resumes it.
    #[error("the client has stopped: {reason} ({code})")]
    Closed {
        /// The close code that stopped it; 1000 when the app did.
        code: CloseCode,
        /// What it means.
        reason: String,
    },
    /// The client was used outside a tokio runtime.
    #[error("the client must be used inside a tokio runtime")]
    Runtime,
}

/// Why a call failed, or why a stream or the client ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    kind: Box<ErrorKind>,
    outcome: Outcome,
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The gateway's error code, when it was the gateway that refused.
    pub fn code(&self) -> Option<&ErrorCode> {
        match &*self.kind {
            ErrorKind::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The close code, when the client has stopped.
    pub fn close_code(&self) -> Option<CloseCode> {
        match &*self.kind {
            ErrorKind::Closed { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the same call may succeed later. With an [`Outcome::Unknown`] repeat a send only under the same
    /// client message id.
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

    /// How long the gateway asked to wait before trying again.
    pub fn retry_after(&self) -> Option<Duration> {
        match &*self.kind {
            ErrorKind::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What became of the command.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// An error of a driver or of a room of the machine, for a command with the given outcome.
    pub fn new(kind: ErrorKind, outcome: Outcome) -> Self {
        Self { kind: Box::new(kind), outcome }
    }

    pub(crate) fn invalid(problem: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::Invalid(problem.to_string()), Outcome::NotSent)
    }

    pub(crate) fn refused(code: ErrorCode, message: String, retry_after: Option<Duration>) -> Self {
        // `unavailable` may still appear, and after a fault of the gateway nobody knows.
        let outcome = match code {
            ErrorCode::Unavailable | ErrorCode::Internal => Outcome::Unknown,
            _ => Outcome::Refused,
        };
        Self::new(ErrorKind::Refused { code, message, retry_after }, outcome)
    }

    pub(crate) fn closed(code: CloseCode, reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Closed { code, reason: reason.into() }, Outcome::NotSent)
    }

    pub(crate) fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }
}
