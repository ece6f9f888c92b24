//! Errors of the broker and the network, in texts without secrets.

use std::sync::Arc;

use lapin::ErrorKind;

use super::link::Link;
use crate::bus::broker::ChannelError;

/// AMQP reply codes (AMQP 0-9-1, section 1.2).
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const RESOURCE_LOCKED: u16 = 405;
const PRECONDITION_FAILED: u16 = 406;

/// Why a connection or a channel has failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AmqpError {
    /// Another connection has the queue exclusively.
    #[error("{0}")]
    Locked(Arc<str>),
    /// An exchange or a queue exists with other arguments. Waiting does not repair that.
    #[error("{0}; delete it on the broker, or give this gateway another bus.prefix")]
    Mismatch(Arc<str>),
    /// The broker refuses the content of a message.
    #[error("{0}")]
    InvalidContent(Arc<str>),
    /// Another error of the broker or the network.
    #[error("{0}")]
    Other(Arc<str>),
}

impl AmqpError {
    /// Returns an error with a text of the gateway.
    pub(super) fn of(text: &str) -> Self {
        Self::Other(text.into())
    }

    /// Returns the error of a declaration. The same codes mean something else where an event is published.
    pub(super) fn of_declaration(error: lapin::Error) -> Self {
        let code = match error.kind() {
            ErrorKind::ProtocolError(answer) => answer.get_id(),
            _ => 0,
        };
        match (code, Self::from(error)) {
            (RESOURCE_LOCKED, Self::Other(text)) => Self::Locked(text),
            (PRECONDITION_FAILED, Self::Other(text)) => Self::Mismatch(text),
            (_, error) => error,
        }
    }
}

impl AmqpError {
    /// Returns the error of a publication. A broker that cannot find the exchange, or does not let the gateway write to it,
    /// does so whatever the message is; every other refusal may be about the content of the message.
    pub(super) fn of_publication(error: lapin::Error) -> Self {
        let code = match error.kind() {
            ErrorKind::ProtocolError(answer) => answer.get_id(),
            _ => 0,
        };
        match (code, Self::from(error)) {
            (0 | ACCESS_REFUSED | NOT_FOUND, error) => error,
            (_, error) => Self::InvalidContent(error.to_string().into()),
        }
    }
}

impl AmqpError {
    /// Returns the error of a channel on this connection.
    pub(super) fn into_channel_error(self, link: &Link) -> ChannelError {
        let text: Arc<str> = self.to_string().into();
        match self {
            _ if !link.is_up() => ChannelError::Disconnected(text),
            Self::InvalidContent(_) => ChannelError::InvalidContent(text),
            Self::Locked(_) | Self::Mismatch(_) | Self::Other(_) => ChannelError::Closed(text),
        }
    }
}

impl From<lapin::Error> for AmqpError {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(answer) => Self::Other(answer.get_message().to_string().into()),
            ErrorKind::IOError(error) => Self::Other(error.to_string().into()),
            ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => {
                Self::of("the connection is gone")
            }
            _ => Self::Other(error.to_string().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPSoftError};

    use super::*;

    #[test]
    fn classifies_a_failed_precondition_by_what_was_requested() {
        let refused = || -> lapin::Error {
            let error = AMQPError::new(AMQPSoftError::PRECONDITIONFAILED.into(), "PRECONDITION_FAILED - why".into());
            ErrorKind::ProtocolError(error).into()
        };
        assert!(matches!(AmqpError::from(refused()), AmqpError::Other(text) if &*text == "PRECONDITION_FAILED - why"));
        assert!(
            matches!(AmqpError::of_declaration(refused()), AmqpError::Mismatch(text) if &*text == "PRECONDITION_FAILED - why")
        );
        assert!(
            matches!(AmqpError::of_publication(refused()), AmqpError::InvalidContent(text) if &*text == "PRECONDITION_FAILED - why")
        );
        assert!(matches!(AmqpError::of_declaration(ErrorKind::MissingHeartbeatError.into()), AmqpError::Other(_)));
    }
}
