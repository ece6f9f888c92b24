//! What the core asks of the JavaScript driver, as JSON.

use realtime_gateway_sdk::{
    Delivery, Error, Event, GapReason, Position, State,
    protocol::{RawJson, ServerMessage, Unknown},
};
use serde::Serialize;

use crate::fault::Fault;

/// Something for the driver to do, in order.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Order {
    /// Open a connection.
    Open { attempt: u64 },
    /// Send a text frame.
    Send { attempt: u64, text: String },
    /// Close a connection, and report nothing more of it.
    Shut { attempt: u64, code: u16 },
    /// Ask the token provider; an earlier question may be forgotten.
    AskToken,
    /// A stream is confirmed, or refused and over.
    Subscribed {
        stream: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        position: Option<Position>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Fault>,
    },
    /// Something can be taken from a stream.
    Ready { stream: u64 },
    /// A stream is over, once everything in it was taken.
    Ended { stream: u64, error: Fault },
    /// A call is done.
    Resolve {
        ticket: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<RawJson>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Fault>,
    },
    /// The state has changed.
    State {
        status: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<RawJson>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<Fault>,
    },
    /// So many notifications wait for an acknowledgement.
    Pending { count: u64 },
}

/// What is taken from a stream.
#[derive(Serialize)]
pub(crate) struct Item {
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    event: RawJson,
    /// The machine is to be told that there is room again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    drained: bool,
}

impl Item {
    /// None for what no stream holds.
    pub(crate) fn new(delivery: Delivery, drained: bool) -> Option<Self> {
        let event = match delivery.event {
            Event::Message(message) => match *message {
                ServerMessage::Unknown(carried) => carried.raw,
                _ => return None,
            },
            Event::Gap(gap) => RawJson::encode(&Hole {
                r#type: "gap",
                before: gap.before,
                after: &gap.after,
                reason: match gap.reason {
                    GapReason::Trimmed => "trimmed",
                    GapReason::EpochChanged => "epoch_changed",
                    _ => "slow",
                },
            })
            .ok()?,
        };
        Some(Self { position: delivery.position, event, drained })
    }
}

#[derive(Serialize)]
struct Hole<'a> {
    r#type: &'static str,
    before: u64,
    after: &'a Position,
    reason: &'static str,
}

/// What the app sees of a message that this version knows and could not read.
const UNREADABLE: &str = r#"{"type":"unreadable"}"#;

/// A delivery as it came over the wire: what JavaScript reads is the frame, not this version's idea of it.
pub(crate) fn carry(mut delivery: Delivery, frame: &str) -> Delivery {
    if let Event::Message(message) = &mut delivery.event {
        let type_name = message.type_name().to_owned();
        // A message that is known and could not be read must not pass for what it is not; it moves the position.
        let broken = matches!(**message, ServerMessage::Unknown(_)) && ServerMessage::TYPES.contains(&&*type_name);
        if let Some(raw) = raw(if broken { UNREADABLE } else { frame }) {
            **message = ServerMessage::Unknown(Unknown { type_name, raw });
        }
    }
    delivery
}

/// A frame as JSON; none where it is not, of which the machine makes nothing either.
pub(crate) fn raw(frame: &str) -> Option<RawJson> {
    serde_json::from_str(frame).ok()
}

/// The state in the words of the JavaScript surface; `before` says whether there was a connection or trouble before.
/// The greeting is the frame that changed it.
pub(crate) fn state(state: &State, before: bool, frame: Option<&str>) -> Order {
    let trying = if before { "reconnecting" } else { "connecting" };
    let (status, session, cause) = match state {
        State::Idle => ("idle", None, None),
        State::Connected(_) => ("online", frame.and_then(raw), None),
        State::Waiting(cause) => (trying, None, cause.as_ref()),
        State::Closed(error) => (ending(error), None, Some(error)),
        _ => (trying, None, None),
    };
    // Closing is what the app asked for, and no trouble.
    let cause = cause.filter(|_| status != "closed").map(Fault::from);
    Order::State { status, session, cause }
}

fn ending(error: &Error) -> &'static str {
    match error.close_code().map(|code| code.0) {
        Some(1000) => "closed",
        Some(4401) => "unauthorized",
        Some(4409) => "replaced",
        _ => "failed",
    }
}
