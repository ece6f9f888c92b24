//! What streams hand to the app.

use realtime_gateway_protocol::{
    Chat, ChatDeleted, Event as Published, Presence, PresenceChanged, ServerMessage, Typing, Unknown,
};

use crate::{Frame, Gap, Position};

/// What the machine delivers to one stream; the drivers' streams turn it into the typed events below.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A message of the stream's topic, or any message for a stream of all.
    Message(Frame),
    /// Entries that could not be delivered.
    Gap(Gap),
}

/// One thing delivered to one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The stream's position once the app has it; none for what is not an entry of a log.
    pub position: Option<Position>,
    /// What.
    pub event: Event,
}

/// What happens in a clan's chat.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChatEvent {
    /// Somebody said something.
    Message(Chat),
    /// A message was deleted: show its content no longer.
    Deleted(ChatDeleted),
    /// Somebody began or stopped typing; take it for over after 6 s.
    Typing(Typing),
    /// Who is present (only where the subscription asked for presence).
    Presence(Presence),
    /// Somebody came or went.
    PresenceChanged(PresenceChanged),
    /// Messages are missing here, and could not be recovered.
    Gap(Gap),
    /// A message of a later protocol version.
    Other(Unknown),
}

impl ChatEvent {
    /// Reads what was delivered to a clan's stream.
    pub fn from_event(event: Event) -> Option<Self> {
        Some(match event {
            Event::Gap(gap) => Self::Gap(gap),
            Event::Message(frame) => match frame.message() {
                ServerMessage::Chat(chat) => Self::Message(chat),
                ServerMessage::ChatDeleted(deleted) => Self::Deleted(deleted),
                ServerMessage::Typing(typing) => Self::Typing(typing),
                ServerMessage::Presence(presence) => Self::Presence(presence),
                ServerMessage::PresenceChanged(changed) => Self::PresenceChanged(changed),
                ServerMessage::Unknown(unknown) => Self::Other(unknown),
                _ => return None,
            },
        })
    }
}

/// What happens in a topic of a declared service.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TopicEvent {
    /// Something was published; `data` decodes into a type of yours.
    Message(Published),
    /// Events are missing here, and could not be recovered.
    Gap(Gap),
    /// A message of a later protocol version.
    Other(Unknown),
}

impl TopicEvent {
    /// Reads what was delivered to a topic's stream.
    pub fn from_event(event: Event) -> Option<Self> {
        Some(match event {
            Event::Gap(gap) => Self::Gap(gap),
            Event::Message(frame) => match frame.message() {
                ServerMessage::Event(published) => Self::Message(published),
                ServerMessage::Unknown(unknown) => Self::Other(unknown),
                _ => return None,
            },
        })
    }
}
