//! Events that streams deliver to the app.

use realtime_gateway_protocol::{
    Chat, ChatDeleted, EphemeralEvent, Event as Published, Presence, PresenceChanged, ServerMessage,
    SubscriptionConfirmed, SubscriptionEnded, TopicPresence, TopicPresenceChanged, Typing, Unknown,
};

use crate::{Frame, Gap, Position, Topic};

/// The content of a delivery to a stream. The SDKs convert it into the typed events below.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A message of the stream's topic. For a stream of all messages, any message.
    Message(Frame),
    /// Entries that could not be delivered.
    Gap(Gap),
    /// Entries of one topic that could not be delivered, for the stream of all server-side subscriptions.
    TopicGap(Topic, Gap),
}

/// A delivery to one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The position of the stream after the app has handled this delivery. `None` if it is not an entry of a log.
    pub position: Option<Position>,
    /// The message or the gap.
    pub event: Event,
}

/// An event in the chat of a clan.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChatEvent {
    /// A message was sent.
    Message(Chat),
    /// A message was deleted. The app must stop showing its content.
    Deleted(ChatDeleted),
    /// A user began or stopped typing. It expires after 6 s.
    Typing(Typing),
    /// The users who are present (only if the subscription includes presence).
    Presence(Presence),
    /// A user became present or absent.
    PresenceChanged(PresenceChanged),
    /// Messages are missing here, and could not be recovered.
    Gap(Gap),
    /// A message of a later protocol version.
    Other(Unknown),
}

impl ChatEvent {
    /// Converts an event of a clan's stream. Returns `None` for an event that a clan does not have.
    pub fn from_event(event: Event) -> Option<Self> {
        Some(match event {
            Event::Gap(gap) | Event::TopicGap(_, gap) => Self::Gap(gap),
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

/// An event in a topic of a service.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TopicEvent {
    /// Data was published. `data` can be decoded into a type of the app.
    Message(Published),
    /// Data was published to a topic without history. Nothing says whether others were missed.
    Ephemeral(EphemeralEvent),
    /// The users who are present (only if the subscription includes presence).
    Presence(TopicPresence),
    /// A user became present or absent, or has other presence data.
    PresenceChanged(TopicPresenceChanged),
    /// Events are missing here, and could not be recovered.
    Gap(Gap),
    /// A message of a later protocol version.
    Other(Unknown),
}

impl TopicEvent {
    /// Converts an event of a topic's stream. Returns `None` for an event that a topic does not have.
    pub fn from_event(event: Event) -> Option<Self> {
        Some(match event {
            Event::Gap(gap) | Event::TopicGap(_, gap) => Self::Gap(gap),
            Event::Message(frame) => match frame.message() {
                ServerMessage::Event(published) => Self::Message(published),
                ServerMessage::EphemeralEvent(published) => Self::Ephemeral(published),
                ServerMessage::TopicPresence(presence) => Self::Presence(presence),
                ServerMessage::TopicPresenceChanged(changed) => Self::PresenceChanged(changed),
                ServerMessage::Unknown(unknown) => Self::Other(unknown),
                _ => return None,
            },
        })
    }
}

/// An event of the server-side subscriptions of a client.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ServerSideEvent {
    /// The server has subscribed the client to a topic.
    Subscribed(SubscriptionConfirmed),
    /// Data was published to one of the topics. `data` can be decoded into a type of the app.
    Message(Published),
    /// Data was published to a topic without history.
    Ephemeral(EphemeralEvent),
    /// Events of a topic are missing here, and could not be recovered.
    Gap(Topic, Gap),
    /// The subscription to a topic has ended.
    Ended(SubscriptionEnded),
    /// The number of items that were dropped because the app reads too slowly.
    Missed(u64),
    /// A message of a later protocol version.
    Other(Unknown),
}

impl ServerSideEvent {
    /// Converts an event of the stream of server-side subscriptions. Returns `None` for an event that it does not have.
    pub fn from_event(event: Event) -> Option<Self> {
        Some(match event {
            Event::Gap(_) => return None,
            Event::TopicGap(topic, gap) => Self::Gap(topic, gap),
            Event::Message(frame) => match frame.message() {
                ServerMessage::SubscriptionConfirmed(confirmed) => Self::Subscribed(confirmed),
                ServerMessage::Event(published) => Self::Message(published),
                ServerMessage::EphemeralEvent(published) => Self::Ephemeral(published),
                ServerMessage::SubscriptionEnded(ended) => Self::Ended(ended),
                ServerMessage::Unknown(unknown) => Self::Other(unknown),
                _ => return None,
            },
        })
    }
}
