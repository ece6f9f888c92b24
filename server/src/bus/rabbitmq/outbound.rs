//! Publishes the outbox: in order, with many confirmations under way, by the one node that holds its lease.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm, message::BasicReturnMessage, options::BasicPublishOptions,
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    body::body,
    fault::Fault,
    link::ANSWER,
    returns::{Answer, Completed, Published, Returns, completed_with},
    routes::{Change, Routes},
    state::Role,
};
use crate::{
    store::{OutboxEntry, Store, StoreError},
    telemetry::log_limited,
};

/// How many events are published and not confirmed yet, at most.
const WINDOW: usize = 512;
/// For how long this node alone may publish.
const LEASE: Duration = Duration::from_secs(10);
/// How often the lease is renewed, and looked whether confirmations come.
const LOOK: Duration = Duration::from_secs(1);
/// How long a look into an empty outbox waits for an event.
const WAIT: Duration = Duration::from_secs(5);
/// How long to wait after the broker would not take an event, or the store did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// Persistent, as the broker calls it.
const PERSISTENT: u8 = 2;

/// Publishes what the outbox holds.
pub(super) struct Outbound {
    pub(super) shared: Shared,
    pub(super) store: Arc<dyn Store>,
    /// Tells to publish what is there and then to end.
    pub(super) finish: CancellationToken,
    /// What the broker has, and the outbox still holds.
    pub(super) confirmed: Vec<u64>,
    /// Which kinds of events reach a queue.
    pub(super) routes: Routes,
}

type Reading = BoxFuture<'static, Result<Vec<OutboxEntry>, StoreError>>;
type Removing = BoxFuture<'static, (Vec<u64>, Result<(), StoreError>)>;
type Confirming = BoxFuture<'static, (Published, lapin::Result<Confirmation>)>;

/// What is under way on one channel.
struct Flight {
    confirming: FuturesUnordered<Confirming>,
    returns: Returns,
    reading: Option<Reading>,
    removing: Option<Removing>,
    /// Up to where the outbox was published.
    after: u64,
    /// The broker would not take something: begin again with the oldest, once all else is settled.
    again: bool,
    /// Not before this.
    resume: Instant,
    /// When a confirmation came last, or could not come.
    progress: Instant,
    leased: bool,
    /// The last look found nothing more.
    empty: bool,
    /// It was told to finish.
    finishing: bool,
}

impl Outbound {
    /// Publishes until the connection is lost, or until it is told to finish and has.
    pub(super) async fn publish(&mut self, channel: &Channel) -> Result<(), Fault> {
        let now = Instant::now();
        let mut flight = Flight {
            confirming: FuturesUnordered::new(),
            returns: Returns::default(),
            reading: None,
            removing: None,
            after: 0,
            again: false,
            resume: now,
            progress: now,
            leased: false,
            empty: false,
            finishing: false,
        };
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut blocked = self.shared.states.watch_blocked();
        loop {
            let is_blocked = *blocked.borrow_and_update();
            self.remove(&mut flight);
            self.read(&mut flight, is_blocked);
            if self.is_finished(&flight, is_blocked) {
                self.release().await;
                return Ok(());
            }
            tokio::select! {
                Some(first) = flight.confirming.next() => self.confirmed(&mut flight, first)?,
                (sequences, removed) = settled(&mut flight.removing) => {
                    flight.removing = None;
                    self.removed(&mut flight, sequences, removed);
                }
                read = settled(&mut flight.reading) => {
                    flight.reading = None;
                    self.take(&mut flight, channel, read).await?;
                }
                _ = ticks.tick() => self.look(&mut flight, is_blocked).await?,
                changed = blocked.changed() => {
                    if changed.is_err() {
                        return Err(Fault::of("the bus is going"));
                    }
                    flight.progress = Instant::now();
                }
                () = self.finish.cancelled(), if !flight.finishing => {
                    // What is being waited for need not come; what is there is read without waiting.
                    flight.finishing = true;
                    flight.reading = None;
                    flight.empty = false;
                }
            }
        }
    }

