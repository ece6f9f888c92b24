//! What changed between two JSON Schema documents of messages, or two documents of close codes, and what of it breaks a
//! program that was written for the older one. `tests/compatibility.rs` compares the documents of this version with those
//! of the last release.
//!
//! The documents are those that [`crate::client_schema`], [`crate::server_schema`] and
//! [`crate::backend::backend_schema`] return. Of a constraint that they do not use today, any change counts as breaking.

mod close_codes;
mod difference;
mod schema;

use std::fmt;

use serde_json::Value;

pub use close_codes::compare_close_codes;
pub use difference::Difference;
use schema::{Differences, resolve};

/// Who sends the messages of a document, which decides what a change breaks: the gateway may accept more than before, and
/// send less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Clients and backend services send them, and the gateway accepts them.
    ToGateway,
    /// The gateway sends them.
    FromGateway,
}

/// One difference between two documents. Its text names the place and the difference, such as
/// ``chat.content: `maxLength` went from 4000 to 2000``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The message and the field: `chat`, `chat.content`, `presence.users[].userId`.
    pub path: String,
    /// What is different there.
    pub difference: Difference,
    /// Whether a program that was written for the older document may fail.
    pub is_breaking: bool,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.difference)
    }
}

/// Returns every difference between an older document of messages and a newer one, in the order of the older document.
pub fn compare(old: &Value, new: &Value, direction: Direction) -> Vec<Change> {
    let mut differences = Differences::new(old, new);
    let (old_messages, new_messages) = (messages(old), messages(new));
    for (name, old_message) in &old_messages {
        match new_messages.iter().find(|(new_name, _)| new_name == name) {
            Some((_, new_message)) => differences.compare(name, old_message, new_message),
            None => differences.add(name, Difference::MessageRemoved),
        }
    }
    for (name, _) in &new_messages {
        if !old_messages.iter().any(|(old_name, _)| old_name == name) {
            differences.add(name, Difference::MessageAdded);
        }
    }
    let change = |(path, difference): (String, Difference)| {
        let is_breaking = difference.is_breaking(direction);
        Change { path, difference, is_breaking }
    };
    differences.into_iter().map(change).collect()
}

/// The messages of a document by name. A document without alternatives is one message.
fn messages(document: &Value) -> Vec<(String, &Value)> {
    let alternatives = ["oneOf", "anyOf"].iter().find_map(|keyword| document.get(keyword)?.as_array());
    let Some(alternatives) = alternatives else { return vec![(name(document, document), document)] };
    alternatives.iter().map(|message| (name(message, document), message)).collect()
}

/// The word of `type`, which is how a message of the WebSocket is recognised, or else the title of the schema.
fn name(message: &Value, document: &Value) -> String {
    let message = resolve(document, message);
    let word = message.pointer("/properties/type/const").or_else(|| message.get("title"));
    word.and_then(Value::as_str).unwrap_or("message").to_owned()
}

#[cfg(test)]
mod tests;
