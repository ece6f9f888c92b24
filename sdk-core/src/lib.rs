#![doc = include_str!("../README.md")]

pub mod client;
mod digest;
mod error;
mod event;
mod frame;
pub mod machine;
mod position;
mod state;
pub mod tabs;
mod topic;

pub use digest::DIGEST;
pub use error::{Error, ErrorKind, Outcome};
pub use event::{ChatEvent, Delivery, Event, ServerSideEvent, TopicEvent};
pub use frame::Frame;
pub use position::{Gap, GapReason, Position};
pub use realtime_gateway_protocol as protocol;
pub use state::State;
pub use topic::Topic;
