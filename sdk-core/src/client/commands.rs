//! Converts commands of the app into commands of the machine, as the column `sdk` of the protocol's message table says.

use std::borrow::Cow;

use realtime_gateway_protocol::{ClientMessage, DecodeError, Handling, NotificationId, Outline, StoredId};

use super::input::position;
use crate::{
    Position, Topic,
    machine::{Command, Draft, Millis, Publication, SubscribeOptions, Ticket},
};

/// Converts a call of the app: a command of this type with these fields.
///
/// # Errors
/// A sentence that says what is wrong with the call.
pub(super) fn call(type_name: &str, fields: &str, ticket: Ticket, timeout: Millis) -> Result<Command, String> {
    let outline = Outline::of_command(type_name, fields).map_err(problem)?;
    command(&outline, ticket, timeout).ok_or_else(|| [type_name, " is not a call"].concat())
}

fn command(outline: &Outline<'_>, ticket: Ticket, timeout: Millis) -> Option<Command> {
    Some(match ClientMessage::handling_of(outline.type_name())? {
        Handling::Publish => Command::Send { ticket, publication: Publication::of(outline)?, timeout },
        Handling::Query => Command::Query { ticket, query: Draft::of(outline), timeout },
        Handling::Acknowledge => Command::Ack { ticket, ids: notification_ids(outline), timeout },
        Handling::Ephemeral => Command::Typing(Topic::of(outline)?.clan()?, outline.flag("isTyping")),
        Handling::Subscribe | Handling::Session => return None,
    })
}

fn notification_ids(outline: &Outline<'_>) -> Vec<NotificationId> {
    let ids = outline.text("notificationId").into_iter().chain(outline.texts("notificationIds"));
    ids.filter_map(|id| StoredId::from_stored(&id).ok()).collect()
}

/// Returns the topic and the options of a subscribe command of this type with these fields.
///
/// # Errors
/// A sentence that says what is wrong with the command.
pub(super) fn subscription(type_name: &str, fields: &str) -> Result<(Topic, SubscribeOptions), String> {
    let outline = Outline::of_command(type_name, fields).map_err(problem)?;
    let subscribes = ClientMessage::handling_of(type_name) == Some(Handling::Subscribe);
    let topic =
        Topic::of(&outline).filter(|_| subscribes).ok_or_else(|| [type_name, " does not subscribe"].concat())?;
    if topic == Topic::Notifications {
        return Ok((topic, SubscribeOptions::default()));
    }
    let from = outline.object("recover").and_then(|recover| position(&recover));
    let history = outline.whole("history").and_then(|history| history.try_into().ok());
    let presence_data = outline.raw("presenceData").map(Into::into);
    Ok((topic, SubscribeOptions { from, history, presence: outline.flag("presence"), presence_data }))
}

/// Returns the positions of server-side subscriptions: `positions` is a list of texts, each with the service, the topic, the
/// offset and the epoch, separated by spaces. What is no position is left out.
pub(super) fn positions(fields: &str) -> Vec<(Topic, Position)> {
    let Ok(outline) = Outline::of_object(fields) else { return Vec::new() };
    let read = |text: &Cow<'_, str>| {
        let mut parts = text.splitn(4, ' ');
        let (service, topic) = (parts.next()?, parts.next()?);
        let topic = Topic::Service(StoredId::from_stored(service).ok()?, StoredId::from_stored(topic).ok()?);
        Some((topic, Position::new(parts.next()?.parse().ok()?, parts.next()?).ok()?))
    };
    outline.texts("positions").iter().filter_map(read).collect()
}

pub(super) fn problem(error: DecodeError) -> String {
    match error {
        // Without a path there is only the sentence.
        DecodeError::InvalidMessage { field, problem } if field.is_empty() => problem,
        error => error.sentence(),
    }
}
