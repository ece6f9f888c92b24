//! Decodes server messages as far as the machine needs their content.

use std::time::Duration;

use realtime_gateway_protocol::{
    ErrorCode, Limits, MAX_OFFSET, NotificationId, Outline, ServiceName, StoredId, Timestamp, TopicName, Verdict,
};

use super::{Millis, presence_changes::single_changes};
use crate::{Error, Frame, Outcome, Position, Topic};

/// The longest wait in milliseconds, which is 25 days, and the largest count that the machine works with. Timers and numbers of
/// every language can hold it, and sums of it do not overflow.
pub(super) const MOST: u64 = (1 << 31) - 1;

/// A server message with its meaning for the machine.
pub(crate) struct Received {
    /// The number of the command to which this message is the reply.
    pub(crate) reply_to: Option<u64>,
    pub(crate) signal: Signal,
    pub(crate) frame: Frame,
}

/// The meaning of a message for the machine.
pub(crate) enum Signal {
    Greeting(Greeting),
    /// The identity was renewed until this time.
    Renewed(Timestamp),
    Confirmed(Confirmation),
    /// The server has subscribed the client to a topic, whose log has this head. A topic without history has none.
    ServerSubscribed(Topic, Option<Position>),
    Ended(Topic, Refusal),
    Reset(Topic, Position),
    /// Another session of the user has acknowledged these notifications.
    Acknowledged(Vec<NotificationId>),
    /// A `chat` or `publish` is stored, or sent to current subscribers.
    Sent,
    /// The gateway has stored the acknowledgements of these notifications.
    AckConfirmed(Vec<NotificationId>),
    /// The node will close this connection after this many milliseconds.
    ReconnectHint(Millis),
    Refused(Refusal),
    Push(Push),
    /// Several changes of presence, as a message each.
    PresenceChanges(Vec<String>),
    /// The message has no meaning for the machine.
    Other,
}

/// The content of `connected`.
#[derive(Clone, Copy)]
pub(crate) struct Greeting {
    pub(crate) expires_at: Timestamp,
    pub(crate) server_time: Timestamp,
    pub(crate) heartbeat: Millis,
    pub(crate) max_message_bytes: u64,
    pub(crate) limits: Limits,
}

/// The content of `subscription_confirmed` for a live subscription.
pub(crate) struct Confirmation {
    pub(crate) head: Option<Position>,
    pub(crate) recovered: bool,
    pub(crate) pending: u64,
}

/// The reason why the gateway refused a command or ended a subscription.
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Millis>,
    /// The `details`, as JSON.
    pub(crate) details: Option<Box<str>>,
    /// Whether this is the error of a call.
    pub(crate) of_call: bool,
}

impl Refusal {
    pub(crate) fn error(&self) -> Error {
        let error =
            Error::refused(self.code.clone(), self.message.clone(), self.retry_after.map(Duration::from_millis));
        let error = error.with_details(self.details.as_deref());
        // Other than for commands that the gateway carries out itself, `unavailable` means that a call was not made.
        if self.of_call && self.code == ErrorCode::Unavailable { error.with_outcome(Outcome::Refused) } else { error }
    }
}

/// A message for the streams of a topic.
pub(crate) struct Push {
    pub(crate) topic: Topic,
    /// The offset, if the message is a log entry.
    pub(crate) offset: Option<u64>,
    pub(crate) kind: PushKind,
}

/// The kinds of pushes that the machine handles differently.
pub(crate) enum PushKind {
    Notification(NotificationId),
    Presence,
    Other,
}

impl Received {
    /// Decodes a frame. Returns `None` if it is not a message. A known message with an invalid field counts as unknown. If it
    /// is a log entry with a valid offset, it still advances the position.
    #[inline(never)]
    pub(crate) fn read(text: &str) -> Option<Self> {
        let outline = Outline::of_server(text)
            .map_err(|error| tracing::warn!(code = %error.code(), "the gateway sent a frame that cannot be read"))
            .ok()?;
        let (reply_to, signal) = match outline.verdict() {
            Verdict::Known => (number(&outline), known(&outline)),
            Verdict::Unknown => (number(&outline), placed(&outline, entry_offset(&outline))),
            Verdict::Broken(error) => {
                tracing::warn!(field = error.field(), "the gateway sent a message that cannot be read");
                let is_entry = matches!(outline.type_name(), "chat" | "chat_deleted" | "event");
                (None, placed(&outline, entry_offset(&outline).filter(|_| is_entry)))
            }
        };
        Some(Self { reply_to, signal: signal.unwrap_or(Signal::Other), frame: Frame::new(text, outline.verdict()) })
    }
}

/// Returns the number of the command from the `requestId`.
fn number(outline: &Outline<'_>) -> Option<u64> {
    outline.text("requestId")?.parse().ok()
}

