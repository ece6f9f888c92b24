//! Publishes inbound events that can never be accepted to the dead letters: does what `dead_letter_window.rs` decides, on
//! a channel of its own, so that a dead letter which the broker refuses stops nothing else.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

use super::{
    backend_health::BackendHealth,
    dead_letter_window::{DeadLetterWindow, Pending},
};
use crate::bus::{
    backoff::Backoff,
    broker::{Broker, DeadLetter, Publisher},
};

/// How long to wait after the broker has refused a dead letter.
const PAUSE: Duration = Duration::from_secs(1);

/// A dead letter whose event waits for it.
#[derive(Debug)]
pub(super) struct Submission<O> {
    /// The dead letter.
    pub(super) letter: DeadLetter<O>,
    /// Where to report that the broker holds it.
    pub(super) stored: oneshot::Sender<()>,
}

impl<O: Clone> Pending for Submission<O> {
    type Original = O;

    fn letter(&self) -> &DeadLetter<O> {
        &self.letter
    }

    fn is_obsolete(&self) -> bool {
        // The consumer has lost its channel: the event is delivered again.
        self.stored.is_closed()
    }

    fn stored(self) {
        // The consumer may have lost its channel meanwhile.
        let _ = self.stored.send(());
    }
}

/// Publishes dead letters.
pub(super) struct DeadLetterPublisher<B: Broker> {
    pub(super) broker: Arc<B>,
    pub(super) submissions: mpsc::Receiver<Submission<B::Original>>,
    pub(super) health: Arc<BackendHealth>,
}

/// Why publishing on a channel has ended.
enum End {
    /// There are no consumers of inbound events any more.
    Finished,
    /// The broker has refused a dead letter.
    Refused(Arc<str>),
    Disconnected,
}

impl<B: Broker> DeadLetterPublisher<B> {
    /// Publishes dead letters as long as events are consumed.
    pub(super) async fn run(mut self) {
        let (mut window, mut backoff) = (DeadLetterWindow::default(), Backoff::default());
        loop {
            let mut channel = self.broker.open_dead_letters().await;
            let opened = Instant::now();
            let end = self.publish(&mut window, &mut channel).await;
            channel.close().await;
            match end {
                End::Finished => return,
                End::Refused(reason) => {
                    self.health.set_dead_letters(Some(reason));
                    sleep(PAUSE).await;
                }
                End::Disconnected => sleep(backoff.after_failure(opened.elapsed())).await,
            }
        }
    }

    async fn publish(
        &mut self,
        window: &mut DeadLetterWindow<Submission<B::Original>>,
        channel: &mut B::DeadLetters,
    ) -> End {
        let mut blocked = self.broker.watch_blocked();
        window.set_blocked(now(), *blocked.borrow_and_update());
        loop {
            if let Some((tag, letter)) = window.next_suspect(now()) {
                channel.publish(tag, letter);
            }
            let due = window.settlement_due().map(Instant::from_std);
            tokio::select! {
                submission = self.submissions.recv(), if window.accepts() => {
                    let Some(submission) = submission else { return End::Finished };
                    let (tag, letter) = window.submit(now(), submission);
                    channel.publish(tag, letter);
                }
                settled = channel.settled() => {
                    let refused = match settled {
                        Ok(settled) => window.settled(now(), &settled).map_err(Into::into),
                        Err(error) => match window.failed(&error) {
                            Some(reason) => Err(reason),
                            None => return End::Disconnected,
                        },
                    };
                    match refused {
                        Ok(()) => self.health.set_dead_letters(None),
                        Err(reason) => return End::Refused(reason),
                    }
                }
                changed = blocked.changed() => {
                    if changed.is_err() {
                        return End::Disconnected;
                    }
                    window.set_blocked(now(), *blocked.borrow_and_update());
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    window.suspect_all();
                    return End::Refused("the broker did not confirm a dead letter in time".into());
                }
            }
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
