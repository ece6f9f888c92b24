//! What the machine asks of its driver.

use realtime_gateway_protocol::CloseCode;

use super::{Attempt, StreamId, Ticket};
use crate::{Delivery, Error, Frame, Position, State};

/// Something for the driver to do, in the order in which they are polled. It has no `Debug`: frames hold content.
pub enum Action {
    /// Open a connection.
    Open(Attempt),
    /// Send a text frame.
    SendFrame(Attempt, String),
    /// Close the connection, and report nothing more of it.
    Close(Attempt, CloseCode),
    /// Ask the token provider; an earlier question that is still open may be forgotten.
    AskToken,
    /// The subscription behind a new stream is confirmed, with the position that it begins at; or refused, and then
    /// the stream is over.
    Subscribed(StreamId, Result<Option<Position>, Error>),
    /// Hand this to a stream.
    Deliver(StreamId, Delivery),
    /// The stream is over.
    Ended(StreamId, Error),
    /// A command is done, with the message that answers it. Acknowledgements have none: one message may answer many.
    Resolve(Ticket, Result<Option<Frame>, Error>),
    /// The state has changed; the greeting is a `connected` message.
    State(State<Frame>),
}
