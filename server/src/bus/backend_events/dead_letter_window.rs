//! Decides how dead letters are published, without I/O and without a clock. Normally many are under way together. After a
//! failure each of these is published alone, because one of them may be the reason: a dead letter that ends channels or
//! connections goes without what its event carried, and holds up no other.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::bus::broker::{ChannelError, DeadLetter, DeadLetterForm, Outcome, Settled};

/// After this many channels or connections that have ended while a dead letter was under way alone, it is published
/// without what the event carried.
pub(super) const PLAIN_AFTER: u32 = 3;
/// How long the broker may settle nothing while it accepts publications.
const SETTLEMENT: Duration = Duration::from_secs(10);

/// A dead letter on its way to the broker, whose event may lose its channel meanwhile.
pub(super) trait Pending {
    /// What the driver keeps of the event.
    type Original: Clone;
    /// Returns the dead letter.
    fn letter(&self) -> &DeadLetter<Self::Original>;
    /// Whether the event is delivered again, so that its dead letter need not be published any more.
    fn is_obsolete(&self) -> bool;
    /// Reports that the broker holds the dead letter.
    fn stored(self);
}

/// Dead letters that the broker has not settled.
#[derive(Debug)]
pub(super) struct DeadLetterWindow<P> {
    in_flight: BTreeMap<u64, Attempted<P>>,
    /// What was under way when a channel failed.
    suspects: VecDeque<Attempted<P>>,
    tags: u64,
    blocked: bool,
    progress: Option<Instant>,
}

#[derive(Debug)]
struct Attempted<P> {
    pending: P,
    /// Whether it is published alone, because it was under way when a channel failed.
    is_suspect: bool,
    /// How many channels and connections have ended while it was under way alone.
    attempts: u32,
}

impl<P> Default for DeadLetterWindow<P> {
    fn default() -> Self {
        Self { in_flight: BTreeMap::new(), suspects: VecDeque::new(), tags: 0, blocked: false, progress: None }
    }
}

impl<P: Pending> DeadLetterWindow<P> {
    /// The broker accepts no publications, or accepts them again.
    pub(super) fn set_blocked(&mut self, now: Instant, blocked: bool) {
        self.blocked = blocked;
        self.progress = Some(now);
    }

    /// Whether a new dead letter may be published.
    pub(super) fn accepts(&self) -> bool {
        !self.blocked && self.suspects.is_empty() && !self.in_flight.values().any(|attempted| attempted.is_suspect)
    }

    /// Takes a new dead letter. Returns what to publish now.
    pub(super) fn submit(&mut self, now: Instant, pending: P) -> (u64, DeadLetter<P::Original>) {
        self.publish(now, Attempted { pending, is_suspect: false, attempts: 0 })
    }

    /// Returns a dead letter to publish alone, when there is one and nothing else is under way.
    pub(super) fn next_suspect(&mut self, now: Instant) -> Option<(u64, DeadLetter<P::Original>)> {
        if self.blocked || !self.in_flight.is_empty() {
            return None;
        }
        while let Some(suspect) = self.suspects.pop_front() {
            if !suspect.pending.is_obsolete() {
                return Some(self.publish(now, suspect));
            }
        }
        None
    }

    /// Takes what the broker has settled.
    ///
    /// # Errors
    /// Why the channel is to be opened again, when the broker does not hold one of them. All go to one queue, so those
    /// that are still under way are published again too.
    pub(super) fn settled(&mut self, now: Instant, settled: &[Settled]) -> Result<(), &'static str> {
        self.progress = Some(now);
        let mut refusal = None;
        for Settled { tag, outcome } in settled {
            let Some(attempted) = self.in_flight.remove(tag) else { continue };
            let reason = match outcome {
                Outcome::Routed => {
                    attempted.pending.stored();
                    continue;
                }
                Outcome::Unroutable => "the queue of the dead letters is gone",
                Outcome::Refused => "the broker takes no dead letter (a full queue?)",
            };
            refusal = Some(reason);
            self.suspects.push_back(Attempted { is_suspect: true, ..attempted });
        }
        match refusal {
            Some(reason) => {
                self.suspect_all();
                Err(reason)
            }
            None => Ok(()),
        }
    }

    /// The channel has failed. Returns what to report when it is the channel alone and not the connection.
    pub(super) fn failed(&mut self, error: &ChannelError) -> Option<Arc<str>> {
        let is_suspicious = matches!(error, ChannelError::Disconnected(_) | ChannelError::InvalidContent(_));
        if is_suspicious && self.in_flight.len() == 1 {
            self.in_flight.values_mut().for_each(|alone| alone.attempts += 1);
        }
        self.suspect_all();
        match error {
            ChannelError::Disconnected(_) => None,
            ChannelError::InvalidContent(reason) | ChannelError::Closed(reason) => Some(reason.clone()),
        }
    }

    /// Returns when the broker has settled nothing for too long.
    pub(super) fn settlement_due(&self) -> Option<Instant> {
        self.progress.filter(|_| !self.blocked && !self.in_flight.is_empty()).map(|progress| progress + SETTLEMENT)
    }

    fn publish(&mut self, now: Instant, attempted: Attempted<P>) -> (u64, DeadLetter<P::Original>) {
        if self.in_flight.is_empty() {
            self.progress = Some(now);
        }
        let mut letter = attempted.pending.letter().clone();
        if attempted.attempts >= PLAIN_AFTER {
            letter.form = DeadLetterForm::Plain;
        }
        self.tags += 1;
        self.in_flight.insert(self.tags, attempted);
        (self.tags, letter)
    }

    /// Publishes everything under way again, one after the other.
    pub(super) fn suspect_all(&mut self) {
        let under_way = std::mem::take(&mut self.in_flight).into_values();
        self.suspects.extend(under_way.map(|attempted| Attempted { is_suspect: true, ..attempted }));
    }
}

#[cfg(test)]
mod tests;
