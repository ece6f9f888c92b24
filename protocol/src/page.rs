//! The human-readable documentation of the protocol, as HTML and as Markdown: rules in prose, every message, every
//! code.

mod backend;
mod block;
mod code;
mod field;
mod html;
mod markdown;
mod message;

use block::Block;

const TITLE: &str = "The WebSocket protocol";
const INTRO: &str = "The messages between clients and the realtime gateway, version 1. The machine-readable forms are \
                     AsyncAPI 3.0 and JSON Schema 2020-12: a gateway serves them at `/asyncapi.json`, \
                     `/schema/client.json` and `/schema/server.json`.";

/// Returns the page as one HTML file without external resources. `addition` is a further part of a gateway, as
/// Markdown: parts, paragraphs, lists and code blocks. It may be empty.
pub fn protocol_page_html(addition: &str) -> String {
    let mut blocks = blocks();
    blocks.extend(block::read(addition));
    html::render(TITLE, INTRO, &blocks)
}

/// Returns the page as Markdown: `docs/protocol.md`.
pub(crate) fn protocol_page_markdown() -> String {
    markdown::render(TITLE, INTRO, &blocks())
}

fn blocks() -> Vec<Block> {
    let mut blocks = block::read(include_str!("page/rules.md"));
    blocks.extend(message::commands());
    blocks.extend(message::server_messages());
    blocks.extend(backend::events());
    blocks.extend(code::error_codes());
    blocks.extend(code::close_codes());
    blocks
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{ClientMessage, CloseCode, ErrorCode, ServerMessage};

    fn anchors() -> Vec<String> {
        let id = |block: Block| if let Block::Heading { id, .. } = block { Some(id) } else { None };
        blocks().into_iter().filter_map(id).collect()
    }

    #[test]
    fn every_message_and_code_has_a_section() {
        let anchors = anchors();
        let wanted = ClientMessage::TYPES
            .iter()
            .map(|word| format!("client-{word}"))
            .chain(ServerMessage::TYPES.iter().map(|word| format!("server-{word}")))
            .chain(ErrorCode::KNOWN.iter().map(|code| format!("error-{code}")))
            .chain(crate::backend::KINDS.iter().map(|kind| format!("backend-{}", kind.name)))
            .chain(CloseCode::KNOWN.iter().map(|(code, ..)| format!("close-{code}")));
        for anchor in wanted {
            assert!(anchors.contains(&anchor), "{anchor}");
        }
    }

    #[test]
    fn every_link_has_exactly_one_target() {
        let anchors = anchors();
        let unique: BTreeSet<_> = anchors.iter().map(String::as_str).collect();
        assert_eq!(unique.len(), anchors.len(), "every anchor is unique");
        let page = protocol_page_html("");
        for target in page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(target.strip_prefix('#').is_some_and(|id| unique.contains(id)), "{target}");
        }
        assert!(!page.contains("src="), "the page has no external resources");
    }
}
