//! The output: actions for the driver, and the commands that wait for a reply, by `requestId`.

use std::collections::VecDeque;

use super::{Action, Attempt, Draft, StreamId, Ticket, table::Table};
use crate::{Delivery, Error, Event, Frame, Position, Topic};

/// The purpose of a command whose reply is pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PendingReply {
    Authenticate,
    Subscribe(Topic),
    /// A request of what a server-side subscription has missed.
    Recover(Topic),
    Unsubscribe,
    Send(Topic, Ticket),
    Ack,
    Query(Ticket),
}

/// The number of a command, sent as its `requestId`. Unique over all connections of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(u64);

/// Actions that wait for the driver, and commands that wait for a reply.
#[derive(Default)]
pub(crate) struct Wire {
    actions: VecDeque<Action>,
    pending: Table<Number, (Attempt, PendingReply)>,
    last: u64,
}

impl Wire {
    pub(crate) fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(crate) fn resolve(&mut self, ticket: Ticket, result: Result<Option<Frame>, Error>) {
        self.act(Action::Resolve(ticket, result));
    }

    pub(crate) fn deliver(&mut self, stream: StreamId, position: Option<Position>, event: Event) {
        self.act(Action::Deliver(stream, Delivery { position, event }));
    }

    /// Sends a command that has no reply.
    pub(crate) fn send(&mut self, attempt: Attempt, command: impl Into<Draft>) {
        self.act(Action::SendFrame(attempt, command.into().unnumbered()));
    }

    /// Sends a command and records the purpose of its reply.
    pub(crate) fn request(&mut self, attempt: Attempt, command: impl Into<Draft>, reply: PendingReply) -> Number {
        self.last += 1;
        let number = Number(self.last);
        self.pending.insert(number, (attempt, reply));
        self.act(Action::SendFrame(attempt, command.into().numbered(number.0)));
        number
    }

    /// Takes the purpose of a reply. A reply is valid once, and only on the connection of its command.
    pub(crate) fn take_reply(&mut self, attempt: Attempt, number: u64) -> Option<(Number, PendingReply)> {
        let number = Number(number);
        match self.pending.get(&number) {
            Some((sent_on, _)) if *sent_on == attempt => self.pending.remove(&number).map(|(_, reply)| (number, reply)),
            _ => None,
        }
    }

    /// Takes the unanswered commands of a lost connection, in the order in which they were sent.
    pub(crate) fn take_unanswered(&mut self, attempt: Attempt) -> Vec<PendingReply> {
        let mut lost = Vec::new();
        self.pending.retain(|_, (sent_on, reply)| {
            let gone = *sent_on == attempt;
            if gone {
                lost.push(reply.clone());
            }
            !gone
        });
        lost
    }

    /// Returns whether a command on this connection waits for its reply.
    pub(crate) fn awaits_reply_on(&self, attempt: Attempt) -> bool {
        self.pending.values().any(|(sent_on, _)| *sent_on == attempt)
    }
}
