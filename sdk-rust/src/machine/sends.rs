//! What the app sends: first in first out per topic, one at a time, repeated under the same client message id.

use std::collections::VecDeque;

use realtime_gateway_protocol::ErrorCode;

use super::{
    Attempt, Draft, Millis, Publication, Ticket,
    heard::Refused,
    pacing::Pacer,
    table::Table,
    wire::{Asked, Wire},
};
use crate::{Error, ErrorKind, Frame, Outcome, Topic};

/// How many sends may wait while there is no connection.
const MAX_OFFLINE: usize = 100;
/// How many may wait for their turn on a connection that works.
const MAX_ONLINE: usize = 1_000;
/// How long to wait before repeating a send that was refused for now without saying how long.
const RETRY: Millis = 1_000;

/// One message of the app's.
struct Pending {
    ticket: Ticket,
    draft: Draft,
    /// The order over all topics in which the app sent.
    turn: u64,
    until: Millis,
    not_before: Millis,
    in_flight: bool,
    /// An earlier copy may have taken effect: no later refusal can say that nothing did.
    doubtful: bool,
    /// What would become of it if it were given up now.
    outcome: Outcome,
    refusal: Option<Error>,
}

/// What waits to be sent or answered, by topic.
#[derive(Default)]
pub(crate) struct Sends {
    queues: Table<Topic, VecDeque<Pending>>,
    turns: u64,
}

impl Sends {
    /// Takes a publication. Where the app gave it no name, `instance` and its turn make one that is unique among all
    /// clients.
    pub(crate) fn push(
        &mut self,
        ticket: Ticket,
        mut publication: Publication,
        until: Millis,
        online: bool,
        instance: &str,
    ) -> Result<(), Error> {
        let waiting: usize = self.queues.values().map(VecDeque::len).sum();
        if waiting >= if online { MAX_ONLINE } else { MAX_OFFLINE } {
            return Err(Error::new(ErrorKind::QueueFull, Outcome::NotSent));
        }
        self.turns += 1;
        publication.name(&format!("{instance}-{}", self.turns));
        let Publication { topic, draft, .. } = publication;
        let pending = Pending {
            ticket,
            draft,
            turn: self.turns,
            until,
            not_before: 0,
            in_flight: false,
            doubtful: false,
            outcome: Outcome::NotSent,
            refusal: None,
        };
        match self.queues.get_mut(&topic) {
            Some(queue) => queue.push_back(pending),
            None => self.queues.insert(topic, VecDeque::from([pending])),
        }
        Ok(())
    }

    /// Sends the head of each topic, those first that the app sent first, as far as the pace allows.
    pub(crate) fn advance(&mut self, now: Millis, attempt: Attempt, pacer: &mut Pacer, wire: &mut Wire) {
        loop {
            let heads = self.queues.iter_mut().filter_map(|(topic, queue)| Some((topic, queue.front_mut()?)));
            let ready = heads.filter(|(_, head)| !head.in_flight && now >= head.not_before);
            // Looked for anew each time: a pace allows few at once, and sorting would be more code.
            let Some((topic, head)) = ready.min_by_key(|(_, head)| head.turn) else { return };
            if !pacer.take(now) {
                return;
            }
            head.in_flight = true;
            head.outcome = Outcome::Unknown;
            wire.ask(attempt, head.draft.clone(), Asked::Send(topic.clone(), head.ticket));
        }
    }

    pub(crate) fn confirmed(&mut self, topic: &Topic, ticket: Ticket, frame: Frame, wire: &mut Wire) {
        if self.take(topic, ticket).is_some() {
            wire.resolve(ticket, Ok(Some(frame)));
        }
    }

    /// The head of a topic was refused: it waits where that is only for now, and those behind it wait with it.
    pub(crate) fn refused(&mut self, topic: &Topic, ticket: Ticket, refused: &Refused, now: Millis, wire: &mut Wire) {
        let Some(head) = self.head(topic, ticket) else { return };
        let refusal = refused.error();
        head.doubtful |= refusal.outcome() == Outcome::Unknown;
        let outcome = if head.doubtful { Outcome::Unknown } else { refusal.outcome() };
        let refusal = refusal.with_outcome(outcome);
        if refused.code.is_retryable() {
            head.in_flight = false;
            head.outcome = outcome;
            head.refusal = Some(refusal);
            // An expired token is waited for, not slept on.
            let wait = if refused.code == ErrorCode::TokenExpired { 0 } else { RETRY };
            head.not_before = now + refused.retry_after.unwrap_or(wait);
        } else {
            self.take(topic, ticket);
            wire.resolve(ticket, Err(refusal));
        }
    }

    /// The connection that this was sent on is gone: it will be sent again, under the same client message id.
    pub(crate) fn lost(&mut self, topic: &Topic, ticket: Ticket) {
        if let Some(head) = self.head(topic, ticket) {
            head.in_flight = false;
            head.doubtful = true;
            head.not_before = 0;
        }
    }

    /// The head of a topic, when it is still the one that was asked about: the app may have been told already that
    /// it took too long.
    fn head(&mut self, topic: &Topic, ticket: Ticket) -> Option<&mut Pending> {
        self.queues.get_mut(topic)?.front_mut().filter(|head| head.ticket == ticket)
    }

    fn take(&mut self, topic: &Topic, ticket: Ticket) -> Option<Pending> {
        self.head(topic, ticket)?;
        let queue = self.queues.get_mut(topic)?;
        let done = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(topic);
        }
        done
    }

    /// Gives up on what has waited too long.
    pub(crate) fn expire(&mut self, now: Millis, late: &Error, wire: &mut Wire) {
        self.queues.retain(|_, queue| {
            queue.retain(|pending| {
                let waits = now < pending.until;
                if !waits {
                    let refusal = pending.refusal.clone().filter(|_| !pending.in_flight);
                    let error = refusal.unwrap_or_else(|| late.clone());
                    wire.resolve(pending.ticket, Err(error.with_outcome(pending.outcome)));
                }
                waits
            });
            !queue.is_empty()
        });
    }

    pub(crate) fn close(&mut self, error: &Error, wire: &mut Wire) {
        for pending in std::mem::take(&mut self.queues).into_values().flatten() {
            wire.resolve(pending.ticket, Err(error.clone().with_outcome(pending.outcome)));
        }
    }

    /// When this next needs the clock; `pace` is when a live connection takes the next command.
    pub(crate) fn deadline(&self, pace: Option<Millis>) -> Option<Millis> {
        let heads = self.queues.values().filter_map(VecDeque::front).filter(|head| !head.in_flight);
        let next = pace.and_then(|pace| heads.map(|head| head.not_before.max(pace)).min());
        let late = self.queues.values().flatten().map(|pending| pending.until).min();
        next.into_iter().chain(late).min()
    }
}
