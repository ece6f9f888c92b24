//! Acknowledgements. They are batched while one command is in flight, and repeated until the gateway confirms them.

use realtime_gateway_protocol::{ClientMessage, NotificationAck, NotificationId};

use super::{
    Attempt, Millis, Ticket,
    received::Refusal,
    wire::{PendingReply, Wire},
};
use crate::{Error, ErrorKind, Outcome};

/// The maximum number of ids in one command.
const MAX_IDS: usize = 1_000;
/// The maximum number of ids that wait to be confirmed.
const MAX_WAITING: usize = 10_000;
/// The retry delay after a temporary refusal without `retryAfterMs`.
const RETRY: Millis = 1_000;

/// One acknowledgement of the app.
struct Ack {
    id: NotificationId,
    /// The call of the app of which this is the last id, with its timeout.
    waiter: Option<(Ticket, Millis)>,
}

/// Acknowledgements of the app that the gateway has not confirmed.
#[derive(Default)]
pub(crate) struct Acks {
    waiting: Vec<Ack>,
    /// How many of them, from the front, have been sent.
    in_flight: usize,
    not_before: Millis,
}

impl Acks {
    #[inline(never)]
    pub(crate) fn push(
        &mut self,
        ticket: Ticket,
        ids: Vec<NotificationId>,
        until: Millis,
        wire: &mut Wire,
    ) -> Result<(), Error> {
        if self.waiting.len() + ids.len() > MAX_WAITING {
            return Err(Error::new(ErrorKind::QueueFull, Outcome::NotSent));
        }
        if ids.is_empty() {
            wire.resolve(ticket, Ok(None));
        }
        let last = ids.len();
        let acks = ids.into_iter().enumerate();
        self.waiting.extend(acks.map(|(at, id)| Ack { id, waiter: (at + 1 == last).then_some((ticket, until)) }));
        Ok(())
    }

    pub(crate) fn advance(&mut self, now: Millis, attempt: Attempt, wire: &mut Wire) {
        if self.in_flight > 0 || self.waiting.is_empty() || now < self.not_before {
            return;
        }
        self.in_flight = self.waiting.len().min(MAX_IDS);
        let ids = self.waiting.iter().take(self.in_flight).map(|ack| ack.id.clone()).collect();
        let message = NotificationAck { notification_id: None, notification_ids: Some(ids) };
        wire.request(attempt, ClientMessage::from(message), PendingReply::Ack);
    }

    pub(crate) fn confirmed(&mut self, wire: &mut Wire) {
        for (ticket, _) in self.taken().into_iter().filter_map(|ack| ack.waiter) {
            wire.resolve(ticket, Ok(None));
        }
    }

    pub(crate) fn refused(&mut self, refused: &Refusal, now: Millis, wire: &mut Wire) {
        if refused.code.is_retryable() {
            self.in_flight = 0;
            self.not_before = now + refused.retry_after.unwrap_or(RETRY);
            return;
        }
        let error = refused.error();
        for (ticket, _) in self.taken().into_iter().filter_map(|ack| ack.waiter) {
            wire.resolve(ticket, Err(error.clone()));
        }
    }

    /// Handles the loss of the connection on which they were sent: all are sent again.
    pub(crate) fn lost(&mut self) {
        self.in_flight = 0;
        self.not_before = 0;
    }

    fn taken(&mut self) -> Vec<Ack> {
        let in_flight = std::mem::take(&mut self.in_flight).min(self.waiting.len());
        let rest = self.waiting.split_off(in_flight);
        std::mem::replace(&mut self.waiting, rest)
    }

    /// Reports a timeout to the app. The acknowledgements stay queued, because they are safe to repeat.
    pub(crate) fn expire(&mut self, now: Millis, late: &Error, wire: &mut Wire) {
        for ack in &mut self.waiting {
            if let Some((ticket, _)) = ack.waiter.take_if(|(_, until)| now >= *until) {
                wire.resolve(ticket, Err(late.clone().with_outcome(Outcome::Unknown)));
            }
        }
    }

    pub(crate) fn close(&mut self, error: &Error, wire: &mut Wire) {
        for (ticket, _) in std::mem::take(&mut self.waiting).into_iter().filter_map(|ack| ack.waiter) {
            wire.resolve(ticket, Err(error.clone().with_outcome(Outcome::Unknown)));
        }
        self.in_flight = 0;
    }

    pub(crate) fn deadline(&self, live: bool) -> Option<Millis> {
        let late = self.waiting.iter().filter_map(|ack| ack.waiter.map(|(_, until)| until)).min();
        let next = (live && self.in_flight == 0 && !self.waiting.is_empty()).then_some(self.not_before);
        late.into_iter().chain(next).min()
    }
}
