#![doc = include_str!("../README.md")]

#[cfg(feature = "tokio")]
mod client;
#[cfg(feature = "tokio")]
mod driver;

#[cfg(feature = "tokio")]
pub use client::{
    CallOptions, ChatStream, ClanChat, Client, ClientBuilder, History, HistoryCommand, MessageStream,
    NotificationStream, Notifications, Publish, Published, RawEvent, Receipt, SendChat, ServerSideStream, ServiceTopic,
    SubscribeChat, SubscribeTopic, TopicStream,
};
pub use realtime_gateway_sdk_core::{
    ChatEvent, Delivery, Error, ErrorKind, Event, Frame, Gap, GapReason, Outcome, Position, ServerSideEvent, State,
    Topic, TopicEvent, machine, protocol,
};
