//! Decides how the outbox is published, without I/O and without a clock: who may publish, what is read, what a
//! confirmation, a refusal, a lost channel and a lost lease mean. `outbox_publisher.rs` does what it requests.
//!
//! An event is published only while every older event of the outbox is with the broker already or has been handed to the
//! same channel before it. After a refusal, a lost channel or a lost lease that is no longer known, so publishing starts
//! again with the oldest event, once everything under way is settled and what the broker holds is removed.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use realtime_gateway_protocol::TraceContext;

use super::{
    event_body::event_body,
    routes::{Change, Routes},
};
use crate::{
    bus::broker::{OutboundEvent, Outcome, Settled},
    store::OutboxEntry,
};

/// How many events are published and not settled yet, at most.
pub(super) const WINDOW: usize = 512;
/// For how long a lease lets this node alone publish.
pub(super) const LEASE: Duration = Duration::from_secs(10);
/// How often the lease is renewed.
pub(super) const RENEWAL: Duration = Duration::from_secs(1);
/// How long a read of an empty outbox waits for an event.
const READ_WAIT: Duration = Duration::from_secs(5);
/// How long events and confirmations are collected after the last read or removal, so that a busy outbox is read, published and
/// cleaned in batches. The first event after a pause is published without delay.
const BATCH: Duration = Duration::from_millis(10);
/// How long to wait after the broker has refused an event, or the store has failed.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the broker may settle nothing while it accepts publications.
const SETTLEMENT: Duration = Duration::from_secs(10);

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Take or renew the lease, and report to [`OutboxWindow::leased`].
    Lease,
    /// Read the outbox, and report to [`OutboxWindow::read`]. It replaces a read that is under way.
    Read(ReadRequest),
    /// Remove these events from the outbox, and report to [`OutboxWindow::removed`].
    Remove(Vec<u64>),
    /// Give the channel up: the broker settles nothing.
    Abandon,
    /// Release the lease and end.
    Finish,
    /// Wait for a report, or until this time.
    Wait(Option<Instant>),
}

/// A read of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadRequest {
    /// Tells this read from those that it replaces.
    pub(super) number: u64,
    /// The sequence to read after.
    pub(super) after: u64,
    /// How many events to read at most.
    pub(super) limit: usize,
    /// How long to wait for an event.
    pub(super) wait: Duration,
}

/// Something to log or to show in `/health`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// Events of this kind reached a queue before, and do not any more.
    RouteLost(Box<str>),
    /// Events of this kind reach a queue again, or are not expected to any more.
    RouteFound(Box<str>),
    /// The broker has refused an event. Reported once until publishing starts again.
    Refused,
    /// Another node publishes the outbox.
    LeaseLost,
}

/// Whether an operation of the store has worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreAnswer<T> {
    Done(T),
    Failed,
}

/// The outbox on its way to the broker.
#[derive(Debug)]
pub(super) struct OutboxWindow {
    /// Whether there is a channel to publish on.
    open: bool,
    blocked: bool,
    /// Until when this node may publish; none when it may not.
    leased_until: Option<Instant>,
    /// Since when a request for the lease is under way.
    leasing: Option<Instant>,
    renew_at: Option<Instant>,
    /// The events that are not settled, by sequence, with their routing keys.
    in_flight: BTreeMap<u64, Arc<str>>,
    /// What the broker holds or has returned, and the outbox still has.
    confirmed: Vec<u64>,
    removing: bool,
    /// The number of the read that is under way.
    reading: Option<u64>,
    reads: u64,
    /// Up to where the outbox was published.
    after: u64,
    /// Start with the oldest event, once everything is settled and removed.
    restart: bool,
    refused: bool,
    /// Read and remove nothing before this.
    resume_at: Option<Instant>,
    /// Read nothing before this, so that the next read returns a batch.
    read_at: Option<Instant>,
    /// Remove nothing before this, so that the next removal is of a batch.
    remove_at: Option<Instant>,
    /// When the broker settled something last, or could not.
    progress: Option<Instant>,
    /// The last read found nothing.
    empty: bool,
    finishing: bool,
    routes: Routes,
    notices: Vec<Notice>,
}

