//! Publications. They are sent in order, one at a time per topic, and repeated with the same client message id.

use realtime_gateway_protocol::ErrorCode;

use super::{
    Attempt, Draft, Millis, Publication, Ticket,
    pacing::Pacer,
    received::Refusal,
    table::Table,
    wire::{PendingReply, Wire},
};
use crate::{Error, ErrorKind, Frame, Outcome, Topic};

/// The maximum number of waiting publications while there is no connection.
const MAX_OFFLINE: usize = 100;
/// The maximum number of waiting publications while there is a connection.
const MAX_ONLINE: usize = 1_000;
/// The retry delay after a temporary refusal without `retryAfterMs`.
const RETRY: Millis = 1_000;

/// One publication of the app.
struct Pending {
    ticket: Ticket,
    draft: Draft,
    /// The position in the order over all topics.
    turn: u64,
    until: Millis,
    not_before: Millis,
    in_flight: bool,
    /// Whether an earlier copy may have taken effect. A later refusal does not prove then that none did.
    doubtful: bool,
    /// The outcome to report if the publication fails now.
    outcome: Outcome,
    refusal: Option<Error>,
}

/// Publications that wait to be sent or for their reply, by topic.
#[derive(Default)]
pub(crate) struct Sends {
    queues: Table<Topic, Vec<Pending>>,
    turns: u64,
}

impl Sends {
    /// Queues a publication. If the app has set no client message id, one is composed of `instance` and the turn, which is
    /// unique among all clients.
    #[inline(never)]
    pub(crate) fn push(
        &mut self,
        ticket: Ticket,
        mut publication: Publication,
        until: Millis,
        online: bool,
        instance: &str,
    ) -> Result<(), Error> {
        let waiting: usize = self.queues.values().map(Vec::len).sum();
        if waiting >= if online { MAX_ONLINE } else { MAX_OFFLINE } {
            return Err(Error::new(ErrorKind::QueueFull, Outcome::NotSent));
        }
        self.turns += 1;
        publication.name(&[instance, "-", &self.turns.to_string()].concat());
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
            Some(queue) => queue.push(pending),
            None => self.queues.insert(topic, vec![pending]),
        }
        Ok(())
    }

    /// Sends the first publication of each topic, in the order in which the app published them, as far as the rate limit
    /// allows.
    pub(crate) fn advance(&mut self, now: Millis, attempt: Attempt, pacer: &mut Pacer, wire: &mut Wire) {
        loop {
            let heads = self.queues.iter_mut().filter_map(|(topic, queue)| Some((topic, queue.first_mut()?)));
            let ready = heads.filter(|(_, head)| !head.in_flight && now >= head.not_before);
            // A search for each publication is enough: the rate limit allows few of them in a row, and sorting would need
            // more code.
            let Some((topic, head)) = ready.min_by_key(|(_, head)| head.turn) else { return };
            if !pacer.take(now) {
                return;
            }
            head.in_flight = true;
            head.outcome = Outcome::Unknown;
            wire.request(attempt, head.draft.clone(), PendingReply::Send(topic.clone(), head.ticket));
        }
    }

    pub(crate) fn confirmed(&mut self, topic: &Topic, ticket: Ticket, frame: Frame, wire: &mut Wire) {
        if self.take(topic, ticket).is_some() {
            wire.resolve(ticket, Ok(Some(frame)));
        }
    }

    /// Handles the refusal of the first publication of a topic. If the refusal is retryable, it waits, and the ones behind
    /// it wait too.
    #[inline(never)]
    pub(crate) fn refused(&mut self, topic: &Topic, ticket: Ticket, refused: &Refusal, now: Millis, wire: &mut Wire) {
        let Some(head) = self.head(topic, ticket) else { return };
        let refusal = refused.error();
        head.doubtful |= refusal.outcome() == Outcome::Unknown;
        let outcome = if head.doubtful { Outcome::Unknown } else { refusal.outcome() };
        let refusal = refusal.with_outcome(outcome);
        if refused.code.is_retryable() {
            head.in_flight = false;
            head.outcome = outcome;
            head.refusal = Some(refusal);
            // After `token_expired` the publication waits until the identity is renewed.
            let wait = if refused.code == ErrorCode::TokenExpired { 0 } else { RETRY };
            head.not_before = now + refused.retry_after.unwrap_or(wait);
        } else {
            self.take(topic, ticket);
            wire.resolve(ticket, Err(refusal));
        }
    }

    /// Handles the loss of the connection on which a publication was sent. It is sent again with the same client message id.
    pub(crate) fn lost(&mut self, topic: &Topic, ticket: Ticket) {
        if let Some(head) = self.head(topic, ticket) {
            head.in_flight = false;
            head.doubtful = true;
            head.not_before = 0;
        }
    }

    /// Returns the first publication of a topic if it has this ticket. It may have timed out meanwhile.
    fn head(&mut self, topic: &Topic, ticket: Ticket) -> Option<&mut Pending> {
        self.queues.get_mut(topic)?.first_mut().filter(|head| head.ticket == ticket)
    }

    fn take(&mut self, topic: &Topic, ticket: Ticket) -> Option<Pending> {
        // The queue is not empty, because it has a first element.
        self.head(topic, ticket)?;
        let queue = self.queues.get_mut(topic)?;
        let done = queue.remove(0);
        if queue.is_empty() {
            self.queues.remove(topic);
        }
        Some(done)
    }

    /// Fails publications that have timed out.
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

    /// Returns the next deadline. `pace` is when a live connection accepts the next command.
    pub(crate) fn deadline(&self, pace: Option<Millis>) -> Option<Millis> {
        let heads = self.queues.values().filter_map(|queue| queue.first()).filter(|head| !head.in_flight);
        let next = pace.and_then(|pace| heads.map(|head| head.not_before.max(pace)).min());
        let late = self.queues.values().flatten().map(|pending| pending.until).min();
        next.into_iter().chain(late).min()
    }
}
