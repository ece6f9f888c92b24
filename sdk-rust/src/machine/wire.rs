//! What goes out: actions for the driver, and commands with the `requestId` that finds their reply again.

use std::collections::VecDeque;

use super::{Action, Attempt, Draft, StreamId, Ticket, table::Table};
use crate::{Delivery, Error, Event, Frame, Position, Topic};

/// Which room waits for a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    Authenticate,
    Subscribe(Topic),
    Unsubscribe,
    Send(Topic, Ticket),
    Ack,
    Query(Ticket),
}

/// The number of a command, which stands in its `requestId`. Unique over all connections of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(u64);

/// Actions that wait for the driver, and commands that wait for a reply.
#[derive(Default)]
pub(crate) struct Wire {
    actions: VecDeque<Action>,
    asked: Table<Number, (Attempt, Asked)>,
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
    pub(crate) fn tell(&mut self, attempt: Attempt, command: impl Into<Draft>) {
        self.act(Action::SendFrame(attempt, command.into().unnumbered()));
    }

    /// Sends a command and remembers who waits for its reply.
    pub(crate) fn ask(&mut self, attempt: Attempt, command: impl Into<Draft>, asked: Asked) -> Number {
        self.last += 1;
        let number = Number(self.last);
        self.asked.insert(number, (attempt, asked));
        self.act(Action::SendFrame(attempt, command.into().numbered(number.0)));
        number
    }

    /// Who asked for this reply. A reply is taken once, and only from the connection that was asked.
    pub(crate) fn answered(&mut self, attempt: Attempt, number: u64) -> Option<(Number, Asked)> {
        let number = Number(number);
        match self.asked.get(&number) {
            Some((asked_on, _)) if *asked_on == attempt => self.asked.remove(&number).map(|(_, asked)| (number, asked)),
            _ => None,
        }
    }

    /// What was asked on a connection that is gone, in the order in which it was asked.
    pub(crate) fn lost(&mut self, attempt: Attempt) -> Vec<Asked> {
        let mut lost = Vec::new();
        self.asked.retain(|_, (asked_on, asked)| {
            let gone = *asked_on == attempt;
            if gone {
                lost.push(asked.clone());
            }
            !gone
        });
        lost
    }

    /// Whether anybody waits for a reply on this connection.
    pub(crate) fn waits_on(&self, attempt: Attempt) -> bool {
        self.asked.values().any(|(asked_on, _)| *asked_on == attempt)
    }
}
