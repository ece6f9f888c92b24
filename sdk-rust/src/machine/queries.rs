//! Questions of the app's, which are safe to repeat, and its raw requests, which are not.

use realtime_gateway_protocol::ErrorCode;

use super::{
    Attempt, Draft, Millis, Ticket,
    heard::Refused,
    pacing::Pacer,
    wire::{Asked, Wire},
};
use crate::{Error, ErrorKind, Frame, Outcome};

/// How many may wait or be under way.
const MAX_WAITING: usize = 1_000;
/// How long to wait before repeating what was refused for now without saying how long.
const RETRY: Millis = 1_000;

/// What is asked.
pub(crate) enum Body {
    /// A question: asked again when its answer was lost.
    Question(Draft),
    /// A command that the machine knows nothing of: sent once.
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

/// What waits to be asked or answered, in the order of asking.
#[derive(Default)]
pub(crate) struct Queries {
    waiting: Vec<Query>,
}

impl Queries {
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
            let (Body::Question(command) | Body::Raw(command)) = &query.body;
            wire.ask(attempt, command.clone(), Asked::Query(query.ticket));
        }
    }

    pub(crate) fn answered(&mut self, ticket: Ticket, answer: Frame, wire: &mut Wire) {
        if self.take(ticket).is_some() {
            wire.resolve(ticket, Ok(Some(answer)));
        }
    }

    pub(crate) fn refused(&mut self, ticket: Ticket, refused: &Refused, now: Millis, wire: &mut Wire) {
        let refusal = refused.error();
        let again = |query: &&mut Query| query.ticket == ticket && matches!(query.body, Body::Question(_));
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

    /// The connection that this was asked on is gone.
    pub(crate) fn lost(&mut self, ticket: Ticket, wire: &mut Wire) {
        let Some(query) = self.waiting.iter_mut().find(|query| query.ticket == ticket) else { return };
        if matches!(query.body, Body::Question(_)) {
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
        for query in self.waiting.drain(..) {
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
