//! The named arguments of scripts. Rust adds them in the order in which a struct declares them, and Lua reads them by
//! the same names: [`Bindings`] writes the Lua code that gives each its name, from the same declaration (`scripts.rs`).

use std::{fmt::Write, sync::Arc};

use realtime_gateway_protocol::{
    NotificationId, Timestamp,
    topic::{Shard, Topic},
};

use super::{
    request::{Request, ScriptTime},
    scripts::Script,
    stream_id::id_of,
};
use crate::{Attempts, Death, Escalation, Event, EventSource, Recipient, Redaction};

/// All arguments of a script.
pub(super) trait Arguments {
    /// Returns the script that takes these arguments.
    fn script() -> &'static Script;
    /// Declares every argument.
    fn bind(bindings: &mut Bindings);
    /// Adds every value, in the same order.
    fn add(&self, request: &mut Request);
}

/// An argument, or several that belong together.
pub(super) trait Argument {
    /// Declares the argument under a name.
    fn bind(name: &str, bindings: &mut Bindings);
    /// Adds the value.
    fn add(&self, request: &mut Request);
}

/// Lua code that gives a name to each element of `ARGV`.
#[derive(Debug)]
pub(super) struct Bindings {
    code: String,
    /// The index of the next element.
    next: usize,
    names: Vec<String>,
}

impl Bindings {
    /// Names the elements from an index on.
    pub(super) fn starting_at(index: usize) -> Self {
        Self { code: String::new(), next: index, names: Vec::new() }
    }

    /// Returns the Lua code, and the names that it declares.
    pub(super) fn into_parts(self) -> (String, Vec<String>) {
        (self.code, self.names)
    }

    /// Takes `count` elements. Returns the index of the first.
    fn take(&mut self, count: usize) -> usize {
        let first = self.next;
        self.next += count;
        first
    }

    /// Names the next element. `before` and `after` surround it in the expression of its value.
    fn local(&mut self, name: &str, before: &str, after: &str) {
        let index = self.take(1);
        self.names.push(name.to_owned());
        // Writing into a String cannot fail.
        let _ = writeln!(self.code, "local {name} = {before}ARGV[{index}]{after}");
    }

    /// Names all remaining elements: a Lua function that returns an iterator over rows of `fields`, or over single
    /// values if there are none. Each step reuses the table of the row.
    fn list(&mut self, name: &str, fields: &[&str]) {
        let first = self.next;
        self.names.push(name.to_owned());
        let body = if fields.is_empty() {
            let before = first.saturating_sub(1);
            format!("local index = {before}\n  return function() index = index + 1 return ARGV[index] end")
        } else {
            let (targets, values): (Vec<_>, Vec<_>) = fields
                .iter()
                .enumerate()
                .map(|(offset, field)| (format!("row.{field}"), format!("ARGV[index + {offset}]")))
                .unzip();
            let (targets, values, width) = (targets.join(", "), values.join(", "), fields.len());
            format!(
                "local index, row = {first}, {{}}\n  return function()\n    if index > #ARGV then return nil end\n    \
                 {targets} = {values}\n    index = index + {width}\n    return row\n  end"
            )
        };
        let _ = writeln!(self.code, "local function {name}()\n  {body}\nend");
    }
}

/// A text.
impl Argument for &str {
    fn bind(name: &str, bindings: &mut Bindings) {
        bindings.local(name, "", "");
    }

    fn add(&self, request: &mut Request) {
        request.text(self);
    }
}

/// Bytes.
impl Argument for &[u8] {
    fn bind(name: &str, bindings: &mut Bindings) {
        bindings.local(name, "", "");
    }

    fn add(&self, request: &mut Request) {
        request.bytes(self);
    }
}

/// A number. A larger one than [`MAX_NUMBER`](super::request::MAX_NUMBER) is sent as that.
impl Argument for u64 {
    fn bind(name: &str, bindings: &mut Bindings) {
        bindings.local(name, "tonumber(", ")");
    }

