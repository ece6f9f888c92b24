//! What goes wrong with the broker, in words that hold no secret.

use std::sync::Arc;

use lapin::ErrorKind;

use crate::store::StoreError;

/// AMQP reply codes (AMQP 0-9-1, section 1.2).
const RESOURCE_LOCKED: u16 = 405;
const PRECONDITION_FAILED: u16 = 406;

/// Why the work on a connection ended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// Another connection has the queue to itself.
    #[error("{0}")]
    Locked(Arc<str>),
    /// An exchange or a queue is there with other arguments: waiting does not mend it.
    #[error("{0}; delete it on the broker, or give this gateway another bus.prefix")]
    Mismatch(Arc<str>),
    /// Whatever else the broker or the network says.
    #[error("{0}")]
    Other(Arc<str>),
}

impl Fault {
    /// A fault in our words.
    pub(super) fn of(text: &str) -> Self {
        Self::Other(text.into())
    }

    /// What a broker says to a declaration. The same codes mean something else where an event is published.
    pub(super) fn of_declaration(error: lapin::Error) -> Self {
        let code = match error.kind() {
            ErrorKind::ProtocolError(said) => said.get_id(),
            _ => 0,
        };
        match (code, Self::from(error)) {
            (RESOURCE_LOCKED, Self::Other(text)) => Self::Locked(text),
            (PRECONDITION_FAILED, Self::Other(text)) => Self::Mismatch(text),
            (_, fault) => fault,
        }
    }
}

impl From<lapin::Error> for Fault {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(said) => Self::Other(said.get_message().to_string().into()),
            ErrorKind::IOError(error) => Self::Other(error.to_string().into()),
            ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => {
                Self::of("the connection is gone")
            }
            _ => Self::Other(error.to_string().into()),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Other(error.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPSoftError};

    use super::*;

    #[test]
    fn only_a_declaration_can_be_a_mismatch() {
        let refused = || -> lapin::Error {
            let error = AMQPError::new(AMQPSoftError::PRECONDITIONFAILED.into(), "PRECONDITION_FAILED - why".into());
            ErrorKind::ProtocolError(error).into()
        };
        assert!(matches!(Fault::from(refused()), Fault::Other(text) if &*text == "PRECONDITION_FAILED - why"));
        assert!(
            matches!(Fault::of_declaration(refused()), Fault::Mismatch(text) if &*text == "PRECONDITION_FAILED - why")
        );
        assert!(matches!(Fault::of_declaration(ErrorKind::MissingHeartbeatError.into()), Fault::Other(_)));
    }
}
