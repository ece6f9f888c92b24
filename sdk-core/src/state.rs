//! The state of the connection that an app sees.

use std::sync::Arc;

use realtime_gateway_protocol::{Connected, ServerMessage};

use crate::{Error, Frame};

/// Whether the client is connected. The machine keeps the greeting as a frame; an app gets it decoded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum State<S = Arc<Connected>> {
    /// The app has not used the client yet.
    Idle,
    /// It opens a connection or waits for its identity to be confirmed.
    Connecting,
    /// It is connected. The greeting has the identity, its expiry and the limits.
    Connected(S),
    /// It is connected, but the token could not be renewed, for this reason. The session ends with the token unless a
    /// later attempt succeeds.
    Expiring(S, Error),
    /// It waits before the next attempt, or for the token provider. Holds the error of the last attempt, if it failed.
    Waiting(Option<Error>),
    /// It has stopped: the app closed it permanently, or, with another close code, the gateway or the token provider
    /// ended it (replaced by another session, no valid token, disconnected by an operator). The client does not connect
    /// until the app resumes it, and its streams wait for that.
    Closed(Error),
}

impl<S> State<S> {
    /// Returns whether commands are sent to the gateway immediately.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected(_) | Self::Expiring(..))
    }

    /// Returns the state's name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Connected(_) => "connected",
            Self::Expiring(..) => "expiring",
            Self::Waiting(_) => "waiting",
            Self::Closed(_) => "closed",
        }
    }
}

impl State<Frame> {
    /// Returns the state with the greeting decoded, as an app sees it.
    pub fn decoded(self) -> State {
        let greeting = |frame: Frame| match frame.message() {
            ServerMessage::Connected(connected) => Some(Arc::new(connected)),
            // Unreachable: the machine is connected only by this message.
            _ => None,
        };
        match self {
            Self::Connected(frame) => greeting(frame).map_or(State::Connecting, State::Connected),
            Self::Expiring(frame, error) => {
                greeting(frame).map_or(State::Connecting, |connected| State::Expiring(connected, error))
            }
            Self::Idle => State::Idle,
            Self::Connecting => State::Connecting,
            Self::Waiting(error) => State::Waiting(error),
            Self::Closed(error) => State::Closed(error),
        }
    }
}