    fn add(&self, request: &mut Request) {
        request.number(*self);
    }
}

/// A number that the script does not calculate with. In Lua it stays a text of digits.
pub(super) struct Digits(pub(super) u64);

impl Argument for Digits {
    fn bind(name: &str, bindings: &mut Bindings) {
        bindings.local(name, "", "");
    }

    fn add(&self, request: &mut Request) {
        request.number(self.0);
    }
}

impl Argument for bool {
    fn bind(name: &str, bindings: &mut Bindings) {
        bindings.local(name, "", " == '1'");
    }

    fn add(&self, request: &mut Request) {
        request.number((*self).into());
    }
}

/// The time that the script has to use.
impl Argument for ScriptTime {
    fn bind(name: &str, bindings: &mut Bindings) {
        bindings.local(name, "script_time(", ")");
    }

    fn add(&self, request: &mut Request) {
        request.script_time(*self);
    }
}

/// A time in milliseconds, as a text.
impl Argument for Timestamp {
    fn bind(name: &str, bindings: &mut Bindings) {
        bindings.local(name, "", "");
    }

    fn add(&self, request: &mut Request) {
        request.number(self.millis());
    }
}

/// A time in milliseconds as a text, or an empty text for `None`.
impl Argument for Option<Timestamp> {
    fn bind(name: &str, bindings: &mut Bindings) {
        Timestamp::bind(name, bindings);
    }

    fn add(&self, request: &mut Request) {
        match self {
            Some(time) => time.add(request),
            None => request.text(""),
        }
    }
}

/// An event: `<name>_id`, `<name>_key`, `<name>_at`, `<name>_body` and `<name>_source`, which are empty for `None`.
impl Argument for Option<&Event> {
    fn bind(name: &str, bindings: &mut Bindings) {
        for part in EVENT {
            bindings.local(&format!("{name}_{part}"), "", "");
        }
    }

    fn add(&self, request: &mut Request) {
        match self {
            Some(event) => {
                request.text(&event.id);
                request.text(&event.key);
                request.number(event.at.millis());
                request.bytes(&event.body);
                request.text(match event.source {
                    EventSource::Client => "client",
                    EventSource::Backend => "backend",
                });
            }
            None => EVENT.iter().for_each(|_| request.text("")),
        }
    }
}

/// The suffixes of the names of an event's arguments.
const EVENT: [&str; 5] = ["id", "key", "at", "body", "source"];

/// A redaction: `<name>_offset` and `<name>_body`, which are empty for `None`.
impl Argument for Option<&Redaction> {
    fn bind(name: &str, bindings: &mut Bindings) {
        bindings.local(&format!("{name}_offset"), "", "");
        bindings.local(&format!("{name}_body"), "", "");
    }

    fn add(&self, request: &mut Request) {
        match self {
            Some(redaction) => {
                request.number(redaction.offset);
                request.bytes(&redaction.body);
            }
            None => {
                request.text("");
                request.text("");
            }
        }
    }
}

/// The arguments of `events.lua`: `<name>_node`, `<name>_limit`, which is empty if no outbox is kept, and
/// `<name>_webhooks`.
pub(super) struct OutboxArguments<'a> {
    /// The id of the node that writes events.
    pub(super) node: &'a str,
    /// How many events the outbox may hold, as digits.
    pub(super) limit: &'a str,
    /// The webhooks for which events are written, as [`encode`](super::webhooks::encode) returns them.
    pub(super) webhooks: Arc<str>,
}

impl Argument for OutboxArguments<'_> {
    fn bind(name: &str, bindings: &mut Bindings) {
        bindings.local(&format!("{name}_node"), "", "");
        bindings.local(&format!("{name}_limit"), "", "");
        bindings.local(&format!("{name}_webhooks"), "", "");
    }

    fn add(&self, request: &mut Request) {
        request.text(self.node);
        request.text(self.limit);
        request.text(&self.webhooks);
    }
}

