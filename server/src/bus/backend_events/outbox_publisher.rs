//! Publishes the outbox to backend services: does what `outbox_window.rs` decides, on one channel of the broker after the
//! other.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    backend_health::BackendHealth,
    outbox_window::{LEASE, Notice, OutboxWindow, RENEWAL, ReadRequest, Step, StoreAnswer},
};
use crate::{
    bus::{
        backoff::Backoff,
        broker::{Broker, ChannelError, OutboundEvent, Outcome, Publisher, Settled},
    },
    metrics::Metrics,
    store::{Outbox, OutboxEntry, StoreError},
    telemetry::log_limited,
};

/// Publishes what the outbox holds.
pub(super) struct OutboxPublisher<B, S: ?Sized> {
    pub(super) broker: Arc<B>,
    pub(super) store: Arc<S>,
    pub(super) health: Arc<BackendHealth>,
    pub(super) metrics: Arc<Metrics>,
    /// Requests to publish what is there, and then to end.
    pub(super) finish: CancellationToken,
}

type Request<T> = Option<BoxFuture<'static, T>>;
type StoreResult<T> = Result<T, StoreError>;

/// What the store was requested to do and has not answered.
#[derive(Default)]
struct StoreRequests {
    lease: Request<StoreAnswer<bool>>,
    /// The read's number comes back with what was read.
    read: Request<(u64, StoreResult<Vec<OutboxEntry>>)>,
    /// The sequences come back with the result.
    removal: Request<(Vec<u64>, StoreResult<()>)>,
}

/// Why publishing on a channel has ended.
enum End {
    Finished,
    Abandoned,
    Failed(ChannelError),
}

