//! What the core asks of the JavaScript driver, as JSON.

use realtime_gateway_sdk::{
    Delivery, Error, Event, Frame, Gap, GapReason, Position, State,
    machine::{Attempt, Millis, Ticket},
    protocol::{CloseCode, ObjectText},
};

use crate::fault::fault;

/// Things for the driver to do, in order: a JSON list of objects that grows.
#[derive(Default)]
pub(crate) struct Orders(String);

impl Orders {
    /// Open a connection.
    pub(crate) fn open(&mut self, attempt: Attempt) {
        self.push("open", |order| order.whole("attempt", attempt.number()));
    }

    /// Send a text frame.
    pub(crate) fn send(&mut self, attempt: Attempt, text: &str) {
        self.push("send", |order| order.whole("attempt", attempt.number()).text("text", text));
    }

    /// Close a connection, and report nothing more of it.
    pub(crate) fn shut(&mut self, attempt: Attempt, code: CloseCode) {
        self.push("shut", |order| order.whole("attempt", attempt.number()).whole("code", code.0.into()));
    }

    /// Ask the token provider; an earlier question may be forgotten.
    pub(crate) fn ask_token(&mut self) {
        self.push("askToken", |order| order);
    }

    /// A stream is confirmed, or refused and over.
    pub(crate) fn subscribed(&mut self, stream: u64, result: Result<Option<&Position>, &Error>) {
        self.push("subscribed", |order| {
            order.whole("stream", stream);
            match result {
                Ok(Some(at)) => order.raw("position", position(at).as_str()),
                Ok(None) => order,
                Err(error) => order.raw("error", fault(error).as_str()),
            }
        });
    }

    /// Something can be taken from a stream.
    pub(crate) fn ready(&mut self, stream: u64) {
        self.push("ready", |order| order.whole("stream", stream));
    }

    /// A stream is over, once everything in it was taken.
    pub(crate) fn ended(&mut self, stream: u64, error: &Error) {
        self.push("ended", |order| order.whole("stream", stream).raw("error", fault(error).as_str()));
    }

    /// A call is done.
    pub(crate) fn resolve(&mut self, ticket: Ticket, result: Result<Option<&Frame>, &Error>) {
        self.push("resolve", |order| {
            order.whole("ticket", ticket.0);
            match result {
                Ok(Some(answer)) => order.raw("message", answer.text()),
                Ok(None) => order,
                Err(error) => order.raw("error", fault(error).as_str()),
            }
        });
    }

    /// The state has changed, in the words of the JavaScript surface; `before` says whether there was a connection or
    /// trouble before, and `next` when the next attempt is made.
    pub(crate) fn state(&mut self, state: &State<Frame>, before: bool, next: Option<Millis>) {
        let trying = if before { "reconnecting" } else { "connecting" };
        let (status, session, cause) = match state {
            State::Idle => ("idle", None, None),
            State::Connected(greeting) => ("online", Some(greeting), None),
            State::Expiring(greeting, cause) => ("online", Some(greeting), Some(cause)),
            State::Waiting(cause) => (trying, None, cause.as_ref()),
            State::Closed(error) => (ending(error), None, Some(error)),
            _ => (trying, None, None),
        };
        self.push("state", |order| {
            order.text("status", status);
            if let Some(greeting) = session {
                order.raw("session", greeting.text());
            }
            // Closing is what the app asked for, and no trouble.
            if let Some(error) = cause.filter(|_| status != "closed") {
                order.raw("cause", fault(error).as_str());
            }
            if let Some(at) = next {
                order.whole("next", at);
            }
            order
        });
    }

    /// So many notifications wait for an acknowledgement.
    pub(crate) fn pending(&mut self, count: u64) {
        self.push("pending", |order| order.whole("count", count));
    }

    /// These notifications were acknowledged, here or elsewhere; given as JSON.
    pub(crate) fn acknowledged(&mut self, ids: &str) {
        self.push("acknowledged", |order| order.raw("ids", ids));
    }

    /// The list.
    pub(crate) fn text(self) -> String {
        if self.0.is_empty() { "[]".to_owned() } else { self.0 + "]" }
    }

    fn push(&mut self, kind: &str, fill: impl FnOnce(&mut ObjectText) -> &mut ObjectText) {
        let mut order = ObjectText::default();
        fill(order.text("type", kind));
        self.0.push(if self.0.is_empty() { '[' } else { ',' });
        self.0.push_str(order.as_str());
    }
}

/// What the app sees of a message that this version knows and could not read: it must not pass for what it is not.
const UNREADABLE: &str = r#"{"type":"unreadable"}"#;

/// What is taken from a stream. A message is what came over the wire, not this version's idea of it.
pub(crate) fn item(delivery: &Delivery, drained: bool) -> String {
    let mut item = ObjectText::default();
    if let Some(at) = &delivery.position {
        item.raw("position", position(at).as_str());
    }
    match &delivery.event {
        Event::Message(frame) if frame.is_usable() => item.raw("event", frame.text()),
        Event::Message(_) => item.raw("event", UNREADABLE),
        Event::Gap(hole) => item.raw("event", gap(hole).as_str()),
    };
    // The machine is to be told that there is room again.
    if drained {
        item.raw("drained", "true");
    }
    item.into_string()
}

fn gap(gap: &Gap) -> ObjectText {
    let reason = match gap.reason {
        GapReason::Trimmed => "trimmed",
        GapReason::EpochChanged => "epoch_changed",
        _ => "slow",
    };
    let mut text = ObjectText::default();
    text.text("type", "gap").whole("before", gap.before);
    text.raw("after", position(&gap.after).as_str()).text("reason", reason);
    text
}

fn position(position: &Position) -> ObjectText {
    let mut text = ObjectText::default();
    text.whole("offset", position.offset()).text("epoch", position.epoch());
    text
}

fn ending(error: &Error) -> &'static str {
    match error.close_code().map(|code| code.0) {
        Some(1000) => "closed",
        Some(4401) => "unauthorized",
        Some(4409) => "replaced",
        _ => "failed",
    }
}
