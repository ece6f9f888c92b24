//! The content of the page, before it is rendered as HTML or Markdown.
//!
//! Texts may contain `code`, **bold** and [links](#to-a-section) in Markdown syntax.

/// One block of the page.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    /// A heading with an anchor.
    Heading {
        /// 2 for a part, 3 for a section of it.
        level: usize,
        /// The anchor.
        id: String,
        /// The text.
        text: String,
    },
    /// A paragraph.
    Paragraph(String),
    /// A list.
    List(Vec<String>),
    /// A table: the header and the rows.
    Table(Vec<&'static str>, Vec<Vec<String>>),
    /// Preformatted text.
    Code(String),
}

impl Block {
    pub(super) fn part(id: &str, text: &str) -> Self {
        Self::Heading { level: 2, id: id.to_owned(), text: text.to_owned() }
    }

    pub(super) fn section(id: String, text: String) -> Self {
        Self::Heading { level: 3, id, text }
    }
}

/// Parses prose. Only parts, paragraphs, lists and code blocks of Markdown are supported.
pub(super) fn read(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    for piece in markdown.split("\n\n").map(str::trim).filter(|piece| !piece.is_empty()) {
        if let Some(text) = piece.strip_prefix("## ") {
            blocks.push(Block::part(&anchor(text), text));
        } else if let Some(code) = piece.strip_prefix("```\n").and_then(|code| code.strip_suffix("\n```")) {
            blocks.push(Block::Code(code.to_owned()));
        } else if let Some(list) = piece.strip_prefix("- ") {
            blocks.push(Block::List(list.split("\n- ").map(str::to_owned).collect()));
        } else {
            blocks.push(Block::Paragraph(piece.to_owned()));
        }
    }
    blocks
}

fn anchor(text: &str) -> String {
    text.to_lowercase().replace(',', "").replace(' ', "-")
}

/// A span of text with one format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span<'a> {
    /// Plain text.
    Plain(&'a str),
    /// `code`
    Code(&'a str),
    /// **bold**
    Bold(&'a str),
    /// A link: the text, which may contain code, and the address.
    Link(&'a str, &'a str),
}

/// Splits a text into spans.
pub(super) fn spans(mut text: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    while !text.is_empty() {
        let start = text.find(['`', '[']).into_iter().chain(text.find("**")).min().unwrap_or(text.len());
        let (plain, rest) = text.split_at(start);
        if !plain.is_empty() {
            spans.push(Span::Plain(plain));
        }
        let Some((span, rest)) = code(rest).or_else(|| bold(rest)).or_else(|| link(rest)) else {
            // A mark that is not closed is plain text.
            if !rest.is_empty() {
                spans.push(Span::Plain(rest));
            }
            break;
        };
        spans.push(span);
        text = rest;
    }
    spans
}

fn code(text: &str) -> Option<(Span<'_>, &str)> {
    let (code, rest) = text.strip_prefix('`')?.split_once('`')?;
    Some((Span::Code(code), rest))
}

fn bold(text: &str) -> Option<(Span<'_>, &str)> {
    let (bold, rest) = text.strip_prefix("**")?.split_once("**")?;
    Some((Span::Bold(bold), rest))
}

fn link(text: &str) -> Option<(Span<'_>, &str)> {
    let (label, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (address, rest) = rest.split_once(')')?;
    Some((Span::Link(label, address), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_text_into_spans() {
        assert_eq!(
            spans("a `b` **c** [`d`](#e) `f"),
            [
                Span::Plain("a "),
                Span::Code("b"),
                Span::Plain(" "),
                Span::Bold("c"),
                Span::Plain(" "),
                Span::Link("`d`", "#e"),
                Span::Plain(" "),
                Span::Plain("`f"),
            ]
        );
    }

    #[test]
    fn parses_prose() {
        let blocks = read("## A, and B\n\nwords\n\n- one\n- two\n\n```\n{}\n```\n");
        assert_eq!(blocks.first(), Some(&Block::part("a-and-b", "A, and B")));
        assert_eq!(blocks.get(2), Some(&Block::List(vec!["one".into(), "two".into()])));
        assert_eq!(blocks.get(3), Some(&Block::Code("{}".into())));
    }
}
