//! Consumes the events that backend services publish for clients: in order for each topic, several topics together. An
//! event is acknowledged only when the store or the dead letters hold it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use realtime_gateway_protocol::ClanId;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    dead_letter_publisher::Submission,
    lanes::{Handled, LaneNumber, Lanes},
};
use crate::{
    bus::{
        InboundEvent, Verdict,
        backoff::Backoff,
        broker::{Broker, ChannelError, Consumer, DeadLetter, DeadLetterForm, Delivery},
    },
    metrics::Metrics,
    store::Store,
    telemetry::log_limited,
    topic::Topic,
};

/// How often a store that has failed is checked.
const CHECK: Duration = Duration::from_millis(500);
/// How long it may take to answer.
const STORE_ANSWER: Duration = Duration::from_secs(2);

/// Whether what stores events can do so, after it could not.
#[async_trait]
pub(super) trait StoreReadiness: Send + Sync + 'static {
    /// Whether new entries can be stored now.
    async fn is_ready(&self) -> bool;
}

#[async_trait]
impl StoreReadiness for Arc<dyn Store> {
    async fn is_ready(&self) -> bool {
        let Ok(clan) = ClanId::new("health") else { return false };
        let answers = matches!(timeout(STORE_ANSWER, self.heads(&[Topic::Clan(clan)])).await, Ok(Ok(_)));
        let status = self.status();
        // Without space the next notification would be refused again.
        answers && status.writable && status.space.refusing.is_none()
    }
}

/// Consumes events of backend services.
pub(super) struct InboundConsumer<B: Broker> {
    pub(super) broker: Arc<B>,
    pub(super) store: Box<dyn StoreReadiness>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) events: mpsc::Sender<InboundEvent>,
    pub(super) dead_letters: mpsc::Sender<Submission<B::Original>>,
    /// Requests to take no more events, and to end when those under way are handled.
    pub(super) stop: CancellationToken,
}

/// What has come of an event that is being handled.
enum Step {
    Decided(LaneNumber, Decision),
    Acknowledged(LaneNumber, Result<(), ChannelError>),
}

/// What is to be done about a delivery.
enum Decision {
    /// Acknowledge this tag.
    Acknowledge(u64),
    /// Leave it to be delivered again.
    Later,
}

impl<B: Broker> InboundConsumer<B> {
    /// Consumes until it is asked to stop and has finished what is under way.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::default();
        while !self.stop.is_cancelled() {
            let mut channel = tokio::select! {
                () = self.stop.cancelled() => return,
                channel = self.broker.open_inbound() => channel,
            };
            let opened = Instant::now();
            let mut store_failed = false;
            let consumed = self.consume(&mut channel, &mut store_failed).await;
            channel.close().await;
            let pause = async {
                if let Err(error) = &consumed {
                    tracing::debug!(%error, "the channel of inbound events has failed");
                }
                // Also if the channel has failed meanwhile: events that cannot be stored are not taken from the broker.
                if store_failed {
                    self.store_is_ready().await;
                } else if consumed.is_err() {
                    sleep(backoff.after_failure(opened.elapsed())).await;
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = pause => {}
            }
        }
    }

    /// Consumes until it is asked to stop, the store fails or the channel does, and finishes what is under way.
    async fn consume(&self, channel: &mut B::Inbound, store_failed: &mut bool) -> Result<(), ChannelError> {
        let mut lanes = Lanes::default();
        let mut steps: FuturesUnordered<BoxFuture<'_, Step>> = FuturesUnordered::new();
        while lanes.is_accepting() || !lanes.is_idle() {
            tokio::select! {
                delivery = channel.next() => {
                    let delivery = delivery?;
                    let key = delivery.key.clone();
                    if let Some((lane, delivery)) = lanes.arrived(&key, delivery) {
                        steps.push(Box::pin(self.decide(lane, delivery)));
                    }
                }
                Some(step) = steps.next() => {
                    let (lane, handled) = match step {
                        Step::Decided(lane, Decision::Acknowledge(tag)) => {
                            let acknowledging = channel.acknowledge(tag);
                            steps.push(Box::pin(async move { Step::Acknowledged(lane, acknowledging.await) }));
                            continue;
                        }
                        Step::Acknowledged(lane, acknowledged) => {
                            acknowledged?;
                            (lane, Handled::Done)
                        }
                        Step::Decided(lane, Decision::Later) => {
                            if !std::mem::replace(store_failed, true) {
                                tracing::warn!("the store takes no inbound events; they wait at the broker");
                            }
                            if lanes.is_accepting() {
                                channel.cancel().await?;
                            }
                            (lane, Handled::Later)
                        }
                    };
                    if let Some(next) = lanes.handled(lane, handled) {
                        steps.push(Box::pin(self.decide(lane, next)));
                    }
                }
                () = self.stop.cancelled(), if lanes.is_accepting() => {
                    lanes.stop();
                    channel.cancel().await?;
                }
            }
        }
        Ok(())
    }

    /// Resolves when the event is stored or with the dead letters, or is to be delivered again.
    async fn decide(&self, lane: LaneNumber, delivery: Delivery<B::Original>) -> Step {
        let verdict = match delivery.unreadable.clone() {
            Some(detail) => Verdict::Refused { reason: "invalid_message", detail },
            None => self.offer(&delivery).await,
        };
        let tag = delivery.tag;
        let (outcome, decision) = match verdict {
            Verdict::Stored => ("stored", Decision::Acknowledge(tag)),
            Verdict::Refused { reason, detail } => {
                self.dead_letter(delivery, reason, detail).await;
                self.metrics.dead_lettered_total.with_label_values(&[reason]).inc();
                ("refused", Decision::Acknowledge(tag))
            }
            Verdict::Retry => ("returned", Decision::Later),
        };
        self.metrics.bus_consumed_total.with_label_values(&[outcome]).inc();
        Step::Decided(lane, decision)
    }

    /// Offers an event to the services, and waits for their verdict.
    async fn offer(&self, delivery: &Delivery<B::Original>) -> Verdict {
        let (verdict, decided) = oneshot::channel();
        let Delivery { key, id, body, trace, .. } = delivery.clone();
        let event = InboundEvent { key, id, body, trace, verdict };
        match self.events.send(event).await {
            // A verdict that is dropped is none.
            Ok(()) => decided.await.unwrap_or(Verdict::Retry),
            Err(_) => Verdict::Retry,
        }
    }

    /// Resolves when the dead letters hold the event.
    async fn dead_letter(&self, delivery: Delivery<B::Original>, reason: &'static str, detail: String) {
        let Delivery { key, body, original, .. } = delivery;
        log_limited!(WARN, { key, reason, detail }, "an inbound event goes to the dead letters");
        let form = DeadLetterForm::Complete;
        let letter = DeadLetter { key, body, reason, detail, original, form };
        let (stored, is_stored) = oneshot::channel();
        let submitted = self.dead_letters.send(Submission { letter, stored }).await;
        if submitted.is_err() || is_stored.await.is_err() {
            // The publisher of the dead letters has ended with the gateway. The event stays at the broker.
            std::future::pending::<()>().await;
        }
    }

    /// Resolves when the store can store events again.
    async fn store_is_ready(&self) {
        while !self.store.is_ready().await {
            sleep(CHECK).await;
        }
        tracing::info!("the store takes inbound events again");
    }
}

#[cfg(test)]
mod tests;
