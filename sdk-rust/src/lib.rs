#![doc = include_str!("../README.md")]

#[cfg(feature = "tokio")]
mod client;
#[cfg(feature = "tokio")]
mod driver;

#[cfg(feature = "tokio")]
pub use client::{
    CallOptions, ChatStream, ClanChat, Client, ClientBuilder, History, HistoryCommand, MessageStream,
    NotificationStream, Notifications, Publish, Published, RawEvent, Receipt, SendChat, ServerSideStream, ServiceTopic,
    SignedOut, SubscribeChat, SubscribeTopic, TopicStream,
};
/// The digest of the sources of the core. SDKs with the same digest make the same decisions.
pub use realtime_gateway_sdk_core::DIGEST as CORE_DIGEST;
pub use realtime_gateway_sdk_core::{
    ChatEvent, Delivery, Error, ErrorKind, Event, Frame, Gap, GapReason, Outcome, Position, ServerSideEvent, State,
    Topic, TopicEvent, machine, protocol,
};
