//! Inbound events that can never be accepted, on their way to the dead letters.

use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Channel, Confirmation,
    options::BasicPublishOptions,
    types::{FieldTable, ShortString},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::{Shared, fault::Fault, link::ANSWER, topology::text};

/// An event that could not be accepted.
pub(super) struct DeadLetter {
    pub(super) key: String,
    pub(super) body: Bytes,
    pub(super) properties: BasicProperties,
    pub(super) reason: &'static str,
    pub(super) detail: String,
    /// To be told that the broker has it; dropped without a word when the connection is lost before.
    pub(super) kept: oneshot::Sender<()>,
}

impl DeadLetter {
    /// The event's own properties, and why it is here.
    fn properties(&self) -> BasicProperties {
        let mut headers: FieldTable = self.properties.headers().clone().unwrap_or_default();
        headers.insert(ShortString::from("x-gateway-reason"), text(self.reason));
        headers.insert(ShortString::from("x-gateway-detail"), text(&self.detail));
        self.properties.clone().with_headers(headers)
    }
}

type Confirming = BoxFuture<'static, (oneshot::Sender<()>, lapin::Result<Confirmation>)>;

/// Publishes dead letters, until the connection is lost.
pub(super) async fn send(
    channel: &Channel,
    letters: &mut mpsc::Receiver<DeadLetter>,
    shared: &Shared,
) -> Result<(), Fault> {
    let mut confirming: FuturesUnordered<Confirming> = FuturesUnordered::new();
    let mut blocked = shared.states.watch_blocked();
    let mut progress = Instant::now();
    loop {
        let may = !*blocked.borrow();
        tokio::select! {
            letter = letters.recv(), if may => {
                let Some(letter) = letter else { return std::future::pending().await };
                let (exchange, key) = (shared.names.dead_letter.as_str().into(), letter.key.as_str().into());
                let options = BasicPublishOptions { mandatory: true, immediate: false };
                let sent = channel.basic_publish(exchange, key, options, &letter.body, letter.properties()).await?;
                progress = Instant::now();
                confirming.push(Box::pin(async move { (letter.kept, sent.await) }));
            }
            Some((kept, confirmation)) = confirming.next() => {
                progress = Instant::now();
                match confirmation? {
                    Confirmation::Ack(None) => {
                        // Whoever waited may have lost its own connection meanwhile.
                        let _ = kept.send(());
                    }
                    // Somebody deleted the queue; the next connection declares it again.
                    _ => return Err(Fault::of("the queue of the dead letters is gone")),
                }
            }
            () = sleep_until(progress + ANSWER), if may && !confirming.is_empty() => {
                return Err(Fault::of("the broker did not confirm a dead letter in time"));
            }
            changed = blocked.changed() => {
                if changed.is_err() {
                    return Err(Fault::of("the bus is going"));
                }
                progress = Instant::now();
            }
        }
    }
}
