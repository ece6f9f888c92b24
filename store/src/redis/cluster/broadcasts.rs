//! Sends ephemeral messages to other nodes. Messages that arrive during a round trip are sent together in the next one.

use std::sync::Arc;

use redis::pipe;
use tokio::sync::mpsc;

use super::super::link::Link;

/// How many messages one round trip carries at most.
const MAX_BATCH: usize = 256;

/// A message for the subscribers of a channel.
#[derive(Debug)]
pub(super) struct Broadcast {
    pub(super) channel: String,
    pub(super) payload: Vec<u8>,
}

/// Sends broadcasts until the store is closed. Messages that cannot be sent are lost.
pub(super) async fn send(link: Arc<Link>, mut broadcasts: mpsc::Receiver<Broadcast>) {
    let mut batch = Vec::new();
    while broadcasts.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let mut commands = pipe();
        for Broadcast { channel, payload } in batch.drain(..) {
            commands.cmd("PUBLISH").arg(channel).arg(payload).ignore();
        }
        if let Err(error) = link.send_all(&commands).await {
            tracing::debug!(%error, "ephemeral messages were lost");
        }
    }
    // The channel was dropped. The task still has to run until the store is closed: the end of a supervised part is an
    // error.
    std::future::pending().await
}
