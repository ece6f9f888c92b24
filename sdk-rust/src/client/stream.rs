//! Streams, which deliver the items of a subscription to the app. Dropping the last stream of a topic unsubscribes.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use realtime_gateway_protocol::{Notification, ServerMessage};

use super::Client;
use crate::{ChatEvent, Error, Event, Position, ServerSideEvent, TopicEvent, driver::Mailbox, machine::Taken};

/// The part that all streams have in common.
struct Source {
    /// Keeps the client alive.
    client: Client,
    mailbox: Arc<Mailbox>,
    position: Option<Position>,
}

impl Source {
    fn poll<T>(&mut self, context: &mut Context<'_>, read: impl Fn(Taken) -> Option<T>) -> Poll<Option<T>> {
        loop {
            let Some(taken) = std::task::ready!(self.mailbox.poll(context)) else { return Poll::Ready(None) };
            if let Taken::Delivery(delivery) = &taken
                && delivery.position.is_some()
            {
                self.position.clone_from(&delivery.position);
            }
            // What this stream has no event for still moved its position.
            if let Some(item) = read(taken) {
                return Poll::Ready(Some(item));
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.mailbox.drop_stream();
    }
}

fn event(taken: Taken) -> Option<Event> {
    match taken {
        Taken::Delivery(delivery) => Some(delivery.event),
        Taken::Missed(_) => None,
    }
}

fn notification(taken: Taken) -> Option<Notification> {
    match event(taken)? {
        Event::Message(frame) => match frame.message() {
            ServerMessage::Notification(notification) => Some(notification),
            _ => None,
        },
        Event::Gap(_) | Event::TopicGap(..) => None,
    }
}

/// An item of [`Client::messages`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RawEvent {
    /// A message as it arrived, before ordering and removal of duplicates.
    Message(ServerMessage),
    /// The number of messages that were dropped because the app reads too slowly.
    Missed(u64),
}

fn raw_event(taken: Taken) -> Option<RawEvent> {
    match taken {
        Taken::Missed(count) => Some(RawEvent::Missed(count)),
        Taken::Delivery(delivery) => match delivery.event {
            Event::Message(frame) => Some(RawEvent::Message(frame.message())),
            Event::Gap(_) | Event::TopicGap(..) => None,
        },
    }
}

fn server_side_event(taken: Taken) -> Option<ServerSideEvent> {
    match taken {
        Taken::Missed(count) => Some(ServerSideEvent::Missed(count)),
        Taken::Delivery(delivery) => ServerSideEvent::from_event(delivery.event),
    }
}

/// Declares a stream of one kind of item.
macro_rules! stream {
    ($(#[doc = $doc:literal])+ $name:ident of $item:ty, $read:expr) => {
        $(#[doc = $doc])+
        #[must_use = "dropping a stream unsubscribes"]
        pub struct $name(Source);

        impl $name {
            pub(super) fn new(client: Client, mailbox: Arc<Mailbox>) -> Self {
                Self(Source { client, mailbox, position: None })
            }

            /// Returns the next item, or `None` when the stream has ended; [`Self::end`] returns the reason.
            ///
            /// Dropping the future loses no item.
            pub async fn next(&mut self) -> Option<$item> {
                poll_fn(|context| self.0.poll(context, $read)).await
            }

            /// Returns the reason why the stream has ended, or will end after its queued items: the gateway has ended
            /// the subscription, or the client has ended. `None` while the stream is active.
            pub fn end(&self) -> Option<Error> {
                self.0.mailbox.ended()
            }

            /// The client that this stream belongs to.
            pub fn client(&self) -> &Client {
                &self.0.client
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("position", &self.0.position).finish_non_exhaustive()
            }
        }

        impl Stream for $name {
            type Item = $item;

            fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<$item>> {
                self.0.poll(context, $read)
            }
        }
    };
}

stream! {
    /// The events in the chat of a clan: each message once and in order, or an explicit gap.
    ChatStream of ChatEvent, |taken| ChatEvent::from_event(event(taken)?)
}
stream! {
    /// The events in a topic of a service: each event once and in order, or an explicit gap.
    TopicStream of TopicEvent, |taken| TopicEvent::from_event(event(taken)?)
}
stream! {
    /// The subscriptions that the server makes, and the events of their topics: each event once and in the order of its
    /// topic, or an explicit gap.
    ServerSideStream of ServerSideEvent, server_side_event
}
stream! {
    /// The user's notifications, each once. Notifications that did not fit into the buffer are delivered again when there
    /// is room.
    NotificationStream of Notification, notification
}
stream! {
    /// Every message that arrives.
    MessageStream of RawEvent, raw_event
}

macro_rules! positioned {
    ($($name:ident)+) => {$(
        impl $name {
            /// The position of the last entry that [`Self::next`] has given, to be saved and given back to
            /// `subscribe().from(position)`, also by another process.
            pub fn position(&self) -> Option<&Position> {
                self.0.position.as_ref()
            }

            pub(super) fn begin_at(&mut self, position: Option<Position>) {
                self.0.position = position;
            }
        }
    )+};
}

positioned! { ChatStream TopicStream }

impl NotificationStream {
    /// Acknowledges a notification: it is not shown again, here or on any other device.
    ///
    /// It is repeated after a lost connection, also when this future was dropped or has timed out.
    ///
    /// # Errors
    /// The gateway's refusal, or that no answer came in time.
    pub async fn ack(&self, notification: &Notification) -> Result<(), Error> {
        self.0.client.notifications().ack([notification.id.clone()]).await
    }
}
