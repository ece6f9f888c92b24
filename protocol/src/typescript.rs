//! Generates TypeScript types of all messages from the JSON Schemas, with the doc comments of the Rust types.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::{
    ErrorCode, MessageType, PresenceStatus, ReconnectReason, ResetReason, SubscriptionStatus, export::NOTICE, schema,
};

/// Names that would shadow those of the language or of the browser, and their replacements.
const RENAMED: [(&str, &str); 3] = [("Error", "ErrorReply"), ("Event", "TopicMessage"), ("Reconnect", "ReconnectHint")];

/// Returns the declaration file: one interface for each message, and the union of each side.
pub(crate) fn declarations() -> String {
    let words = open_words();
    let mut out = format!("// {NOTICE}\n");
    for (name, about, known) in &words {
        let union: String = known.iter().fold(String::new(), |union, word| format!("{union}\n  | \"{word}\""));
        // Writing to a `String` cannot fail.
        let _ = write!(
            out,
            "\n/** {about} A later version may add values. */\nexport type {name} ={union}\n  | (string & {{}});\n"
        );
    }
    for (union, about, schema) in [
        ("ClientMessage", "Every command that a client may send.", crate::client_schema()),
        ("ServerMessage", "Every message that the gateway may send.", crate::server_schema()),
    ] {
        let mut names = String::new();
        for (_, message) in schema::variants(&schema) {
            let name = name(message);
            out.push_str(&interface(&name, message, &words));
            let _ = write!(names, "\n  | {name}");
        }
        let _ = write!(out, "\n/** {about} */\nexport type {union} ={names};\n");
    }
    out
}

type Words = (&'static str, &'static str, Vec<String>);

/// Returns the open enumerations, of which a reader accepts unknown values.
fn open_words() -> Vec<Words> {
    fn known<T: ToString>(words: &[T]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }
    vec![
        ("ErrorCode", "The reason why a command failed, for programs.", known(ErrorCode::KNOWN)),
        ("MessageType", "The type of a chat message.", known(MessageType::KNOWN)),
        ("PresenceStatus", "Whether a user became present or left.", known(PresenceStatus::KNOWN)),
        ("ReconnectReason", "The reason why the node asks the client to reconnect.", known(ReconnectReason::KNOWN)),
        ("ResetReason", "The reason why a subscription has missed entries.", known(ResetReason::KNOWN)),
        ("SubscriptionStatus", "Whether a subscription exists.", known(SubscriptionStatus::KNOWN)),
    ]
}

fn name(message: &Value) -> String {
    let title = message.get("title").and_then(Value::as_str).unwrap_or_default();
    RENAMED.iter().find(|(from, _)| *from == title).map_or(title, |(_, to)| to).to_owned()
}

fn interface(name: &str, message: &Value, words: &[Words]) -> String {
    format!("{}export interface {name} {}\n", comment(message, ""), object(message, "", words))
}

fn object(schema: &Value, indent: &str, words: &[Words]) -> String {
    let required = schema.get("required").and_then(Value::as_array);
    let mut out = "{\n".to_owned();
    for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let inner = format!("{indent}  ");
        let is_required = required.is_some_and(|keys| keys.iter().any(|other| other == key));
        let mark = if is_required { "" } else { "?" };
        let text = comment(property, &inner);
        let _ = writeln!(out, "{}{inner}{key}{mark}: {};", text.trim_start_matches('\n'), of(property, &inner, words));
    }
    out + indent + "}"
}

fn of(schema: &Value, indent: &str, words: &[Words]) -> String {
    if let Some(word) = schema.get("const") {
        return word.to_string();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => string(schema, words),
        Some("integer" | "number") => "number".to_owned(),
        Some("boolean") => "boolean".to_owned(),
        Some("array") => {
            let item = schema.get("items").map_or_else(|| "unknown".to_owned(), |items| of(items, indent, words));
            format!("{item}[]")
        }
        Some("object") if schema.get("properties").is_some_and(|fields| fields.as_object().is_some_and(not_empty)) => {
            object(schema, indent, words)
        }
        Some("object") => "Record<string, unknown>".to_owned(),
        _ => "unknown".to_owned(),
    }
}

fn not_empty(fields: &Map<String, Value>) -> bool {
    !fields.is_empty()
}

/// Returns the type of a string. A string whose examples are the values of an open enumeration has its type.
fn string(schema: &Value, words: &[Words]) -> String {
    if let Some(closed) = schema.get("enum").and_then(Value::as_array) {
        return closed.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    let examples = schema.get("examples").and_then(Value::as_array);
    let same = |known: &[String]| examples.is_some_and(|examples| examples.iter().eq(known.iter()));
    words.iter().find(|(_, _, known)| same(known)).map_or("string", |(name, ..)| name).to_owned()
}

fn comment(schema: &Value, indent: &str) -> String {
    let Some(text) = schema.get("description").and_then(Value::as_str) else { return "\n".to_owned() };
    if text.contains('\n') {
        let lines: String = text
            .lines()
            .fold(String::new(), |all, line| format!("{all}{indent} * {line}").trim_end().to_owned() + "\n");
        return format!("\n{indent}/**\n{lines}{indent} */\n");
    }
    format!("\n{indent}/** {text} */\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientMessage, ServerMessage};

    #[test]
    fn every_message_has_an_interface() {
        let text = declarations();
        for word in ClientMessage::TYPES.iter().chain(ServerMessage::TYPES) {
            assert!(text.contains(&format!("  type: \"{word}\";\n")), "{word}");
        }
    }

    #[test]
    fn fields_have_their_comments_and_open_enumerations() {
        let text = declarations();
        assert!(text.contains("  /** The text. */\n  content: string;\n"), "{text}");
        assert!(text.contains("  code: ErrorCode;\n"), "{text}");
        assert!(text.contains("  messageType?: \"TEXT\" | \"IMAGE\" | \"FILE\";\n"), "{text}");
    }
}
