//! What goes out: actions for the driver, and commands with the `requestId` that finds their reply again.

use std::collections::VecDeque;

use realtime_gateway_protocol::{ClientMessage, Envelope, RequestId, ServerMessage, encode_client};
use serde_json::{Map, Value};

use super::{Action, Attempt, StreamId, Ticket, table::Table};
use crate::{Delivery, Error, Event, Position, Topic};

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

    pub(crate) fn resolve(&mut self, ticket: Ticket, result: Result<ServerMessage, Error>) {
        self.act(Action::Resolve(ticket, result));
    }

    pub(crate) fn deliver(&mut self, stream: StreamId, position: Option<Position>, event: Event) {
        self.act(Action::Deliver(stream, Delivery { position, event }));
    }

    /// Sends a command that has no reply.
    pub(crate) fn tell(&mut self, attempt: Attempt, message: ClientMessage) {
        let text = encode_client(&Envelope::unasked(message));
        self.act(Action::SendFrame(attempt, text));
    }

    /// Sends a command and remembers who waits for its reply.
    pub(crate) fn ask(&mut self, attempt: Attempt, message: ClientMessage, asked: Asked) -> Number {
        let (number, request_id) = self.next(attempt, asked);
        let text = encode_client(&Envelope { request_id, message });
        self.act(Action::SendFrame(attempt, text));
        number
    }

    /// Sends a command of the app's own making.
    pub(crate) fn ask_raw(&mut self, attempt: Attempt, type_name: &str, payload: &Map<String, Value>, asked: Asked) {
        let (_, request_id) = self.next(attempt, asked);
        let text = raw_frame(type_name, payload, request_id.as_ref());
        self.act(Action::SendFrame(attempt, text));
    }

    fn next(&mut self, attempt: Attempt, asked: Asked) -> (Number, Option<RequestId>) {
        self.last += 1;
        let number = Number(self.last);
        self.asked.insert(number, (attempt, asked));
        (number, RequestId::new(self.last.to_string()).ok())
    }

    /// Who asked for this reply. A reply is taken once, and only from the connection that was asked.
    pub(crate) fn answered(&mut self, attempt: Attempt, request_id: &RequestId) -> Option<(Number, Asked)> {
        let number = Number(request_id.as_str().parse().ok()?);
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

/// The text of a command of the app's own making.
pub(crate) fn raw_frame(type_name: &str, payload: &Map<String, Value>, request_id: Option<&RequestId>) -> String {
    let mut object = payload.clone();
    object.insert("type".to_owned(), type_name.into());
    match request_id {
        Some(id) => object.insert("requestId".to_owned(), id.as_str().into()),
        None => object.remove("requestId"),
    };
    Value::Object(object).to_string()
}
