#![doc = include_str!("../README.md")]

mod error;
mod event;
pub mod machine;
mod position;
mod state;
mod topic;

pub use error::{Error, ErrorKind, Outcome};
pub use event::{ChatEvent, Delivery, Event, TopicEvent};
pub use position::{Gap, GapReason, Position};
pub use realtime_gateway_protocol as protocol;
pub use state::State;
pub use topic::Topic;