impl Default for OutboxWindow {
    fn default() -> Self {
        Self {
            open: false,
            blocked: false,
            leased_until: None,
            leasing: None,
            renew_at: None,
            in_flight: BTreeMap::new(),
            confirmed: Vec::new(),
            removing: false,
            reading: None,
            reads: 0,
            after: 0,
            restart: true,
            refused: false,
            resume_at: None,
            read_at: None,
            remove_at: None,
            progress: None,
            empty: false,
            finishing: false,
            routes: Routes::default(),
            notices: Vec::new(),
        }
    }
}

impl OutboxWindow {
    /// There is a channel to publish on.
    pub(super) fn opened(&mut self, now: Instant) {
        self.open = true;
        self.progress = Some(now);
        self.leased_until = None;
        self.renew_at = Some(now);
    }

    /// The channel has failed. What was not settled on it may have reached the broker or not.
    pub(super) fn lost(&mut self) {
        self.open = false;
        self.in_flight.clear();
        self.leased_until = None;
        self.start_again();
    }

    /// The broker accepts no publications, or accepts them again.
    pub(super) fn set_blocked(&mut self, now: Instant, blocked: bool) {
        self.blocked = blocked;
        self.progress = Some(now);
    }

    /// The store has answered a request for the lease: whether this node, and no other, may publish.
    pub(super) fn leased(&mut self, now: Instant, answer: StoreAnswer<bool>) {
        let Some(requested) = self.leasing.take() else { return };
        self.renew_at = Some(now + RENEWAL);
        match answer {
            // What was requested before the channel failed serves the next channel as well.
            StoreAnswer::Done(true) => self.leased_until = Some(requested + LEASE),
            StoreAnswer::Done(false) => {
                if self.leased_until.take().is_some() {
                    // The other node may publish what is under way here again; its id tells copies apart.
                    self.start_again();
                    self.routes = Routes::default();
                    self.notices.push(Notice::LeaseLost);
                }
            }
            // The lease that was granted before ends by itself.
            StoreAnswer::Failed => {}
        }
    }

    /// The store has answered a read. Returns the events to publish now, in this order.
    pub(super) fn read(
        &mut self,
        now: Instant,
        number: u64,
        answer: StoreAnswer<Vec<OutboxEntry>>,
    ) -> Vec<(u64, OutboundEvent)> {
        self.read_at = Some(now + BATCH);
        if self.reading != Some(number) {
            return Vec::new();
        }
        self.reading = None;
        let StoreAnswer::Done(entries) = answer else {
            self.resume_at = Some(now + PAUSE);
            return Vec::new();
        };
        if !self.may_publish(now) {
            return Vec::new();
        }
        self.empty = entries.is_empty();
        if self.in_flight.is_empty() {
            self.progress = Some(now);
        }
        let mut events = Vec::with_capacity(entries.len());
        for entry in entries {
            self.after = entry.sequence;
            self.in_flight.insert(entry.sequence, entry.event.key.clone());
            let body = event_body(&entry).into();
            let OutboxEntry { sequence, event, .. } = entry;
            let trace = TraceContext::of_event(&event.body);
            events.push((sequence, OutboundEvent { id: event.id, key: event.key, at: event.at, body, trace }));
        }
        events
    }

    /// The broker has settled events.
    pub(super) fn settled(&mut self, now: Instant, settled: &[Settled]) {
        self.progress = Some(now);
        for Settled { tag: sequence, outcome } in settled {
            let Some(key) = self.in_flight.remove(sequence) else { continue };
            let change = match outcome {
                Outcome::Routed => {
                    self.confirmed.push(*sequence);
                    self.routes.routed(*sequence, &key, now)
                }
                // That no queue is bound is the decision of the backend services, and no reason to keep the event.
                Outcome::Unroutable => {
                    self.confirmed.push(*sequence);
                    self.routes.returned(*sequence, &key, now)
                }
                Outcome::Refused => {
                    if !std::mem::replace(&mut self.refused, true) {
                        self.notices.push(Notice::Refused);
                    }
                    self.start_again();
                    self.resume_at = Some(now + PAUSE);
                    None
                }
            };
            self.notices.extend(change.map(|change| match change {
                Change::Lost(kind) => Notice::RouteLost(kind.into()),
                Change::Found(kind) => Notice::RouteFound(kind.into()),
            }));
        }
    }

    /// The store has answered the removal of these events.
    pub(super) fn removed(&mut self, now: Instant, sequences: Vec<u64>, answer: StoreAnswer<()>) {
        self.removing = false;
        self.remove_at = Some(now + BATCH);
        if answer == StoreAnswer::Failed {
            self.confirmed.extend(sequences);
            self.resume_at = Some(now + PAUSE);
        }
    }

