#![doc = include_str!("../README.md")]

#[cfg(feature = "tokio")]
mod client;
#[cfg(feature = "tokio")]
mod driver;
mod error;
mod event;
mod frame;
pub mod machine;
mod position;
mod state;
mod topic;

#[cfg(feature = "tokio")]
pub use client::{
    ChatStream, ClanChat, Client, ClientBuilder, History, MessageStream, NotificationStream, Notifications, Publish,
    RawEvent, Receipt, SendChat, ServiceTopic, SubscribeChat, SubscribeTopic, TopicStream,
};
pub use error::{Error, ErrorKind, Outcome};
pub use event::{ChatEvent, Delivery, Event, TopicEvent};
pub use frame::Frame;
pub use position::{Gap, GapReason, Position};
pub use realtime_gateway_protocol as protocol;
pub use state::State;
pub use topic::Topic;
