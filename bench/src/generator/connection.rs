//! One connection of the load generator: its state from the HTTP response to its last subscription, and the bytes that
//! are not handled yet.

use std::{io, ops::Range};

use super::{receipts::Receipts, transport::Transport};
use crate::frames::{Frame, append_masked};

/// What a connection is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It receives these topics.
    Subscriber(Range<u32>),
    /// It publishes.
    Publisher,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It waits for the HTTP response.
    Upgrading,
    /// It waits for the greeting.
    Greeting,
    /// It waits for this many confirmations.
    Subscribing(u32),
    /// It receives or publishes.
    Ready,
    /// It has ended.
    Ended,
}

/// A connection.
pub(super) struct Connection {
    pub(super) transport: Transport,
    pub(super) role: Role,
    pub(super) state: State,
    /// What it has received, for each topic of a subscriber.
    pub(super) receipts: Vec<Receipts>,
    /// The beginning of a frame, or of the HTTP response.
    pub(super) unread: Vec<u8>,
    unsent: Vec<u8>,
    /// Whether the poller looks for space in the send buffer.
    pub(super) waits_for_space: bool,
}

impl Connection {
    /// Begins with the upgrade.
    pub(super) fn new(transport: Transport, role: Role) -> Self {
        let receipts = match &role {
            Role::Subscriber(topics) => vec![Receipts::default(); topics.len()],
            Role::Publisher => Vec::new(),
        };
        let (unread, unsent) = (Vec::new(), Vec::new());
        Self { transport, role, state: State::Upgrading, receipts, unread, unsent, waits_for_space: false }
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// If the connection has failed.
    pub(super) fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        append_masked(&mut self.unsent, opcode, payload);
        self.flush()
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If the connection has failed.
    pub(super) fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.unsent.extend_from_slice(bytes);
        self.flush()
    }

    /// Writes what is not sent yet, as far as the socket takes it.
    ///
    /// # Errors
    /// If the connection has failed.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.transport.flush()?;
        while !self.unsent.is_empty() {
            match self.transport.write(&self.unsent) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns whether something is left to send.
    pub(super) fn wants_write(&self) -> bool {
        !self.unsent.is_empty() || self.transport.wants_write()
    }

    /// Returns the receipts of a topic, if this is a subscriber of it.
    pub(super) fn receipts_of(&mut self, topic: u32) -> Option<&mut Receipts> {
        let Role::Subscriber(topics) = &self.role else { return None };
        let index = topic.checked_sub(topics.start)?;
        self.receipts.get_mut(index as usize)
    }
}

/// What is at the beginning of received bytes.
pub(super) enum Received {
    /// A successful HTTP response of this length.
    Upgraded(usize),
    /// A frame.
    Frame(Frame),
    /// Nothing complete.
    Incomplete,
}

impl Received {
    /// Looks at the beginning of the bytes.
    ///
    /// # Errors
    /// If the server has refused the upgrade; the error has the first line of its response.
    pub(super) fn first(bytes: &[u8], state: State) -> Result<Self, String> {
        if state != State::Upgrading {
            return Ok(Frame::first(bytes).map_or(Self::Incomplete, Self::Frame));
        }
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(Self::Incomplete) };
        if bytes.starts_with(b"HTTP/1.1 101") {
            return Ok(Self::Upgraded(end + 4));
        }
        let head = String::from_utf8_lossy(&bytes[..end]);
        Err(format!("the upgrade was refused: {}", head.lines().next().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_frames_that_follow_the_response() {
        let bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi";
        let Ok(Received::Upgraded(end)) = Received::first(bytes, State::Upgrading) else { panic!("it is a response") };
        assert_eq!(&bytes[end..], b"\x81\x02hi");
        assert!(matches!(Received::first(&bytes[end..], State::Ready), Ok(Received::Frame(frame)) if frame.end == 4));
        assert!(matches!(Received::first(&bytes[..end - 1], State::Upgrading), Ok(Received::Incomplete)));
    }

    #[test]
    fn names_status_of_refused_upgrade() {
        let error = Received::first(b"HTTP/1.1 401 Unauthorized\r\n\r\n", State::Upgrading).err();
        assert_eq!(error.as_deref(), Some("the upgrade was refused: HTTP/1.1 401 Unauthorized"));
    }
}
