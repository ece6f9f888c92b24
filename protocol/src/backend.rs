//! The events that backend services and the gateway exchange over AMQP: the body of every event, by routing key.

mod inbound;
mod outbound;

pub use inbound::{
    BackendMessageType, BlockUser, Disconnect, EndSubscriptions, NewChatMessage, NewNotification, NewServiceEvent,
    UnblockUser,
};
pub use outbound::{
    ChatMessageStored, NotificationUnacknowledged, NotificationsAcknowledged, NotificationsDropped, ServiceEventStored,
    SessionClosed, SessionOpened,
};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{
    DecodeError, decode_object,
    schema::{Plain, read_in_order},
};

/// The direction of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// From a backend service, through the exchange `gateway.inbound`.
    Inbound,
    /// From the gateway, through the exchange `gateway.outbound`.
    Outbound,
}

impl Flow {
    /// Returns the last part of the exchange's name, after `bus.prefix`.
    pub fn exchange(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// A kind of event.
pub struct Kind {
    /// The direction.
    pub flow: Flow,
    /// The routing key, with a name in braces for each identifier.
    pub key: &'static str,
    /// A sentence about the purpose of the event.
    pub summary: &'static str,
    /// The name of the type of the body.
    pub name: &'static str,
    schema: fn() -> Value,
    check: fn(&str) -> Result<(), DecodeError>,
}

impl Kind {
    /// Returns the JSON Schema (2020-12) of the body.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// Checks a body.
    ///
    /// # Errors
    /// A [`DecodeError`] that names the field that is missing or outside its bounds.
    pub fn check(&self, body: &str) -> Result<(), DecodeError> {
        (self.check)(body)
    }

    /// Returns the names of the identifiers in the routing key.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.key.split('.').filter_map(|word| word.strip_prefix('{')?.strip_suffix('}'))
    }
}

macro_rules! kinds {
    ($($flow:ident $key:literal $body:ident $summary:literal;)+) => {
        /// Every kind of event, inbound ones first.
        pub const KINDS: &[Kind] = &[$(Kind {
            flow: Flow::$flow,
            key: $key,
            summary: $summary,
            name: stringify!($body),
            schema: schema_of::<$body>,
            check: check_as::<$body>,
        }),+];
    };
}

kinds! {
    Inbound "notification.{userId}" NewNotification "Sends a notification to a user. It is delivered immediately or at the next connection, and repeated until it is acknowledged.";
    Inbound "clan_chat.{clanId}" NewChatMessage "Sends a chat message to a clan, with the type `SYSTEM` or the given type.";
    Inbound "service.{service}.{topic}" NewServiceEvent "Publishes to a topic of a declared service.";
    Inbound "control.disconnect.{userId}" Disconnect "Ends a user's sessions on every node. The user can connect again; use `control.block` to prevent that.";
    Inbound "control.block.{userId}" BlockUser "Blocks a user, or some of a user's tokens, until a time: sessions on every node are closed, and new ones are refused.";
    Inbound "control.unblock.{userId}" UnblockUser "Removes every block of a user.";
    Inbound "control.unsubscribe.{userId}" EndSubscriptions "Ends a user's subscriptions to a service, or to one topic of it, on every node.";
    Outbound "chat.message.{clanId}" ChatMessageStored "A chat message was stored in a clan.";
    Outbound "notification.acked.{userId}" NotificationsAcknowledged "A user has acknowledged notifications.";
    Outbound "notification.dropped.{userId}" NotificationsDropped "Notifications were dropped unacknowledged, because more than `notifications.max_pending` were pending.";
    Outbound "notification.unacked.{userId}" NotificationUnacknowledged "A user has not acknowledged a notification for `escalateAfterSeconds`. It is reported once, and stays pending until its end.";
    Outbound "session.opened.{userId}" SessionOpened "A session of a user was opened.";
    Outbound "session.closed.{userId}" SessionClosed "A session of a user was closed.";
    Outbound "service.{service}.{topic}" ServiceEventStored "An event was published to a topic of a declared service.";
}

/// Returns the schema of all bodies of one direction: any of the bodies under `$defs`, which are keyed by name.
///
/// It is `anyOf` and not `oneOf`, because the routing key determines the body, and one text may match several bodies.
pub fn backend_schema(flow: Flow) -> Value {
    let (mut bodies, mut any) = (Map::new(), Vec::new());
    for kind in KINDS.iter().filter(|kind| kind.flow == flow) {
        let mut schema = kind.schema();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("x-routing-key".to_owned(), json!(kind.key));
        }
        any.push(json!({ "$ref": format!("#/$defs/{}", kind.name) }));
        bodies.insert(kind.name.to_owned(), schema);
    }
    let (title, description) = match flow {
        Flow::Inbound => {
            ("Inbound", "Bodies of the events that backend services publish to the exchange `gateway.inbound`.")
        }
        Flow::Outbound => {
            ("Outbound", "Bodies of the events that the gateway publishes to the exchange `gateway.outbound`.")
        }
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": crate::export::NOTICE,
        "title": title,
        "description": description,
        "anyOf": any,
        "$defs": bodies,
    })
}

fn schema_of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_deserialize().with_transform(Plain { depth: 1 });
    settings.meta_schema = None;
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(keys) = schema.as_object_mut() {
        read_in_order(keys);
    }
    schema
}

fn check_as<T: DeserializeOwned>(body: &str) -> Result<(), DecodeError> {
    decode_object::<T>(body).map(drop)
}