    /// Removes what the broker has, one step at a time.
    fn remove(&mut self, flight: &mut Flight) {
        if flight.removing.is_some() || self.confirmed.is_empty() || Instant::now() < flight.resume {
            return;
        }
        let (sequences, store) = (std::mem::take(&mut self.confirmed), self.store.clone());
        flight.removing = Some(Box::pin(async move {
            let removed = store.remove_from_outbox(&sequences).await;
            (sequences, removed)
        }));
    }

    fn removed(&mut self, flight: &mut Flight, sequences: Vec<u64>, removed: Result<(), StoreError>) {
        if let Err(error) = removed {
            tracing::debug!(%error, "published events stay in the outbox until the store is back");
            self.confirmed.extend(sequences);
            flight.resume = Instant::now() + PAUSE;
        }
    }

    /// Reads on, when there is room and somebody to publish to.
    fn read(&mut self, flight: &mut Flight, blocked: bool) {
        let settled = flight.confirming.is_empty() && flight.removing.is_none() && self.confirmed.is_empty();
        // What is confirmed and not removed yet must not be read again; so first of all it goes.
        if (flight.again || flight.after == 0) && !settled {
            return;
        }
        let room = WINDOW.saturating_sub(flight.confirming.len());
        let may = flight.leased && !blocked && room >= WINDOW / 2 && Instant::now() >= flight.resume;
        let done = flight.finishing && flight.empty;
        if flight.reading.is_some() || !may || done {
            return;
        }
        if flight.again {
            (flight.again, flight.after) = (false, 0);
        }
        let wait = if flight.finishing { Duration::ZERO } else { WAIT };
        let (store, after) = (self.store.clone(), flight.after);
        flight.reading = Some(Box::pin(async move { store.read_outbox(after, room, wait).await }));
    }

    async fn take(
        &mut self,
        flight: &mut Flight,
        channel: &Channel,
        read: Result<Vec<OutboxEntry>, StoreError>,
    ) -> Result<(), Fault> {
        let entries = match read {
            Ok(entries) => entries,
            Err(error) => {
                tracing::debug!(%error, "the outbox waits for the store");
                flight.resume = Instant::now() + PAUSE;
                return Ok(());
            }
        };
        flight.empty = entries.is_empty();
        if flight.confirming.is_empty() {
            flight.progress = Instant::now();
        }
        for entry in entries {
            let confirm = self.send(channel, &entry).await?;
            flight.after = entry.sequence;
            let published = Published { sequence: entry.sequence, id: entry.event.id, key: entry.event.key };
            flight.confirming.push(Box::pin(async move { (published, confirm.await) }));
        }
        Ok(())
    }

    async fn send(&self, channel: &Channel, entry: &OutboxEntry) -> Result<PublisherConfirm, Fault> {
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(entry.event.id.as_ref().into())
            .with_timestamp(entry.event.at.millis() / 1_000);
        let (exchange, key) = (self.shared.names.outbound.as_str().into(), entry.event.key.as_ref().into());
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let body = body(entry);
        let mut sending = Box::pin(channel.basic_publish(exchange, key, options, &body, properties));
        let blocked = self.shared.states.watch_blocked();
        loop {
            tokio::select! {
                sent = &mut sending => return Ok(sent?),
                // While the broker reads nothing, nothing leaves.
                () = sleep(ANSWER) => if !*blocked.borrow() {
                    return Err(Fault::of("the broker did not take an event in time"));
                }
            }
        }
    }

    /// Takes a confirmation, and all others that have completed: one of them may carry the return of this event.
    fn confirmed(&mut self, flight: &mut Flight, first: (Published, lapin::Result<Confirmation>)) -> Result<(), Fault> {
        flight.progress = Instant::now();
        let mut completed = Vec::new();
        for (event, confirmation) in completed_with(first, &mut flight.confirming) {
            let (answer, carried) = self.answered(flight, &event, confirmation?)?;
            completed.push(Completed { event, answer, carried });
        }
        for event in flight.returns.settle(completed) {
            if let Some(Change::Found(kind)) = self.routes.routed(&event.key) {
                self.shared.states.trouble.found(kind);
            }
        }
        Ok(())
    }

