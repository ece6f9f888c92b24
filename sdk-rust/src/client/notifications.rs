//! The user's notifications.

use realtime_gateway_protocol::NotificationId;
use tokio::sync::watch;

use super::{Client, NotificationStream};
use crate::{
    Error, Topic,
    driver::Call,
    machine::{Overflow, SubscribeOptions},
};

/// The user's notifications.
#[derive(Debug, Clone)]
pub struct Notifications {
    client: Client,
}

impl Notifications {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Subscribes: first every notification that waits for an acknowledgement, then live ones, each once.
    ///
    /// A dropped future leaves nothing behind.
    ///
    /// # Errors
    /// The gateway's refusal, or that no answer came in time.
    pub async fn subscribe(&self) -> Result<NotificationStream, Error> {
        let mailbox = self.client.mailbox(Overflow::Redeliver);
        let stream = NotificationStream::new(self.client.clone(), mailbox.clone());
        self.client.subscribe(Topic::Notifications, SubscribeOptions::default(), &mailbox).await?;
        Ok(stream)
    }

    /// Returns a channel with the number of notifications that wait for an acknowledgement, for a badge. `None` until the
    /// gateway has confirmed a subscription.
    pub fn pending(&self) -> watch::Receiver<Option<u64>> {
        self.client.shared.pending.clone()
    }

    /// Acknowledges notifications by id: they are not shown again, here or on any other device.
    ///
    /// It is repeated after a lost connection, also when this future was dropped or has timed out.
    ///
    /// # Errors
    /// The gateway's refusal, or that no answer came in time.
    pub async fn ack(&self, ids: impl IntoIterator<Item = NotificationId>) -> Result<(), Error> {
        self.client.ticket(Call::Ack(ids.into_iter().collect()), None).await.map(|_no_message| ())
    }
}
