//! Commands: the messages that a client sends on its connection, and the features that handle them.

pub(crate) mod built_in;
pub(crate) mod inbound;
pub mod router;
pub mod service;

mod calls;
mod clan_chat;
pub mod declared;
mod escalations;
mod follower;
mod history;
mod notifications;
mod publications;
mod refused;
mod server_subscriptions;
mod service_table;
mod services;
mod topic_events;
mod typing;

pub(crate) use calls::Calls;
pub use clan_chat::{ClanChat, NewMessage};
pub(crate) use escalations::Escalations;
pub(crate) use follower::{Follower, Past, PastSelection, TAIL_LIMIT};
pub use notifications::{EscalateAfter, NewNotification, Notifications, Sent};
pub(crate) use notifications::{NotificationParts, PendingPage};
pub(crate) use publications::Publications;
pub use server_subscriptions::ServerSubscriptions;
pub(crate) use server_subscriptions::{NewServerSubscription, ServerSubscriptionParts};
pub use service_table::{ServiceContext, ServiceTable};
pub(crate) use services::OTHER_USERS_TOPIC;
pub use services::Services;
pub use topic_events::{Published, Stored};
pub(crate) use typing::TypingParts;
pub use typing::TypingUsers;