    /// Takes one confirmation. Gives the broker's answer and the id of the event whose return it carries.
    fn answered(
        &mut self,
        flight: &mut Flight,
        event: &Published,
        confirmation: Confirmation,
    ) -> Result<(Answer, Option<Box<str>>), Fault> {
        // As many confirmations carry a return as events were returned, though not each that of its own event.
        let (outcome, answer, carried) = match confirmation {
            Confirmation::Ack(carried) => {
                self.confirmed.push(event.sequence);
                (if carried.is_some() { "unroutable" } else { "confirmed" }, Answer::Acknowledged, carried)
            }
            Confirmation::Nack(carried) => {
                if !flight.again {
                    log_limited!(
                        WARN,
                        {},
                        "the broker would not take an event (a full queue?); it is tried again, in order"
                    );
                }
                flight.again = true;
                flight.resume = Instant::now() + PAUSE;
                ("refused", Answer::Refused, carried)
            }
            Confirmation::NotRequested => return Err(Fault::of("the broker does not confirm")),
        };
        self.shared.metrics.bus_published_total.with_label_values(&[outcome]).inc();
        Ok((answer, carried.and_then(|returned| self.returned(&returned))))
    }

    /// Notes an event that reached no queue, and gives its id. That no queue is bound to it is the backend's decision, and
    /// no reason to keep the event.
    fn returned(&mut self, returned: &BasicReturnMessage) -> Option<Box<str>> {
        self.shared.metrics.bus_unroutable_total.inc();
        if let Some(Change::Lost(kind)) = self.routes.returned(returned.delivery.routing_key.as_str()) {
            self.shared.states.trouble.lost(kind);
            self.shared.states.redeclare(Role::Publish).notify_one();
        }
        returned.delivery.properties.message_id().as_ref().map(|id| id.as_str().into())
    }

    /// Renews the lease, and ends a connection on which nothing is confirmed any more.
    async fn look(&mut self, flight: &mut Flight, blocked: bool) -> Result<(), Fault> {
        if !flight.confirming.is_empty() && !blocked && flight.progress.elapsed() > ANSWER {
            return Err(Fault::of("the broker did not confirm in time"));
        }
        for kind in self.routes.given_up() {
            self.shared.states.trouble.found(&kind);
        }
        let lease = match timeout(LOOK, self.store.lease_outbox(LEASE)).await {
            Ok(lease) => lease,
            // Confirmations wait meanwhile.
            Err(_) => return Ok(()),
        };
        match lease {
            Ok(leased) => {
                if flight.leased && !leased {
                    tracing::info!("another node publishes the outbox now");
                    // What is under way may come twice; its id tells.
                    flight.again = true;
                    flight.reading = None;
                    self.routes = Routes::default();
                    self.shared.states.trouble.forget_unroutable();
                }
                flight.leased = leased;
            }
            Err(error) => tracing::debug!(%error, "the outbox waits for the store"),
        }
        Ok(())
    }

    /// Whether it was told to finish, and has published what it could.
    fn is_finished(&self, flight: &Flight, blocked: bool) -> bool {
        let settled = flight.confirming.is_empty() && flight.removing.is_none() && self.confirmed.is_empty();
        let published = !flight.leased || (flight.empty && settled && !flight.again);
        flight.finishing && (blocked || published)
    }

    async fn release(&self) {
        let released = timeout(LOOK, self.store.release_outbox()).await;
        if let Ok(Err(error)) = released {
            tracing::debug!(%error, "the outbox's lease ends by itself");
        }
    }
}

/// Resolves when what is under way has finished; never when nothing is.
async fn settled<T>(under_way: &mut Option<BoxFuture<'static, T>>) -> T {
    match under_way {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
