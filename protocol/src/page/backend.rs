//! The sections of the events over the broker: the routing key, the body and an example of each.

use super::{block::Block, field};
use crate::{
    backend::{Flow, KINDS, Kind},
    example::backend_examples,
};

/// Returns the part about the broker.
pub(super) fn events() -> Vec<Block> {
    let mut blocks = vec![
        Block::part("backend-events", "Backend events over AMQP"),
        Block::Paragraph(
            "With `bus.url = amqp://…` backend services publish to the topic exchange `gateway.inbound` and consume from \
             the topic exchange `gateway.outbound` (`bus.prefix` replaces `gateway`). Bodies are JSON objects, with \
             content type `application/json` and delivery mode 2. An identifier in a routing key is percent-encoded \
             outside `[A-Za-z0-9_-]`. JSON Schemas of the bodies are at `/schema/inbound.json` and \
             `/schema/outbound.json`."
                .to_owned(),
        ),
        Block::Paragraph(
            "An inbound event is acknowledged once it is stored. Its `id`, or the `message_id` of the AMQP message, makes \
            retries safe; an event without either may be stored twice. Events that cannot be accepted are published to the \
            exchange `gateway.dead_letter` with the reason in the header `x-gateway-reason`. Outbound events are delivered \
            at least once, in order. Detect duplicates by `id`."
                .to_owned(),
        ),
        Block::Table(vec!["routing key", "purpose", "publisher"], KINDS.iter().map(row).collect()),
    ];
    for kind in KINDS {
        blocks.push(Block::section(format!("backend-{}", kind.name), format!("`{}`: {}", kind.key, kind.name)));
        blocks.push(Block::Paragraph(kind.summary.to_owned()));
        blocks.push(Block::Table(vec!["field", "value", "meaning"], field::rows(&kind.schema())));
        let fullest = |body: &serde_json::Value| body.as_object().map_or(0, serde_json::Map::len);
        let examples = backend_examples(kind.name).into_iter().map(|example| example.message);
        blocks.extend(examples.max_by_key(fullest).map(|body| Block::Code(format!("{body:#}"))));
    }
    blocks
}

fn row(kind: &Kind) -> Vec<String> {
    let publisher = match kind.flow {
        Flow::Inbound => "backend services",
        Flow::Outbound => "the gateway",
    };
    vec![format!("[`{}`](#backend-{})", kind.key, kind.name), kind.summary.to_owned(), publisher.to_owned()]
}