fn known(outline: &Outline<'_>) -> Option<Signal> {
    let time = |name| Timestamp::read(&outline.text(name)?);
    let push = |topic: Option<Topic>, offset, kind| Some(Signal::Push(Push { topic: topic?, offset, kind }));
    let clan = || id(outline, "clanId").map(Topic::Clan);
    let signal = match outline.type_name() {
        "connected" => {
            let limits = outline.object("limits")?;
            let limit = |name| limits.whole(name).and_then(|number| u32::try_from(number).ok());
            Signal::Greeting(Greeting {
                expires_at: time("expiresAt")?,
                server_time: time("serverTime")?,
                heartbeat: at_most(outline, "heartbeatIntervalMs")?,
                max_message_bytes: outline.whole("maxMessageBytes")?,
                limits: Limits {
                    messages_per_second: limit("messagesPerSecond")?,
                    burst: limit("burst")?,
                    subscriptions: limit("subscriptions")?,
                },
            })
        }
        "authenticated" => Signal::Renewed(time("expiresAt")?),
        "subscription_confirmed" if by_server(outline) => Signal::ServerSubscribed(named(outline)?, position(outline)),
        "subscription_confirmed" if outline.text("status")? == "subscribed" => Signal::Confirmed(Confirmation {
            head: position(outline),
            recovered: outline.flag("recovered"),
            pending: at_most(outline, "pending").unwrap_or(0),
        }),
        "subscription_ended" => Signal::Ended(named(outline)?, refused(outline)?),
        "subscription_reset" => Signal::Reset(named(outline)?, position(outline)?),
        "notification_acked" => Signal::Acknowledged(notification_ids(outline)),
        "message_sent" | "publish_accepted" => Signal::Sent,
        "ack_confirmed" => Signal::AckConfirmed(notification_ids(outline)),
        "reconnect" => Signal::ReconnectHint(at_most(outline, "afterMs")?),
        "error" => Signal::Refused(refused(outline)?),
        "notification" => {
            let kind = PushKind::Notification(id(outline, "id")?);
            push(Some(Topic::Notifications), None, kind)?
        }
        "presence" | "presence_changed" => push(clan(), None, PushKind::Presence)?,
        "chat" | "chat_deleted" => push(clan(), entry_offset(outline), PushKind::Other)?,
        "typing" => push(clan(), None, PushKind::Other)?,
        "presence_changes" | "topic_presence_changes" => Signal::PresenceChanges(single_changes(outline)?),
        "topic_presence" | "topic_presence_changed" => push(named(outline), None, PushKind::Presence)?,
        "event" => push(named(outline), entry_offset(outline), PushKind::Other)?,
        "ephemeral_event" => push(named(outline), None, PushKind::Other)?,
        _ => Signal::Other,
    };
    Some(signal)
}

/// Returns whether a confirmation is no reply, but announces a subscription that the server has made.
fn by_server(outline: &Outline<'_>) -> bool {
    outline.raw("requestId").is_none() && outline.text("origin").is_some_and(|origin| origin == "server")
}

fn notification_ids(outline: &Outline<'_>) -> Vec<NotificationId> {
    outline.texts("notificationIds").iter().filter_map(|id| StoredId::from_stored(id).ok()).collect()
}

/// Decodes a message for the streams of a topic that this version does not know or cannot read. A reply is none: what it
/// reports also arrives as an entry.
fn placed(outline: &Outline<'_>, offset: Option<u64>) -> Option<Signal> {
    let topic = match outline.raw("service") {
        _ if outline.raw("requestId").is_some() => return None,
        Some(_) => named(outline)?,
        None => Topic::Clan(id(outline, "clanId")?),
    };
    Some(Signal::Push(Push { topic, offset, kind: PushKind::Other }))
}

/// Returns the offset of a log entry. A number that no entry has must not move a position.
fn entry_offset(outline: &Outline<'_>) -> Option<u64> {
    outline.whole("offset").filter(|offset| (1..=MAX_OFFSET).contains(offset))
}

/// Returns a wait or a count, which is at most [`MOST`].
fn at_most(outline: &Outline<'_>, name: &str) -> Option<u64> {
    outline.whole(name).map(|number| number.min(MOST))
}

/// Returns the topic of a message with a service and optionally a clan or topic.
fn named(outline: &Outline<'_>) -> Option<Topic> {
    let service: ServiceName = id(outline, "service")?;
    match service.as_str() {
        "notifications" => Some(Topic::Notifications),
        "clan_chat" if outline.raw("clanId").is_some() => Some(Topic::Clan(id(outline, "clanId")?)),
        _ => Some(Topic::Service(service, id::<TopicName>(outline, "topic")?)),
    }
}

fn position(outline: &Outline<'_>) -> Option<Position> {
    Some(Position { offset: outline.whole("offset")?, epoch: outline.text("epoch")?.into() })
}

fn refused(outline: &Outline<'_>) -> Option<Refusal> {
    Some(Refusal {
        code: ErrorCode::from(&*outline.text("code")?),
        message: outline.text("message")?.into_owned(),
        retry_after: at_most(outline, "retryAfterMs"),
        details: outline.raw("details").map(Into::into),
        of_call: outline.text("inReplyTo").is_some_and(|command| command == "call"),
    })
}

fn id<T: StoredId>(outline: &Outline<'_>, name: &str) -> Option<T> {
    T::from_stored(&outline.text(name)?).ok()
}
