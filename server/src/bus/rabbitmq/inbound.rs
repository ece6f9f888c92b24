//! Consumes what backend services publish for clients: in order for each topic, several topics at once, each event
//! acknowledged only when the store has it or the dead letters do.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::{
    Channel,
    message::Delivery,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use realtime_gateway_protocol::ClanId;
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    fault::Fault,
    letter::DeadLetter,
    link::{Link, in_time},
    properties::Unreadable,
};
use crate::{
    bus::{Arrival, Verdict},
    store::Store,
    telemetry::log_limited,
    topic::Topic,
};

/// How many topics are worked on at once. Topics are spread over them by their names.
const LANES: usize = 64;
/// How often a store that is away is asked whether it is back.
const ASK: Duration = Duration::from_millis(500);
/// How long it may take to answer.
const STORE_ANSWER: Duration = Duration::from_secs(2);

/// Takes what comes from backend services.
pub(super) struct Inbound {
    pub(super) shared: Shared,
    pub(super) store: Arc<dyn Store>,
    pub(super) prefetch: u16,
    pub(super) arrivals: mpsc::Sender<Arrival>,
    pub(super) dead_letters: mpsc::Sender<DeadLetter>,
    /// Tells to take nothing more, and to finish what is under way.
    pub(super) stop: CancellationToken,
}

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handled {
    /// The broker may forget it.
    Acknowledged,
    /// It is to be given again later; nothing that comes after it on its topic may be stored before.
    Later,
}

/// One topic's events at a time, because a lane never works on two.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<Taken>,
    busy: bool,
}

/// An event from the broker.
struct Taken {
    delivery: Delivery,
    /// What lapin could not have read of it.
    unreadable: Option<Unreadable>,
}

type Handling<'a> = BoxFuture<'a, (usize, Result<Handled, Fault>)>;