/// The arguments of `announce.lua`: `<name>`, and `<name>_is_subscribed`.
pub(super) struct Announcer<'a> {
    /// The incarnation of the node, which does not receive its own announcements.
    pub(super) incarnation: &'a str,
    /// Whether the node itself is subscribed to the shard.
    pub(super) is_subscribed: bool,
}

impl Argument for Announcer<'_> {
    fn bind(name: &str, bindings: &mut Bindings) {
        bindings.local(name, "", "");
        bool::bind(&format!("{name}_is_subscribed"), bindings);
    }

    fn add(&self, request: &mut Request) {
        request.text(self.incarnation);
        self.is_subscribed.add(request);
    }
}

/// The last argument of a script: any number of items.
pub(super) struct List<'a, T>(pub(super) &'a [T]);

/// An item of a list.
pub(super) trait Item {
    /// The names of its fields; empty if the item is a single value.
    const FIELDS: &'static [&'static str] = &[];
    /// Adds the item.
    fn add(&self, request: &mut Request);
}

impl<T: Item> Argument for List<'_, T> {
    fn bind(name: &str, bindings: &mut Bindings) {
        bindings.list(name, T::FIELDS);
    }

    fn add(&self, request: &mut Request) {
        self.0.iter().for_each(|item| item.add(request));
    }
}

impl Item for NotificationId {
    fn add(&self, request: &mut Request) {
        request.text(self.as_str());
    }
}

impl Item for Topic {
    fn add(&self, request: &mut Request) {
        request.text(&self.to_string());
    }
}

impl Item for Shard {
    fn add(&self, request: &mut Request) {
        request.number(self.0.into());
    }
}

/// The id of an entry of a stream, or an offset.
impl Item for String {
    fn add(&self, request: &mut Request) {
        request.text(self);
    }
}

/// The id of an event.
impl Item for Arc<str> {
    fn add(&self, request: &mut Request) {
        request.text(self);
    }
}

impl Item for Escalation {
    const FIELDS: &'static [&'static str] =
        &["user", "offset", "event_id", "event_key", "event_at", "event_body", "event_source"];

    fn add(&self, request: &mut Request) {
        request.text(self.user.as_str());
        request.number(self.offset);
        self.event.as_ref().add(request);
    }
}

impl Item for Attempts {
    const FIELDS: &'static [&'static str] = &["id", "attempts"];

    fn add(&self, request: &mut Request) {
        request.text(&id_of(self.sequence));
        request.number(self.attempts.into());
    }
}

/// What becomes of a waiting event of a webhook.
pub(super) enum SettledEvent {
    /// It was taken, and is removed.
    Taken(u64),
    /// It becomes a dead letter.
    Dead(Death),
}

impl Item for SettledEvent {
    const FIELDS: &'static [&'static str] = &["id", "reason", "attempts"];

    fn add(&self, request: &mut Request) {
        let (sequence, reason, attempts) = match self {
            Self::Taken(sequence) => (*sequence, "", 0),
            Self::Dead(Death { sequence, reason, attempts }) => (*sequence, reason.as_str(), *attempts),
        };
        request.text(&id_of(sequence));
        request.text(reason);
        request.number(attempts.into());
    }
}

/// A recipient of a broadcast.
pub(super) struct RecipientArguments<'a> {
    pub(super) recipient: &'a Recipient,
    /// The shard of the user's topic.
    pub(super) shard: Shard,
    /// Whether this node is subscribed to the shard.
    pub(super) is_subscribed: bool,
}

impl Item for RecipientArguments<'_> {
    const FIELDS: &'static [&'static str] =
        &["user", "shard", "is_subscribed", "event_id", "event_key", "event_at", "event_body", "event_source"];

    fn add(&self, request: &mut Request) {
        request.text(self.recipient.user.as_str());
        Item::add(&self.shard, request);
        request.number(self.is_subscribed.into());
        self.recipient.dropped_event.as_ref().add(request);
    }
}

#[cfg(test)]
mod tests;
