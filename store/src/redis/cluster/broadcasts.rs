//! Sends ephemeral messages to other nodes. Messages that arrive during a round trip are sent together in the next one.
//! The queue is bounded, and a message that finds no room is lost.

use std::sync::Arc;

use redis::pipe;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::super::link::Link;

/// How many messages may wait to be sent.
const MAX_QUEUED: usize = 4_096;
/// The maximum size of the messages that wait or are being sent, in bytes.
const MAX_QUEUED_BYTES: usize = 4 * 1024 * 1024;
/// How many messages one round trip carries at most.
const MAX_BATCH: usize = 256;

/// A message for the subscribers of a channel.
#[derive(Debug)]
struct Broadcast {
    channel: String,
    payload: Vec<u8>,
    /// The part of [`MAX_QUEUED_BYTES`] that the message takes.
    room: OwnedSemaphorePermit,
}

/// The messages that wait to be sent.
#[derive(Debug)]
pub(super) struct Broadcasts {
    waiting: mpsc::Sender<Broadcast>,
    room: Arc<Semaphore>,
}

/// The other end of [`Broadcasts`].
pub(super) struct QueuedBroadcasts(mpsc::Receiver<Broadcast>);

impl Broadcasts {
    /// Creates an empty queue.
    pub(super) fn new() -> (Self, QueuedBroadcasts) {
        let (waiting, queued) = mpsc::channel(MAX_QUEUED);
        (Self { waiting, room: Arc::new(Semaphore::new(MAX_QUEUED_BYTES)) }, QueuedBroadcasts(queued))
    }

    /// Queues a message. Never waits: the message is dropped when too many wait.
    pub(super) fn push(&self, channel: String, payload: Vec<u8>) {
        let room =
            u32::try_from(payload.len()).ok().and_then(|size| self.room.clone().try_acquire_many_owned(size).ok());
        let queued = room.is_some_and(|room| self.waiting.try_send(Broadcast { channel, payload, room }).is_ok());
        if !queued {
            tracing::debug!("an ephemeral message was dropped: too many wait for Redis");
        }
    }
}

/// Sends broadcasts until the store is closed. Messages that cannot be sent are lost.
pub(super) async fn send(link: Arc<Link>, QueuedBroadcasts(mut broadcasts): QueuedBroadcasts) {
    let mut batch = Vec::new();
    while broadcasts.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let mut commands = pipe();
        let mut rooms = Vec::with_capacity(batch.len());
        for Broadcast { channel, payload, room } in batch.drain(..) {
            commands.cmd("PUBLISH").arg(channel).arg(payload).ignore();
            rooms.push(room);
        }
        if let Err(error) = link.send_all(&commands).await {
            tracing::debug!(%error, "ephemeral messages were lost");
        }
        drop(rooms);
    }
    // The channel was dropped. The task still has to run until the store is closed: the end of a supervised part is an
    // error.
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_what_finds_no_room_and_takes_more_after_that_was_sent() {
        let (broadcasts, QueuedBroadcasts(mut queued)) = Broadcasts::new();
        let large = MAX_QUEUED_BYTES / 2;
        for size in [large, large, 1] {
            broadcasts.push("c".into(), vec![0; size]);
        }
        let first = queued.try_recv().unwrap();
        assert_eq!(first.payload.len(), large);
        drop(first);
        broadcasts.push("c".into(), vec![0; 2]);
        let sizes: Vec<_> = std::iter::from_fn(|| queued.try_recv().ok()).map(|sent| sent.payload.len()).collect();
        assert_eq!(sizes, [large, 2]);
        for _ in 0..=MAX_QUEUED {
            broadcasts.push("c".into(), vec![0]);
        }
        assert_eq!(std::iter::from_fn(|| queued.try_recv().ok()).count(), MAX_QUEUED);
    }
}
