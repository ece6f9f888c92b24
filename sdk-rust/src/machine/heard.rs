//! What the gateway said, as far as the machine acts on it.

use std::time::Duration;

use realtime_gateway_protocol::{
    ErrorCode, Limits, NotificationId, Outline, ServiceName, StoredId, Timestamp, TopicName, Verdict,
};

use super::Millis;
use crate::{Error, Frame, Position, Topic};

/// A message with what it says to the machine.
pub(crate) struct Heard {
    /// The number of the command that it answers.
    pub(crate) answers: Option<u64>,
    pub(crate) said: Said,
    pub(crate) frame: Frame,
}

/// What a message says to the machine.
pub(crate) enum Said {
    Greeting(Greeting),
    /// The identity was renewed, until then.
    Renewed(Timestamp),
    Confirmed(Confirmation),
    Ended(Topic, Refused),
    Reset(Topic, Position),
    /// Another session of the user acknowledged these.
    Acknowledged(Vec<NotificationId>),
    /// A `chat` or `publish` is stored.
    Sent,
    /// Acknowledgements are stored.
    AckConfirmed,
    /// The node will close this connection after so many milliseconds.
    Leave(Millis),
    Refused(Refused),
    Push(Push),
    /// Nothing that concerns it.
    Other,
}

/// What `connected` tells.
#[derive(Clone, Copy)]
pub(crate) struct Greeting {
    pub(crate) expires_at: Timestamp,
    pub(crate) server_time: Timestamp,
    pub(crate) heartbeat: Millis,
    pub(crate) max_message_bytes: u64,
    pub(crate) limits: Limits,
}

/// What `subscription_confirmed` tells of a live subscription.
pub(crate) struct Confirmation {
    pub(crate) head: Option<Position>,
    pub(crate) recovered: bool,
    pub(crate) pending: u64,
}

/// Why the gateway refused a command, or ended a subscription.
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Millis>,
}

impl Refused {
    pub(crate) fn error(&self) -> Error {
        Error::refused(self.code.clone(), self.message.clone(), self.retry_after.map(Duration::from_millis))
    }
}

/// Something for the streams of a topic.
pub(crate) struct Push {
    pub(crate) topic: Topic,
    /// Its place in the log, when it is an entry.
    pub(crate) offset: Option<u64>,
    pub(crate) about: About,
}

/// What a push is about, where that makes a difference.
pub(crate) enum About {
    Notification(NotificationId),
    Presence,
    Other,
}

impl Heard {
    /// Reads a frame; none for what is no message. A known message with a broken field counts as unknown: its offset
    /// moves the position all the same.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let outline = Outline::of_server(text)
            .map_err(|error| tracing::warn!(code = %error.code(), "the gateway sent a frame that cannot be read"))
            .ok()?;
        let (answers, said) = match outline.verdict() {
            Verdict::Known => (number(&outline), known(&outline)),
            Verdict::Unknown => (number(&outline), placed(&outline)),
            Verdict::Broken(error) => {
                tracing::warn!(field = error.field(), "the gateway sent a message that cannot be read");
                (None, placed(&outline))
            }
        };
        Some(Self { answers, said: said.unwrap_or(Said::Other), frame: Frame::new(text, outline.verdict()) })
    }
}

/// Commands are named by their numbers.
fn number(outline: &Outline<'_>) -> Option<u64> {
    outline.text("requestId")?.parse().ok()
}

fn known(outline: &Outline<'_>) -> Option<Said> {
    let time = |name| Timestamp::read(&outline.text(name)?);
    let push = |about| {
        let topic = Topic::Clan(id(outline, "clanId")?);
        Some(Said::Push(Push { topic, offset: outline.whole("offset"), about }))
    };
    let said = match outline.type_name() {
        "connected" => {
            let limits = outline.object("limits")?;
            let limit = |name| limits.whole(name).and_then(|number| u32::try_from(number).ok());
            Said::Greeting(Greeting {
                expires_at: time("expiresAt")?,
                server_time: time("serverTime")?,
                heartbeat: outline.whole("heartbeatIntervalMs")?,
                max_message_bytes: outline.whole("maxMessageBytes")?,
                limits: Limits {
                    messages_per_second: limit("messagesPerSecond")?,
                    burst: limit("burst")?,
                    subscriptions: limit("subscriptions")?,
                },
            })
        }
        "authenticated" => Said::Renewed(time("expiresAt")?),
        "subscription_confirmed" if outline.text("status")? == "subscribed" => Said::Confirmed(Confirmation {
            head: position(outline),
            recovered: outline.flag("recovered"),
            pending: outline.whole("pending").unwrap_or(0),
        }),
        "subscription_ended" => Said::Ended(named(outline)?, refused(outline)?),
        "subscription_reset" => Said::Reset(named(outline)?, position(outline)?),
        "notification_acked" => {
            let ids =
                outline.texts("notificationIds").into_iter().filter_map(|id| NotificationId::from_stored(&id).ok());
            Said::Acknowledged(ids.collect())
        }
        "message_sent" => Said::Sent,
        "ack_confirmed" => Said::AckConfirmed,
        "reconnect" => Said::Leave(outline.whole("afterMs")?),
        "error" => Said::Refused(refused(outline)?),
        "notification" => {
            let about = About::Notification(id(outline, "id")?);
            Said::Push(Push { topic: Topic::Notifications, offset: outline.whole("offset"), about })
        }
        "presence" | "presence_changed" => push(About::Presence)?,
        "chat" | "chat_deleted" | "typing" => push(About::Other)?,
        "event" => placed(outline)?,
        _ => Said::Other,
    };
    Some(said)
}

/// What stands at a place in a log, whatever it is.
fn placed(outline: &Outline<'_>) -> Option<Said> {
    let topic = match outline.raw("service") {
        Some(_) => named(outline)?,
        None => Topic::Clan(id(outline, "clanId")?),
    };
    Some(Said::Push(Push { topic, offset: outline.whole("offset"), about: About::Other }))
}

/// The topic of a message that names a service and perhaps a clan or topic.
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

fn refused(outline: &Outline<'_>) -> Option<Refused> {
    Some(Refused {
        code: ErrorCode::from(&*outline.text("code")?),
        message: outline.text("message")?.into_owned(),
        retry_after: outline.whole("retryAfterMs"),
    })
}

fn id<T: StoredId>(outline: &Outline<'_>, name: &str) -> Option<T> {
    T::from_stored(&outline.text(name)?).ok()
}
