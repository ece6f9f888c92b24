//! The streams of the adapter: a task for each, which reads as many items as the kit allows.

use realtime_gateway_sdk::{
    ChatEvent, ChatStream, Error, Gap, GapReason, NotificationStream, Position, TopicEvent, TopicStream,
    protocol::ServerMessage,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    output::{emit, error_value, message_value},
    words::position_value,
};

/// A stream of any kind.
pub(crate) enum AnyStream {
    Chat(ChatStream),
    Topic(TopicStream),
    Notifications(NotificationStream),
}

/// An order to a stream.
pub(crate) enum Order {
    /// Read this number of items more.
    Read(u64),
    Leave,
}

impl AnyStream {
    pub(crate) fn position(&self) -> Option<&Position> {
        match self {
            Self::Chat(stream) => stream.position(),
            Self::Topic(stream) => stream.position(),
            Self::Notifications(_) => None,
        }
    }

    fn end(&self) -> Option<Error> {
        match self {
            Self::Chat(stream) => stream.end(),
            Self::Topic(stream) => stream.end(),
            Self::Notifications(stream) => stream.end(),
        }
    }

    /// Returns the next item, and whether it has moved the position.
    async fn next(&mut self) -> Option<Value> {
        Some(match self {
            Self::Chat(stream) => match stream.next().await? {
                ChatEvent::Message(message) => message_value(ServerMessage::Chat(message)),
                ChatEvent::Deleted(message) => message_value(ServerMessage::ChatDeleted(message)),
                ChatEvent::Typing(message) => message_value(ServerMessage::Typing(message)),
                ChatEvent::Presence(message) => message_value(ServerMessage::Presence(message)),
                ChatEvent::PresenceChanged(message) => message_value(ServerMessage::PresenceChanged(message)),
                ChatEvent::Gap(gap) => gap_value(&gap),
                ChatEvent::Other(message) => message_value(ServerMessage::Unknown(message)),
                _ => Value::Null,
            },
            Self::Topic(stream) => match stream.next().await? {
                TopicEvent::Message(message) => message_value(ServerMessage::Event(message)),
                TopicEvent::Ephemeral(message) => message_value(ServerMessage::EphemeralEvent(message)),
                TopicEvent::Presence(message) => message_value(ServerMessage::TopicPresence(message)),
                TopicEvent::PresenceChanged(message) => message_value(ServerMessage::TopicPresenceChanged(message)),
                TopicEvent::Gap(gap) => gap_value(&gap),
                TopicEvent::Other(message) => message_value(ServerMessage::Unknown(message)),
                _ => Value::Null,
            },
            Self::Notifications(stream) => message_value(ServerMessage::Notification(stream.next().await?)),
        })
    }
}

fn gap_value(gap: &Gap) -> Value {
    let reason = match gap.reason {
        GapReason::Trimmed => "trimmed",
        GapReason::EpochChanged => "epoch_changed",
        _ => "slow",
    };
    json!({"type": "gap", "before": gap.before, "after": position_value(Some(&gap.after)), "reason": reason})
}

/// Reads a stream until it ends or the app leaves it. `allowed` is the number of items to read; all without it.
pub(crate) async fn read(
    name: String,
    mut stream: AnyStream,
    mut allowed: Option<u64>,
    mut orders: mpsc::Receiver<Order>,
) {
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Read(count)) => allowed = allowed.map(|allowed| allowed + count),
                Some(Order::Leave) | None => {
                    drop(stream);
                    return emit(&json!({"event": "end", "stream": name}));
                }
            },
            item = stream.next(), if allowed != Some(0) => {
                let Some(item) = item else {
                    let mut line = json!({"event": "end", "stream": name});
                    // The app has closed the client, which is no error.
                    if let Some(error) = stream.end().filter(|error| error.close_code().is_none_or(|code| code.0 != 1000)) {
                        line["error"] = error_value(&error);
                    }
                    return emit(&line);
                };
                allowed = allowed.map(|allowed| allowed - 1);
                let mut line = json!({"event": "item", "stream": name});
                // Only entries of a log have a position.
                if item["offset"].is_u64() || item["type"] == "gap" {
                    line["position"] = position_value(stream.position());
                }
                line["item"] = item;
                emit(&line);
            }
        }
    }
}
