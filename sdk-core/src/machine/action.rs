//! The actions that the machine requests of its driver.

use realtime_gateway_protocol::{CloseCode, NotificationId};

use super::{Attempt, StreamId, Ticket};
use crate::{Delivery, Error, Frame, Position, State};

/// An action for the driver, which carries out actions in the order of polling. No `Debug`: frames hold user content.
pub enum Action {
    /// Open a connection.
    Open(Attempt),
    /// Send a text frame.
    SendFrame(Attempt, String),
    /// Close the connection. The driver reports nothing more about it.
    Close(Attempt, CloseCode),
    /// Call the token provider. The result of an earlier call that is still pending is not needed any more.
    RequestToken,
    /// A new stream is confirmed, with the position at which it begins, or refused, and then it has ended.
    Subscribed(StreamId, Result<Option<Position>, Error>),
    /// Deliver an event to a stream.
    Deliver(StreamId, Delivery),
    /// The stream has ended.
    Ended(StreamId, Error),
    /// A command is complete, with its reply. Acknowledgements have no reply: one message may confirm several commands.
    Resolve(Ticket, Result<Option<Frame>, Error>),
    /// This number of notifications waits for an acknowledgement. Reported once the app subscribes to notifications.
    Pending(u64),
    /// These notifications were acknowledged, in this session or another.
    Acknowledged(Vec<NotificationId>),
    /// The state has changed; the greeting is a `connected` message.
    State(State<Frame>),
}
