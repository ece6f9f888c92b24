//! Writes the messages for the driver.

use realtime_gateway_protocol::{CloseCode, NotificationId, ObjectText};

use super::error;
use crate::{
    Delivery, Error, Event, Frame, Gap, GapReason, Position, State, Topic,
    machine::{Attempt, Millis, Taken, Ticket},
};

/// Messages for the driver, in order.
#[derive(Default)]
pub(super) struct Output(String);

impl Output {
    /// Requests the driver to open a connection.
    pub(super) fn open(&mut self, attempt: Attempt) {
        self.push("open", "", |head| head.whole("connection", attempt.number()));
    }

    /// Requests the driver to send a text frame.
    pub(super) fn send(&mut self, attempt: Attempt, frame: &str) {
        self.push("send", frame, |head| head.whole("connection", attempt.number()));
    }

    /// Requests the driver to close a connection and to report no more events of it.
    pub(super) fn close(&mut self, attempt: Attempt, code: CloseCode) {
        self.push("close", "", |head| head.whole("connection", attempt.number()).whole("code", code.0.into()));
    }

    /// Requests the driver to call the token provider. The driver ignores the result of an earlier call.
    pub(super) fn request_token(&mut self) {
        self.push("request_token", "", |head| head);
    }

    /// Reports that a stream is confirmed, or that it is refused and has ended.
    pub(super) fn subscribed(&mut self, stream: u64, result: Result<Option<&Position>, &Error>) {
        self.push("subscribed", "", |head| {
            head.whole("stream", stream);
            match result {
                Ok(Some(at)) => head.raw("position", position(at).as_str()),
                Ok(None) => head,
                Err(error) => head.raw("error", error::text(error).as_str()),
            }
        });
    }

    /// Reports that a stream has an item to take.
    pub(super) fn ready(&mut self, stream: u64) {
        self.push("ready", "", |head| head.whole("stream", stream));
    }

    /// Reports that a stream has ended. Its remaining items can still be taken.
    pub(super) fn ended(&mut self, stream: u64, error: &Error) {
        self.push("ended", "", |head| head.whole("stream", stream).raw("error", error::text(error).as_str()));
    }

    /// Reports that a call is complete. The body is the reply.
    pub(super) fn result(&mut self, ticket: Ticket, result: Result<Option<&Frame>, &Error>) {
        let reply = result.ok().flatten().map_or("", Frame::text);
        self.push("result", reply, |head| {
            head.whole("call", ticket.0);
            match result {
                Ok(_) => head,
                Err(error) => head.raw("error", error::text(error).as_str()),
            }
        });
    }

    /// Reports a new state. The body is the greeting while there is a connection. `reconnects` is whether there was a
    /// connection or an error before; `next` is the time of the next attempt.
    #[inline(never)]
    pub(super) fn state(&mut self, state: &State<Frame>, reconnects: bool, next: Option<Millis>) {
        let trying = if reconnects { "reconnecting" } else { "connecting" };
        let (status, greeting, cause) = match state {
            State::Idle => ("idle", None, None),
            State::Connected(greeting) => ("online", Some(greeting), None),
            State::Expiring(greeting, cause) => ("online", Some(greeting), Some(cause)),
            State::Waiting(cause) => (trying, None, cause.as_ref()),
            State::Closed(error) => (final_status(error), None, Some(error)),
            State::Connecting => (trying, None, None),
        };
        self.push("state", greeting.map_or("", Frame::text), |head| {
            head.text("status", status);
            // The app has requested to close the client, which is not an error.
            if let Some(error) = cause.filter(|_| status != "closed") {
                head.raw("error", error::text(error).as_str());
            }
            if let Some(at) = next {
                head.whole("nextAttempt", at);
            }
            head
        });
    }

    /// Reports the number of notifications that are not acknowledged.
    pub(super) fn pending(&mut self, count: u64) {
        self.push("pending", "", |head| head.whole("count", count));
    }

    /// Reports that notifications were acknowledged, in this session or another.
    pub(super) fn acknowledged(&mut self, ids: &[NotificationId]) {
        self.push("acknowledged", "", |head| head.texts("ids", ids.iter().map(NotificationId::as_str)));
    }

    /// Returns all messages in order.
    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn push(&mut self, kind: &str, body: &str, fill: impl FnOnce(&mut ObjectText) -> &mut ObjectText) {
        let mut head = ObjectText::default();
        fill(head.text("type", kind));
        append(&mut self.0, head, body);
    }
}

/// Appends a message.
fn append(out: &mut String, mut head: ObjectText, body: &str) {
    if !body.is_empty() {
        head.whole("body", u64::try_from(body.len()).unwrap_or(u64::MAX));
    }
    out.push_str(head.as_str());
    out.push('\n');
    out.push_str(body);
}

/// The item for a message of a known type with an invalid field. The app must not handle such a message as valid.
const UNREADABLE: &str = r#"{"type":"unreadable"}"#;

/// Returns an item of a stream as a message. The body is the server message as it arrived, a gap, or the number of items
/// that were dropped.
pub(super) fn item(taken: &Taken, due: bool) -> String {
    let mut head = ObjectText::default();
    head.text("type", "item");
    if let Taken::Delivery(Delivery { position: Some(at), .. }) = taken {
        head.raw("position", position(at).as_str());
    }
    if due {
        head.flag("due", true);
    }
    let mut body = ObjectText::default();
    let body = match taken {
        Taken::Missed(count) => body.text("type", "missed").whole("count", *count).as_str(),
        Taken::Delivery(Delivery { event: Event::Gap(missing), .. }) => gap(&mut body, missing).as_str(),
        Taken::Delivery(Delivery { event: Event::TopicGap(topic, missing), .. }) => {
            gap(&mut body, missing);
            if let Topic::Service(service, topic) = topic {
                body.text("service", service.as_str()).text("topic", topic.as_str());
            }
            body.as_str()
        }
        Taken::Delivery(Delivery { event: Event::Message(frame), .. }) if frame.is_usable() => frame.text(),
        Taken::Delivery(_) => UNREADABLE,
    };
    let mut item = String::new();
    append(&mut item, head, body);
    item
}

fn gap<'a>(text: &'a mut ObjectText, gap: &Gap) -> &'a mut ObjectText {
    let reason = match gap.reason {
        GapReason::Trimmed => "trimmed",
        GapReason::EpochChanged => "epoch_changed",
        GapReason::Slow => "slow",
    };
    text.text("type", "gap").whole("before", gap.before);
    text.raw("after", position(&gap.after).as_str()).text("reason", reason)
}

fn position(position: &Position) -> ObjectText {
    let mut text = ObjectText::default();
    text.whole("offset", position.offset()).text("epoch", position.epoch());
    text
}

fn final_status(error: &Error) -> &'static str {
    match error.close_code().map(|code| code.0) {
        Some(1000) => "closed",
        Some(4401) => "unauthorized",
        Some(4409) => "replaced",
        _ => "failed",
    }
}
