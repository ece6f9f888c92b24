//! The types of the columns of the command table.

use crate::{ClanId, MethodName, ServiceName, TopicName};

/// The rate limits of a session. Each command counts against one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateClass {
    /// Subscribing, acknowledging and authenticating: the commands of a reconnect.
    Control,
    /// Messages and queries.
    Message,
}

/// How a client SDK carries out a command for its app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// The SDK sends it by itself, or an app as a raw request.
    Session,
    /// It opens a stream, and is repeated for as long as the app has the stream.
    Subscribe,
    /// It waits behind earlier ones of its topic, and is repeated under its `clientMessageId` until it is answered.
    Publish,
    /// It changes nothing and is repeated until it is answered.
    Query,
    /// It is batched, and repeated until it is confirmed.
    Acknowledge,
    /// It has no reply and is useless later: it is sent now or not at all.
    Ephemeral,
}

/// What a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Nothing that its error would name.
    Nothing,
    /// A clan.
    Clan(ClanId),
    /// A topic of a declared service.
    Topic(ServiceName, TopicName),
    /// A call of a declared service.
    Call(ServiceName, MethodName),
}