    /// Publish what the outbox holds, and then end.
    pub(super) fn finish(&mut self) {
        self.finishing = true;
        // A read that waits for an event is replaced by one that does not wait.
        self.reading = None;
        self.empty = false;
    }

    /// Whether it was asked to finish.
    pub(super) fn is_finishing(&self) -> bool {
        self.finishing
    }

    /// Returns what to log or to show since the last call.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Returns what to do next. Call it again after each step but [`Step::Wait`] and [`Step::Finish`].
    pub(super) fn poll(&mut self, now: Instant) -> Step {
        if self.leased_until.is_some_and(|until| until <= now) {
            // The store did not answer in time, and another node may publish.
            self.leased_until = None;
            self.start_again();
        }
        for kind in self.routes.given_up(now) {
            self.notices.push(Notice::RouteFound(kind));
        }
        if self.is_finished(now) {
            return Step::Finish;
        }
        if self.open && self.leasing.is_none() && self.renew_at.is_none_or(|at| at <= now) {
            self.leasing = Some(now);
            return Step::Lease;
        }
        if self.settlement_due().is_some_and(|due| due < now) {
            return Step::Abandon;
        }
        let paused = self.resume_at.is_some_and(|at| now < at);
        if !paused && !self.removing && !self.confirmed.is_empty() && !self.is_collecting(now, self.remove_at) {
            self.removing = true;
            return Step::Remove(std::mem::take(&mut self.confirmed));
        }
        let room = WINDOW.saturating_sub(self.in_flight.len());
        let is_collecting = self.is_collecting(now, self.read_at);
        let may_read = self.may_publish(now) && !self.blocked && !paused && !is_collecting && room >= WINDOW / 2;
        let nothing_left = self.finishing && self.empty && !self.restart;
        if self.reading.is_some() || !may_read || nothing_left || (self.restart && !self.is_settled()) {
            return Step::Wait(self.next_deadline(now));
        }
        if std::mem::take(&mut self.restart) {
            (self.after, self.refused) = (0, false);
        }
        self.reads += 1;
        self.reading = Some(self.reads);
        let wait = if self.finishing { Duration::ZERO } else { READ_WAIT };
        Step::Read(ReadRequest { number: self.reads, after: self.after, limit: room, wait })
    }

    /// Whether a batch is collected until this time. What has to be finished first is not collected.
    fn is_collecting(&self, now: Instant, until: Option<Instant>) -> bool {
        !self.finishing && !self.restart && until.is_some_and(|until| now < until)
    }

    /// Publishing starts again with the oldest event.
    fn start_again(&mut self) {
        self.restart = true;
        self.reading = None;
        self.empty = false;
    }

    fn may_publish(&self, now: Instant) -> bool {
        self.open && self.leased_until.is_some_and(|until| now < until)
    }

    /// Whether the outbox holds nothing that the broker has, and nothing is under way.
    fn is_settled(&self) -> bool {
        self.in_flight.is_empty() && !self.removing && self.confirmed.is_empty()
    }

    /// When the broker has settled nothing for too long.
    fn settlement_due(&self) -> Option<Instant> {
        let is_expected = self.open && !self.in_flight.is_empty() && !self.blocked;
        self.progress.filter(|_| is_expected).map(|progress| progress + SETTLEMENT)
    }

    /// When something is due that no report announces.
    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let renewal = self.renew_at.filter(|_| self.open && self.leasing.is_none());
        // A moment after it is due.
        let settlement = self.settlement_due().map(|due| due + Duration::from_millis(1));
        let resumption = self.resume_at.filter(|at| now < *at);
        let read = self.read_at.filter(|at| now < *at && self.reading.is_none() && self.may_publish(now));
        let removal = self.remove_at.filter(|at| now < *at && !self.removing && !self.confirmed.is_empty());
        [renewal, settlement, resumption, read, removal, self.leased_until].into_iter().flatten().min()
    }

    /// Whether it was asked to finish, and has published what it can.
    fn is_finished(&self, now: Instant) -> bool {
        if !self.finishing {
            return false;
        }
        if self.may_publish(now) && !self.blocked {
            return self.empty && self.is_settled() && !self.restart;
        }
        let store_failed = self.resume_at.is_some_and(|at| now < at);
        !self.removing && (self.confirmed.is_empty() || store_failed)
    }
}

#[cfg(test)]
mod tests;
