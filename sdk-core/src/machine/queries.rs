//! Queries, which are safe to repeat, and raw requests, which are not.

use realtime_gateway_protocol::ErrorCode;

use super::{
    Attempt, Draft, Millis, Ticket,
    pacing::Pacer,
    received::Refusal,
    wire::{PendingReply, Wire},
};
use crate::{Error, ErrorKind, Frame, Outcome};

/// The maximum number of commands that wait to be sent or for their reply.
const MAX_WAITING: usize = 1_000;
/// The retry delay after a temporary refusal without `retryAfterMs`.
const RETRY: Millis = 1_000;

/// The command of a query or a raw request.
pub(crate) enum Body {
    /// A query. It is sent again if its reply was lost.
    Query(Draft),
    /// A command that the machine does not interpret. It is sent only once.
    Raw(Draft),
}

struct Query {
    ticket: Ticket,
    body: Body,
    until: Millis,
    not_before: Millis,
    in_flight: bool,
    refusal: Option<Error>,
}

/// Commands that wait to be sent or for their reply, in order.
#[derive(Default)]
pub(crate) struct Queries {
    waiting: Vec<Query>,
}

impl Queries {
    #[inline(never)]
    pub(crate) fn push(&mut self, ticket: Ticket, body: Body, until: Millis) -> Result<(), Error> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(Error::new(ErrorKind::QueueFull, Outcome::NotSent));
        }
        self.waiting.push(Query { ticket, body, until, not_before: 0, in_flight: false, refusal: None });
        Ok(())
    }

    pub(crate) fn advance(&mut self, now: Millis, attempt: Attempt, pacer: &mut Pacer, wire: &mut Wire) {
        for query in self.waiting.iter_mut().filter(|query| !query.in_flight && now >= query.not_before) {
            if !pacer.take(now) {
                return;
            }
            query.in_flight = true;
            let (Body::Query(command) | Body::Raw(command)) = &query.body;
            wire.request(attempt, command.clone(), PendingReply::Query(query.ticket));
        }
    }

    pub(crate) fn answered(&mut self, ticket: Ticket, reply: Frame, wire: &mut Wire) {
        if self.take(ticket).is_some() {
            wire.resolve(ticket, Ok(Some(reply)));
        }
    }

    pub(crate) fn refused(&mut self, ticket: Ticket, refused: &Refusal, now: Millis, wire: &mut Wire) {
        let refusal = refused.error();
        let again = |query: &&mut Query| query.ticket == ticket && matches!(query.body, Body::Query(_));
        if refused.code.is_retryable()
            && let Some(query) = self.waiting.iter_mut().find(again)
        {
            query.in_flight = false;
            let wait = if refused.code == ErrorCode::TokenExpired { 0 } else { RETRY };
            query.not_before = now + refused.retry_after.unwrap_or(wait);
            query.refusal = Some(refusal);
        } else if self.take(ticket).is_some() {
            wire.resolve(ticket, Err(refusal));
        }
    }

    /// The connection on which this was sent is lost.
    pub(crate) fn lost(&mut self, ticket: Ticket, wire: &mut Wire) {
        let Some(query) = self.waiting.iter_mut().find(|query| query.ticket == ticket) else { return };
        if matches!(query.body, Body::Query(_)) {
            query.in_flight = false;
        } else {
            self.take(ticket);
            wire.resolve(ticket, Err(Error::new(ErrorKind::Disconnected, Outcome::Unknown)));
        }
    }

    fn take(&mut self, ticket: Ticket) -> Option<Query> {
        let at = self.waiting.iter().position(|query| query.ticket == ticket)?;
        Some(self.waiting.remove(at))
    }

    pub(crate) fn expire(&mut self, now: Millis, late: &Error, wire: &mut Wire) {
        self.waiting.retain(|query| {
            let waits = now < query.until;
            if !waits {
                let timed_out = || late.clone().with_outcome(outcome(query));
                wire.resolve(query.ticket, Err(query.refusal.clone().unwrap_or_else(timed_out)));
            }
            waits
        });
    }

    pub(crate) fn close(&mut self, error: &Error, wire: &mut Wire) {
        for query in std::mem::take(&mut self.waiting) {
            let outcome = outcome(&query);
            wire.resolve(query.ticket, Err(error.clone().with_outcome(outcome)));
        }
    }

    pub(crate) fn deadline(&self, pace: Option<Millis>) -> Option<Millis> {
        let idle = self.waiting.iter().filter(|query| !query.in_flight);
        let next = pace.and_then(|pace| idle.map(|query| query.not_before.max(pace)).min());
        self.waiting.iter().map(|query| query.until).chain(next).min()
    }
}

fn outcome(query: &Query) -> Outcome {
    if query.in_flight { Outcome::Unknown } else { Outcome::NotSent }
}
