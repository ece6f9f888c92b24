//! The order of a session's publications that a backend decides about: each waits for the one before.

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The last publication of a session that has a turn.
#[derive(Debug, Default)]
pub(super) struct PublicationTurns(Mutex<Option<oneshot::Receiver<()>>>);

impl PublicationTurns {
    /// Gives a turn to the next publication.
    pub(super) fn next(&self) -> PublicationTurn {
        let (over, is_over) = oneshot::channel();
        PublicationTurn { before: self.0.lock().replace(is_over), over }
    }
}

/// The turn of one publication. It is over when it is dropped.
#[derive(Debug)]
pub(crate) struct PublicationTurn {
    before: Option<oneshot::Receiver<()>>,
    over: oneshot::Sender<()>,
}

/// A turn that has begun. It is over when it is dropped.
#[derive(Debug)]
pub(crate) struct BegunTurn(#[expect(dead_code, reason = "its end is the message")] oneshot::Sender<()>);

impl PublicationTurn {
    /// Waits until the turn before is over.
    pub(crate) async fn wait(self) -> BegunTurn {
        if let Some(before) = self.before {
            // Nothing is ever sent: the turn before ends by being dropped.
            let _ = before.await;
        }
        BegunTurn(self.over)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn each_turn_begins_when_the_one_before_is_over() {
        let turns = PublicationTurns::default();
        let (first, second, third) = (turns.next(), turns.next(), turns.next());
        let mut third = Box::pin(third.wait());
        let mut second = Box::pin(second.wait());
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        drop(first.wait().await);
        let second = second.now_or_never().expect("the first turn is over");
        assert!(third.as_mut().now_or_never().is_none());
        drop(second);
        drop(third.now_or_never().expect("the second turn is over"));
        assert!(turns.next().wait().now_or_never().is_some());
    }

    #[tokio::test]
    async fn dropped_turn_does_not_keep_later_ones_waiting() {
        let turns = PublicationTurns::default();
        let (first, second) = (turns.next(), turns.next());
        drop(first);
        assert!(second.wait().now_or_never().is_some());
    }
}
