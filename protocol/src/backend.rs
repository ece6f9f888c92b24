//! What backend services and the gateway say to one another over AMQP: the body of every event, by its routing key.

mod inbound;
mod outbound;

pub use inbound::{
    BackendMessageType, BlockUser, Disconnect, EndSubscriptions, NewChatMessage, NewNotification, NewServiceEvent,
    UnblockUser,
};
pub use outbound::{
    ChatMessageStored, NotificationsAcknowledged, NotificationsDropped, ServiceEventStored, SessionClosed,
    SessionOpened,
};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::{
    DecodeError, decode_object,
    schema::{Plain, read_in_order},
};

/// Which way an event goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// From a backend service, by the exchange `gateway.inbound`.
    Inbound,
    /// From the gateway, by the exchange `gateway.outbound`.
    Outbound,
}

impl Flow {
    /// The last part of the exchange's name, after `bus.prefix`.
    pub fn exchange(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// A kind of event.
pub struct Kind {
    /// Which way it goes.
    pub flow: Flow,
    /// Its routing key, with a name in braces for each identifier.
    pub key: &'static str,
    /// What it is for.
    pub summary: &'static str,
    /// The name of its body's type.
    pub name: &'static str,
    schema: fn() -> Value,
    check: fn(&str) -> Result<(), DecodeError>,
}

impl Kind {
    /// The JSON Schema (2020-12) of its body.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// Reads a body, and tells what is wrong with it.
    ///
    /// # Errors
    /// [`DecodeError`] names the field that is missing or outside its bounds.
    pub fn check(&self, body: &str) -> Result<(), DecodeError> {
        (self.check)(body)
    }

    /// The identifiers in its routing key.
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
    Inbound "notification.{userId}" NewNotification "Sends a notification to a user, who gets it now or at the next connection, until it is acknowledged.";
    Inbound "clan_chat.{clanId}" NewChatMessage "Says something in a clan, as a message of type `SYSTEM` or of the type that it names.";
    Inbound "service.{service}.{topic}" NewServiceEvent "Publishes to a topic of a declared service.";
    Inbound "control.disconnect.{userId}" Disconnect "Ends a user's sessions on every node. The user can connect again: `control.block` keeps a user out.";
    Inbound "control.block.{userId}" BlockUser "Keeps a user, or some of a user's tokens, out until a time: sessions on every node are closed, and new ones are refused.";
    Inbound "control.unblock.{userId}" UnblockUser "Ends every block of a user.";
    Inbound "control.unsubscribe.{userId}" EndSubscriptions "Ends a user's subscriptions to a service, or to one topic of it, on every node.";
    Outbound "chat.message.{clanId}" ChatMessageStored "Somebody said something in a clan.";
    Outbound "notification.acked.{userId}" NotificationsAcknowledged "A user has acknowledged notifications.";
    Outbound "notification.dropped.{userId}" NotificationsDropped "Notifications were dropped unacknowledged, because more than `notifications.max_pending` waited.";
    Outbound "session.opened.{userId}" SessionOpened "A user's session began.";
    Outbound "session.closed.{userId}" SessionClosed "A user's session ended.";
    Outbound "service.{service}.{topic}" ServiceEventStored "Something was published to a topic of a declared service.";
}

/// The schema of every body of one direction: any of those that stand under `$defs` by their names.
///
/// It is `anyOf` and not `oneOf`, because the routing key says which body it is: one text may be several.
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
        Flow::Inbound => ("Inbound", "Bodies of what backend services publish to the exchange `gateway.inbound`."),
        Flow::Outbound => ("Outbound", "Bodies of what the gateway publishes to the exchange `gateway.outbound`."),
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
