//! The sections of the messages: the purpose, the replies, the fields with their bounds, and an example of each.

use serde_json::Value;

use super::{block::Block, field};
use crate::{
    ClientMessage, client_schema,
    example::{Side, fullest_example},
    schema, server_schema,
};

/// Returns the part about the commands.
pub(super) fn commands() -> Vec<Block> {
    let schema = client_schema();
    let row = |(word, variant): (&str, &Value)| {
        let replies = replies(word).iter().map(|reply| link("server", reply)).collect::<Vec<_>>();
        let replies = if replies.is_empty() { "none".to_owned() } else { replies.join(", ") };
        vec![link("client", word), summary(variant).to_owned(), replies]
    };
    let mut blocks = vec![
        Block::part("commands", "Messages from clients"),
        Block::Paragraph(
            "Every command may have a `requestId`. The reply to a command that fails is an [`error`](#server-error) \
            instead of the reply below. A field marked `?` may be absent."
                .to_owned(),
        ),
        Block::Table(vec!["type", "purpose", "reply"], schema::variants(&schema).map(row).collect()),
    ];
    for (word, variant) in schema::variants(&schema) {
        let replies: Vec<String> = replies(word).iter().map(|reply| link("server", reply)).collect();
        let answer = match (word, replies.as_slice()) {
            (_, []) => "No reply on success.".to_owned(),
            ("authenticate", [first, later]) => format!("Reply: {first} the first time, afterwards {later}."),
            ("publish", [stored, sent]) => format!("Reply: {stored}, or {sent} for a topic without history."),
            (_, replies) => format!("Reply: {}.", replies.join(" or ")),
        };
        section(&mut blocks, Side::Client, word, variant, &answer);
    }
    blocks
}

/// Returns the part about the messages of the gateway.
pub(super) fn server_messages() -> Vec<Block> {
    let schema = server_schema();
    let row = |(word, variant): (&str, &Value)| vec![link("server", word), summary(variant).to_owned()];
    let mut blocks = vec![
        Block::part("server-messages", "Messages from the gateway"),
        Block::Paragraph(
            "A reply has the `requestId` of its command. A client that has used only the core protocol, and that the \
            server has subscribed to nothing, receives no pushes beyond the core protocol except `error` and \
            `reconnect`."
                .to_owned(),
        ),
        Block::Table(vec!["type", "purpose"], schema::variants(&schema).map(row).collect()),
    ];
    for (word, variant) in schema::variants(&schema) {
        let commands: Vec<String> = ClientMessage::REPLIES
            .iter()
            .filter(|(_, replies)| replies.contains(&word))
            .map(|(command, _)| link("client", command))
            .collect();
        let answers = match (word, commands.as_slice()) {
            ("error", _) => "The reply to any command that fails.".to_owned(),
            (_, []) => "A push.".to_owned(),
            (_, commands) => format!("The reply to {}.", commands.join(", ")),
        };
        section(&mut blocks, Side::Server, word, variant, &answers);
    }
    blocks
}

fn section(blocks: &mut Vec<Block>, side: Side, word: &str, variant: &Value, about: &str) {
    let prefix = if side == Side::Client { "client" } else { "server" };
    blocks.push(Block::section(format!("{prefix}-{word}"), format!("`{word}`")));
    blocks.push(Block::Paragraph(format!("{} {about}", summary(variant))));
    let rows = field::rows(variant);
    if !rows.is_empty() {
        blocks.push(Block::Table(vec!["field", "value", "meaning"], rows));
    }
    blocks.extend(fullest_example(side, word).map(|example| Block::Code(format!("{example:#}"))));
}

fn replies(word: &str) -> &'static [&'static str] {
    ClientMessage::REPLIES.iter().find(|(command, _)| *command == word).map_or(&[], |(_, replies)| replies)
}

fn link(side: &str, word: &str) -> String {
    format!("[`{word}`](#{side}-{word})")
}

fn summary(variant: &Value) -> &str {
    variant.get("description").and_then(Value::as_str).unwrap_or_default()
}
