//! Decides what the next request of a webhook contains and what becomes of its events, without I/O and without a clock.
//!
//! The oldest events are one batch, which is repeated until it is taken or refused. A refused batch is halved until one
//! event alone is refused, so that an event that the receiver cannot take does not hold up the others.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use realtime_gateway_protocol::{Timestamp, TraceContext};
use sha2::{Digest as _, Sha256};

use super::event::webhook_event;
use crate::store::{Attempts, DeadReason, Death, WaitingEvent, WebhookName};

/// The largest body of a request, in bytes. An event that is larger is sent alone.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;
/// The beginning and the end of a body.
const HEAD: &str = "{\"events\":[";
const TAIL: &str = "]}";

/// The content of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    /// The `webhook-id`, which is the same for a repeat with the same events.
    pub(super) id: String,
    /// The body.
    pub(super) body: String,
    /// The number of events.
    pub(super) events: usize,
    /// The trace that all of them belong to, if there is one.
    pub(super) trace: Option<TraceContext>,
}

/// An event that was read from the store.
#[derive(Debug)]
struct Pending {
    sequence: u64,
    since: Timestamp,
    /// The event as JSON.
    text: String,
    attempts: u32,
    trace: Option<TraceContext>,
}

/// The events of a webhook that are sent next.
#[derive(Debug)]
pub(super) struct Delivery {
    webhook: WebhookName,
    /// The maximum number of events in a request.
    max_batch: usize,
    /// The oldest waiting events, in order.
    pending: VecDeque<Pending>,
    /// How many of them are in the next request.
    size: usize,
    /// The number of failures in a row.
    failures: u32,
}

impl Delivery {
    /// Creates the delivery of a webhook without events.
    pub(super) fn new(webhook: WebhookName) -> Self {
        Self { webhook, max_batch: 1, pending: VecDeque::new(), size: 0, failures: 0 }
    }

    /// Returns whether events have to be read from the store.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes the oldest waiting events. All earlier ones must be settled.
    pub(super) fn load(&mut self, events: Vec<WaitingEvent>, max_batch: usize) {
        let pending = |event: WaitingEvent| Pending {
            sequence: event.entry.sequence,
            since: event.since,
            text: webhook_event(&event.entry),
            attempts: event.attempts,
            trace: TraceContext::of_event(&event.entry.event.body),
        };
        self.pending = events.into_iter().map(pending).collect();
        self.max_batch = max_batch;
        self.size = self.fitting();
    }

    /// Returns the events that wait for longer than `retry_for`, and when the next one will.
    pub(super) fn expired(&self, now: Timestamp, retry_for: Duration) -> (Vec<Death>, Option<Timestamp>) {
        let retry_for = u64::try_from(retry_for.as_millis()).unwrap_or(u64::MAX);
        let until = |event: &Pending| event.since.millis().saturating_add(retry_for);
        let (expired, others): (Vec<_>, Vec<_>) = self.pending.iter().partition(|event| until(event) <= now.millis());
        let next = others.into_iter().map(until).min().map(Timestamp::from_millis);
        (expired.into_iter().map(|event| event.death(DeadReason::Expired)).collect(), next)
    }

    /// Returns these waiting events as events that are given up because too many wait.
    pub(super) fn overflowing(&self, sequences: impl Iterator<Item = u64>) -> Vec<Death> {
        let attempts = |sequence: u64| {
            self.pending.iter().find(|event| event.sequence == sequence).map_or(0, |event| event.attempts)
        };
        let death = |sequence| Death { sequence, reason: DeadReason::Overflow, attempts: attempts(sequence) };
        sequences.map(death).collect()
    }

    /// Removes events that are settled.
    pub(super) fn remove(&mut self, dead: &[Death]) {
        let is_dead = |event: &Pending| dead.iter().any(|death| death.sequence == event.sequence);
        let changes_request = self.pending.iter().take(self.size).any(is_dead);
        self.pending.retain(|event| !is_dead(event));
        // A request may be under way. Its events are not removed then, and it stays as it is.
        if changes_request {
            self.size = self.fitting();
        }
    }

    /// Begins an attempt to send the next request.
    pub(super) fn next(&mut self) -> Batch {
        let events = self.pending.iter_mut().take(self.size);
        let texts: Vec<&str> = events
            .map(|event| {
                event.attempts = event.attempts.saturating_add(1);
                event.text.as_str()
            })
            .collect();
        let body = [HEAD, &texts.join(","), TAIL].concat();
        let events = texts.len();
        let first = self.pending.front().map_or(0, |event| event.sequence);
        // A replayed event has another sequence, so that a receiver that remembers ids does not skip it.
        let name = format!("{} {first} {body}", self.webhook);
        let digest: String = Sha256::digest(name).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Batch { id: format!("msg_{digest}"), body, events, trace: self.common_trace() }
    }

    /// Returns the trace that all events of the next request belong to.
    fn common_trace(&self) -> Option<TraceContext> {
        let mut traces = self.pending.iter().take(self.size).map(|event| event.trace.as_ref());
        let first = traces.next()??;
        traces.all(|trace| trace == Some(first)).then(|| first.clone())
    }

    /// Ends an attempt whose events were taken. Returns their sequences.
    pub(super) fn taken(&mut self) -> Vec<u64> {
        self.failures = 0;
        let sequences = self.pending.drain(..self.size.min(self.pending.len())).map(|event| event.sequence).collect();
        self.grow();
        sequences
    }

    /// Ends an attempt whose events were refused. Returns the event to give up, if it was alone.
    pub(super) fn refused(&mut self) -> Option<Death> {
        self.failures = 0;
        if self.size > 1 {
            self.size /= 2;
            return None;
        }
        let refused = self.pending.pop_front()?;
        self.grow();
        Some(refused.death(DeadReason::Refused))
    }

    /// Ends an attempt that is to be repeated. Returns the number of failures in a row.
    pub(super) fn failed(&mut self) -> u32 {
        self.failures = self.failures.saturating_add(1);
        self.failures
    }

    /// Returns how often the events of the next request were sent.
    pub(super) fn attempts(&self) -> Vec<Attempts> {
        let attempts = |event: &Pending| Attempts { sequence: event.sequence, attempts: event.attempts };
        self.pending.iter().take(self.size).map(attempts).collect()
    }

    /// Returns the sequences of the events of the next request.
    pub(super) fn in_request(&self) -> HashSet<u64> {
        self.pending.iter().take(self.size).map(|event| event.sequence).collect()
    }

    /// Doubles the size of the next request, up to what fits. After a refusal a request may have fewer events.
    fn grow(&mut self) {
        self.size = (self.size * 2).clamp(1, self.fitting().max(1));
    }

    /// Returns how many events fit into a request.
    fn fitting(&self) -> usize {
        let mut bytes = HEAD.len() + TAIL.len();
        let fits = |event: &&Pending| {
            bytes += event.text.len() + 1;
            bytes <= MAX_BODY_BYTES
        };
        let fitting = self.pending.iter().take(self.max_batch).take_while(fits).count();
        fitting.max(1).min(self.pending.len())
    }
}

impl Pending {
    fn death(&self, reason: DeadReason) -> Death {
        Death { sequence: self.sequence, reason, attempts: self.attempts }
    }
}

#[cfg(test)]
mod tests;
