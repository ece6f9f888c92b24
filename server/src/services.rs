//! What messages mean: the services that come with the gateway, and the ones that are added to it.

mod clan_chat;
mod entry;
mod inbound;
mod notifications;
mod permission_watch;
mod presence;
mod reports;
mod subscribing;
mod topics;
mod typing;

pub use clan_chat::{ClanChat, NewMessage};
pub use entry::{entry_frame, reset_message};
pub use notifications::{NewNotification, Notifications, Sent};
pub use presence::Presences;
pub use subscribing::{Subscribing, end_subscription};
pub use topics::Topics;
pub use typing::TypingUsers;
