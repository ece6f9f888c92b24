//! Acknowledgements: gathered while one is under way, and repeated until the gateway has confirmed them.

use std::collections::VecDeque;

use realtime_gateway_protocol::{ClientMessage, NotificationAck, NotificationId};

use super::{
    Attempt, Millis, Ticket,
    heard::Refused,
    wire::{Asked, Wire},
};
use crate::{Error, ErrorKind, Outcome};

/// The most that one command may carry.
const MAX_IDS: usize = 1_000;
/// How many ids may wait.
const MAX_WAITING: usize = 10_000;
/// How long to wait before repeating what was refused for now without saying how long.
const RETRY: Millis = 1_000;

/// One acknowledgement of the app's.
struct Ack {
    id: NotificationId,
    /// The app's call that ends with this id, and until when it waits.
    waiter: Option<(Ticket, Millis)>,
}

/// What the app has acknowledged and the gateway has not confirmed.
#[derive(Default)]
pub(crate) struct Acks {
    waiting: VecDeque<Ack>,
    /// How many of them, from the front, are under way.
    in_flight: usize,
    not_before: Millis,
}

impl Acks {
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
        wire.ask(attempt, ClientMessage::from(message), Asked::Ack);
    }

    pub(crate) fn confirmed(&mut self, wire: &mut Wire) {
        for (ticket, _) in self.taken().into_iter().filter_map(|ack| ack.waiter) {
            wire.resolve(ticket, Ok(None));
        }
    }

    pub(crate) fn refused(&mut self, refused: &Refused, now: Millis, wire: &mut Wire) {
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

    /// The connection that these were sent on is gone: they are sent again.
    pub(crate) fn lost(&mut self) {
        self.in_flight = 0;
        self.not_before = 0;
    }

    fn taken(&mut self) -> Vec<Ack> {
        let in_flight = std::mem::take(&mut self.in_flight);
        self.waiting.drain(..in_flight.min(self.waiting.len())).collect()
    }

    /// Tells the app that no answer came in time; the acknowledgements stay, because they are safe to repeat.
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