impl Inbound {
    /// Consumes until the connection is lost, or until it is told to stop and has finished.
    pub(super) async fn consume(&self, link: &Link) -> Result<(), Fault> {
        while !self.stop.is_cancelled() {
            let channel = link.channel().await?;
            let consumed = self.consume_on(link, &channel).await;
            // The broker gives what was not acknowledged again, in its order.
            if let Err(error) = in_time(channel.close(200, "OK".into())).await {
                tracing::debug!(%error, "a channel did not close");
            }
            consumed?;
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.store_is_back() => {}
            }
        }
        Ok(())
    }

    async fn consume_on(&self, link: &Link, channel: &Channel) -> Result<(), Fault> {
        in_time(channel.basic_qos(self.prefetch, BasicQosOptions::default())).await?;
        let (queue, tag) = (self.shared.names.inbound.as_str().into(), self.shared.consumer_tag());
        let options = BasicConsumeOptions::default();
        let consuming = channel.basic_consume(queue, tag.as_str().into(), options, FieldTable::default());
        let mut consumer = in_time(consuming).await?;
        let mut lanes: Vec<Lane> = (0..LANES).map(|_| Lane::default()).collect();
        let mut handling: FuturesUnordered<Handling<'_>> = FuturesUnordered::new();
        let mut taking = true;
        while taking || !handling.is_empty() {
            tokio::select! {
                delivery = consumer.next(), if taking => {
                    let delivery = match delivery {
                        Some(delivery) => delivery?,
                        None => return Err(Fault::of("the queue of inbound events is gone")),
                    };
                    let number = lane_of(delivery.routing_key.as_str());
                    let taken = Taken { unreadable: link.unreadable(channel, &delivery), delivery };
                    let Some(lane) = lanes.get_mut(number) else { continue };
                    if lane.busy {
                        // As many wait as the prefetch allows.
                        lane.waiting.push_back(taken);
                    } else {
                        lane.busy = true;
                        handling.push(Box::pin(self.handle(number, taken)));
                    }
                }
                Some((number, handled)) = handling.next() => {
                    let next = match (handled?, lanes.get_mut(number)) {
                        (Handled::Acknowledged, Some(lane)) if taking => {
                            let next = lane.waiting.pop_front();
                            lane.busy = next.is_some();
                            next
                        }
                        (Handled::Acknowledged, _) => None,
                        (Handled::Later, _) => {
                            if std::mem::take(&mut taking) {
                                tracing::warn!("the store takes no inbound events; they wait at the broker");
                                self.cancel(channel, &tag).await?;
                            }
                            None
                        }
                    };
                    handling.extend(next.map(|taken| Box::pin(self.handle(number, taken)) as Handling<'_>));
                }
                () = self.stop.cancelled(), if taking => {
                    taking = false;
                    self.cancel(channel, &tag).await?;
                }
            }
        }
        Ok(())
    }

    async fn cancel(&self, channel: &Channel, tag: &str) -> Result<(), Fault> {
        in_time(channel.basic_cancel(tag.into(), BasicCancelOptions::default())).await
    }

    async fn handle(&self, lane: usize, taken: Taken) -> (usize, Result<Handled, Fault>) {
        (lane, self.judge(taken).await)
    }

    async fn judge(&self, taken: Taken) -> Result<Handled, Fault> {
        let Taken { mut delivery, unreadable } = taken;
        let body = Bytes::from(std::mem::take(&mut delivery.data));
        let key = delivery.routing_key.to_string();
        let verdict = match &unreadable {
            Some(unreadable) => Verdict::Refused { reason: "invalid_message", detail: unreadable.detail() },
            None => self.ask(&delivery, &key, &body).await,
        };
        let consumed = &self.shared.metrics.bus_consumed_total;
        match verdict {
            Verdict::Stored => consumed.with_label_values(&["stored"]).inc(),
            Verdict::Refused { reason, detail } => {
                log_limited!(WARN, { key, reason, detail }, "an inbound event goes to the dead letters");
                let letter = DeadLetter {
                    key,
                    body,
                    properties: std::mem::take(&mut delivery.properties),
                    unreadable,
                    reason,
                    detail,
                    attempts: 0,
                    kept: oneshot::channel().0,
                };
                self.bury(letter).await;
                consumed.with_label_values(&["refused"]).inc();
                self.shared.metrics.dead_lettered_total.with_label_values(&[reason]).inc();
            }
            Verdict::NotNow => {
                consumed.with_label_values(&["returned"]).inc();
                return Ok(Handled::Later);
            }
        }
        delivery.ack(BasicAckOptions::default()).await?;
        Ok(Handled::Acknowledged)
    }

    /// Asks the services whether they take an event.
    async fn ask(&self, delivery: &Delivery, key: &str, body: &Bytes) -> Verdict {
        let id = delivery.properties.message_id().as_ref().map(ToString::to_string);
        let (verdict, told) = oneshot::channel();
        let arrival = Arrival { key: key.to_owned(), id, body: body.clone(), verdict };
        match self.arrivals.send(arrival).await {
            Ok(()) => told.await.unwrap_or(Verdict::NotNow),
            Err(_) => Verdict::NotNow,
        }
    }

    /// Puts an event to the dead letters, and tries again on every connection until they have it.
    async fn bury(&self, letter: DeadLetter) {
        let DeadLetter { key, body, properties, unreadable, reason, detail, mut attempts, .. } = letter;
        loop {
            let (kept, told) = oneshot::channel();
            let letter = DeadLetter {
                key: key.clone(),
                body: body.clone(),
                properties: properties.clone(),
                unreadable: unreadable.clone(),
                reason,
                detail: detail.clone(),
                attempts,
                kept,
            };
            if self.dead_letters.send(letter).await.is_err() {
                return std::future::pending().await;
            }
            if told.await.is_ok() {
                return;
            }
            attempts += 1;
        }
    }

    /// Resolves once the store answers and takes writes of new entries.
    async fn store_is_back(&self) {
        let Ok(clan) = ClanId::new("health") else { return };
        let topics = [Topic::Clan(clan)];
        loop {
            let answers = matches!(timeout(STORE_ANSWER, self.store.heads(&topics)).await, Ok(Ok(_)));
            let status = self.store.status();
            // Without space the next notification would be refused again.
            if answers && status.writable && status.space.refusing.is_none() {
                return;
            }
            sleep(ASK).await;
        }
    }
}

/// The lane of a topic. What is done to one user by `control` is one topic.
fn lane_of(key: &str) -> usize {
    let topic = match key.strip_prefix("control.") {
        Some(rest) => rest.rsplit('.').next().unwrap_or(rest),
        None => key,
    };
    // FNV-1a: any hash that spreads will do.
    let hash = topic
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from((hash ^ (hash >> 32)) % LANES as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_one_lane_and_topics_are_spread() {
        assert_eq!(lane_of("control.disconnect.alice"), lane_of("control.unsubscribe.alice"));
        let mut used: Vec<_> = (0..1_000).map(|n| lane_of(&format!("notification.user{n}"))).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used.len(), LANES);
    }
}
