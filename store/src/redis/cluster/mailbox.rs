//! The mailbox of a node, whose messages arrive in two ways: announced immediately, and read by the next
//! reconciliation.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use tokio::sync::mpsc::{Sender, error::SendError};

use crate::{ClusterEvent, ControlMessage};

/// Finds messages that have already arrived the other way. Messages are identified by the numbers of their entries,
/// which ascend.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// The greatest number that a reconciliation has read. All smaller numbers were read as well.
    read: u64,
    /// Numbers that were announced, and that no reconciliation has read yet.
    announced: BTreeSet<u64>,
}

impl Mailbox {
    /// Notes that a message was announced. Returns whether it is new.
    pub(super) fn note_announced(&mut self, number: u64) -> bool {
        number > self.read && self.announced.insert(number)
    }

    /// Notes that a reconciliation has read a message. Returns whether it is new. After a loss of the lease a
    /// reconciliation reads the mailbox from its beginning, and its messages count as new.
    pub(super) fn note_read(&mut self, number: u64) -> bool {
        let is_new = !self.announced.contains(&number);
        if number > self.read {
            self.read = number;
            self.announced = self.announced.split_off(&(number + 1));
        }
        is_new
    }
}

/// Delivers a control message that was announced, unless a reconciliation has delivered it.
///
/// # Errors
/// If the receiver of the events was dropped.
pub(super) async fn deliver(
    mailbox: &Mutex<Mailbox>,
    events: &Sender<ClusterEvent>,
    number: u64,
    message: ControlMessage,
) -> Result<(), SendError<()>> {
    // Recorded only when there is room: the end of the connection drops this future while it waits, and a message that
    // was recorded and not delivered would be lost.
    let room = events.reserve().await?;
    if mailbox.lock().note_announced(number) {
        room.send(ClusterEvent::ControlMessage(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn delivers_message_once_whether_announced_or_read_first() {
        let mut mailbox = Mailbox::default();
        assert!(mailbox.note_announced(1));
        assert!(!mailbox.note_announced(1), "announced twice");
        assert!(!mailbox.note_read(1), "announced before");
        assert!(mailbox.note_read(2), "its announcement was lost");
        assert!(!mailbox.note_announced(2), "its announcement was late");
        assert!(mailbox.note_announced(4));
        assert!(mailbox.note_read(3), "an announced message does not hide an earlier one");
        assert!(!mailbox.note_read(4));
    }

    #[test]
    fn reconciliation_delivers_message_whose_announcement_was_interrupted() {
        let (events, mut arrived) = mpsc::channel(1);
        events.try_send(ClusterEvent::Restored).unwrap();
        let mailbox = Mutex::default();
        let announce = || deliver(&mailbox, &events, 1, ControlMessage::BlocksChanged);
        // There is no room, and the connection ends meanwhile, which drops the future.
        assert!(announce().now_or_never().is_none());
        assert!(mailbox.lock().note_read(1), "nothing else delivers it");
        assert_eq!(arrived.try_recv(), Ok(ClusterEvent::Restored));
        assert_eq!(announce().now_or_never(), Some(Ok(())));
        assert!(arrived.try_recv().is_err(), "the reconciliation has delivered it");
    }

    #[test]
    fn forgets_announced_numbers_once_read() {
        let mut mailbox = Mailbox::default();
        assert!((1..=1_000).all(|number| mailbox.note_announced(number)));
        mailbox.note_read(1_000);
        assert!(mailbox.announced.is_empty());
    }
}
