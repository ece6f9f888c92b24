//! Every message: what it is for, what answers it, its fields with their bounds, an example.

use serde_json::Value;

use super::{block::Block, field};
use crate::{
    ClientMessage, client_schema,
    example::{Side, fullest_example},
    schema, server_schema,
};

/// The part about what a client may send.
pub(super) fn commands() -> Vec<Block> {
    let schema = client_schema();
    let row = |(word, variant): (&str, &Value)| {
        let replies = replies(word).iter().map(|reply| link("server", reply)).collect::<Vec<_>>();
        let replies = if replies.is_empty() { "none".to_owned() } else { replies.join(", ") };
        vec![link("client", word), summary(variant).to_owned(), replies]
    };
    let mut blocks = vec![
        Block::part("commands", "What a client may send"),
        Block::Paragraph(
            "Every command may carry a `requestId`. One that is refused gets an [`error`](#server-error) instead of \
             the reply below. A field marked `?` may be absent."
                .to_owned(),
        ),
        Block::Table(vec!["type", "what it does", "reply"], schema::variants(&schema).map(row).collect()),
    ];
    for (word, variant) in schema::variants(&schema) {
        let replies: Vec<String> = replies(word).iter().map(|reply| link("server", reply)).collect();
        // One command alone has two replies: `authenticate`.
        let answer = match replies.join(" the first time, afterwards ").as_str() {
            "" => "No reply on success.".to_owned(),
            replies => format!("Reply: {replies}."),
        };
        section(&mut blocks, Side::Client, word, variant, &answer);
    }
    blocks
}

/// The part about what the gateway may send.
pub(super) fn server_messages() -> Vec<Block> {
    let schema = server_schema();
    let row = |(word, variant): (&str, &Value)| vec![link("server", word), summary(variant).to_owned()];
    let mut blocks = vec![
        Block::part("server-messages", "What the gateway may send"),
        Block::Paragraph(
            "A reply carries the `requestId` of its command. A session that has sent only what old clients send gets \
             no unasked-for addition except `error` and `reconnect`."
                .to_owned(),
        ),
        Block::Table(vec!["type", "what it tells"], schema::variants(&schema).map(row).collect()),
    ];
    for (word, variant) in schema::variants(&schema) {
        let asked: Vec<String> = ClientMessage::REPLIES
            .iter()
            .filter(|(_, replies)| replies.contains(&word))
            .map(|(command, _)| link("client", command))
            .collect();
        let answers = match (word, asked.as_slice()) {
            ("error", _) => "Answers any command that is refused.".to_owned(),
            (_, []) => "Comes unasked.".to_owned(),
            (_, asked) => format!("Answers {}.", asked.join(", ")),
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