impl<B: Broker, S: Outbox + Send + Sync + ?Sized + 'static> OutboxPublisher<B, S> {
    /// Publishes until it is asked to finish and has done so.
    pub(super) async fn run(self) {
        let (mut window, mut requests, mut backoff) =
            (OutboxWindow::default(), StoreRequests::default(), Backoff::default());
        loop {
            let Some(mut channel) = self.open(&mut window, &mut requests).await else { return self.release().await };
            let opened = Instant::now();
            window.opened(opened.into_std());
            let end = self.publish(&mut window, &mut requests, &mut channel).await;
            window.lost();
            self.report(&mut window);
            match end {
                // A broker with an alarm would not answer while the channel is closed; it ends with its connection.
                End::Finished => return self.release().await,
                End::Abandoned => channel.abandon("the broker did not confirm in time").await,
                End::Failed(error) => tracing::debug!(%error, "the channel of the outbox has failed"),
            }
            sleep(backoff.after_failure(opened.elapsed())).await;
        }
    }

    /// Opens a channel; `None` when it is asked to finish first. The store is served meanwhile.
    async fn open(&self, window: &mut OutboxWindow, requests: &mut StoreRequests) -> Option<B::Events> {
        let mut opening = std::pin::pin!(self.broker.open_events());
        loop {
            let deadline = match self.advance(window, requests) {
                Progress::Finished => return None,
                Progress::Abandon => None,
                Progress::Wait(deadline) => deadline,
            };
            tokio::select! {
                biased;
                channel = &mut opening => return Some(channel),
                answer = requests.next() => self.answered(window, answer, |_, _| {}),
                () = self.finish.cancelled(), if !window.is_finishing() => window.finish(),
                () = until(deadline) => {}
            }
        }
    }

    async fn publish(&self, window: &mut OutboxWindow, requests: &mut StoreRequests, channel: &mut B::Events) -> End {
        let mut blocked = self.broker.watch_blocked();
        window.set_blocked(now(), *blocked.borrow_and_update());
        loop {
            let deadline = match self.advance(window, requests) {
                Progress::Finished => return End::Finished,
                Progress::Abandon => return End::Abandoned,
                Progress::Wait(deadline) => deadline,
            };
            tokio::select! {
                settled = channel.settled() => match settled {
                    Ok(settled) => {
                        self.count(&settled);
                        window.settled(now(), &settled);
                    }
                    Err(error) => return End::Failed(error),
                },
                answer = requests.next() => self.answered(window, answer, |tag, event| channel.publish(tag, event)),
                changed = blocked.changed() => {
                    if changed.is_err() {
                        return End::Failed(ChannelError::Disconnected("the broker is closed".into()));
                    }
                    window.set_blocked(now(), *blocked.borrow_and_update());
                }
                () = self.finish.cancelled(), if !window.is_finishing() => window.finish(),
                () = until(deadline) => {}
            }
        }
    }

    /// Begins what the window requests, until it has to wait.
    fn advance(&self, window: &mut OutboxWindow, requests: &mut StoreRequests) -> Progress {
        loop {
            let step = window.poll(now());
            self.report(window);
            let store = self.store.clone();
            match step {
                Step::Lease => {
                    requests.lease = Some(Box::pin(async move {
                        match timeout(RENEWAL, store.lease_outbox(LEASE)).await {
                            Ok(Ok(leased)) => return StoreAnswer::Done(leased),
                            Ok(Err(error)) => tracing::debug!(%error, "the outbox waits for the store"),
                            Err(_) => {
                                tracing::debug!("the store did not answer a request for the outbox's lease in time")
                            }
                        }
                        StoreAnswer::Failed
                    }));
                }
                Step::Read(ReadRequest { number, after, limit, wait }) => {
                    requests.read =
                        Some(Box::pin(async move { (number, store.read_outbox(after, limit, wait).await) }));
                }
                Step::Remove(sequences) => {
                    requests.removal = Some(Box::pin(async move {
                        let removed = store.remove_from_outbox(&sequences).await;
                        (sequences, removed)
                    }));
                }
                Step::Abandon => return Progress::Abandon,
                Step::Finish => return Progress::Finished,
                Step::Wait(deadline) => return Progress::Wait(deadline),
            }
        }
    }

    fn answered(&self, window: &mut OutboxWindow, answer: Answer, mut publish: impl FnMut(u64, OutboundEvent)) {
        match answer {
            Answer::Lease(answer) => window.leased(now(), answer),
            Answer::Read(number, Ok(entries)) => {
                for (tag, event) in window.read(now(), number, StoreAnswer::Done(entries)) {
                    publish(tag, event);
                }
            }
            Answer::Read(number, Err(error)) => {
                tracing::debug!(%error, "the outbox waits for the store");
                window.read(now(), number, StoreAnswer::Failed);
            }
            Answer::Removal(sequences, Ok(())) => window.removed(now(), sequences, StoreAnswer::Done(())),
            Answer::Removal(sequences, Err(error)) => {
                tracing::debug!(%error, "published events stay in the outbox until the store is back");
                window.removed(now(), sequences, StoreAnswer::Failed);
            }
        }
    }

    fn count(&self, settled: &[Settled]) {
        for settled in settled {
            let outcome = match settled.outcome {
                Outcome::Routed => "confirmed",
                Outcome::Unroutable => {
                    self.metrics.bus_unroutable_total.inc();
                    "unroutable"
                }
                Outcome::Refused => "refused",
            };
            self.metrics.bus_published_total.with_label_values(&[outcome]).inc();
        }
    }

    fn report(&self, window: &mut OutboxWindow) {
        for notice in window.take_notices() {
            match notice {
                Notice::RouteLost(kind) => {
                    self.health.route_lost(&kind);
                    self.broker.redeclare();
                }
                Notice::RouteFound(kind) => self.health.route_found(&kind),
                Notice::Refused => log_limited!(
                    WARN,
                    {},
                    "the broker has refused an event (a full queue?); it is published again, in order"
                ),
                Notice::LeaseLost => {
                    tracing::info!("another node publishes the outbox now");
                    self.health.forget_routes();
                }
            }
        }
    }

    async fn release(&self) {
        if let Ok(Err(error)) = timeout(RENEWAL, self.store.release_outbox()).await {
            tracing::debug!(%error, "the outbox's lease was not released; it expires");
        }
    }
}

/// How far the window has come.
enum Progress {
    Finished,
    Abandon,
    Wait(Option<std::time::Instant>),
}

/// What the store has answered.
enum Answer {
    Lease(StoreAnswer<bool>),
    Read(u64, StoreResult<Vec<OutboxEntry>>),
    Removal(Vec<u64>, StoreResult<()>),
}

impl StoreRequests {
    /// Waits for the next answer. Dropping the future loses nothing.
    async fn next(&mut self) -> Answer {
        let Self { lease, read, removal } = self;
        tokio::select! {
            answer = pending_unless(lease) => {
                *lease = None;
                Answer::Lease(answer)
            }
            (number, answer) = pending_unless(read) => {
                *read = None;
                Answer::Read(number, answer)
            }
            (sequences, answer) = pending_unless(removal) => {
                *removal = None;
                Answer::Removal(sequences, answer)
            }
        }
    }
}

/// Resolves with the request that is under way; never when none is.
async fn pending_unless<T>(request: &mut Request<T>) -> T {
    match request {
        Some(request) => request.await,
        None => std::future::pending().await,
    }
}

/// Waits until a time; indefinitely without one.
async fn until(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => sleep_until(Instant::from_std(deadline)).await,
        None => std::future::pending().await,
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
