//! Renders the page as one HTML file without external resources, with a light and a dark theme, readable on phones.

use super::block::{Block, Span, spans};

/// Renders the document.
pub(super) fn render(title: &str, intro: &str, blocks: &[Block]) -> String {
    let mut body = String::new();
    for block in blocks {
        self::block(&mut body, block);
    }
    format!(
        "<!doctype html>\n<!-- {notice} -->\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{style}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n<p>{intro}</p>\n{contents}{body}</main>\n</body>\n</html>\n",
        notice = crate::export::NOTICE,
        title = escape(title),
        style = include_str!("page.css"),
        intro = inline(intro),
        contents = contents(blocks),
    )
}

/// Renders the table of contents: every part with links to its sections.
fn contents(blocks: &[Block]) -> String {
    let mut parts: Vec<(String, String)> = Vec::new();
    for block in blocks {
        if let Block::Heading { level, id, text } = block {
            let link = format!("<a href=\"#{}\">{}</a>", escape(id), inline(text));
            match parts.last_mut() {
                Some((_, sections)) if *level > 2 => sections.push_str(&format!("\n{link}")),
                _ => parts.push((link, String::new())),
            }
        }
    }
    let part = |(link, sections): &(String, String)| match sections.as_str() {
        "" => format!("<li>{link}</li>\n"),
        sections => format!("<li>{link}\n<p>{sections}</p></li>\n"),
    };
    let list: String = parts.iter().map(part).collect();
    format!("<nav>\n<details open>\n<summary>Contents</summary>\n<ul>\n{list}</ul>\n</details>\n</nav>\n")
}

fn block(out: &mut String, block: &Block) {
    match block {
        Block::Heading { level, id, text } => {
            let id = escape(id);
            out.push_str(&format!("<h{level} id=\"{id}\"><a href=\"#{id}\">{}</a></h{level}>\n", inline(text)));
        }
        Block::Paragraph(text) => out.push_str(&format!("<p>{}</p>\n", inline(text))),
        Block::List(items) => {
            let items: String = items.iter().map(|item| format!("<li>{}</li>\n", inline(item))).collect();
            out.push_str(&format!("<ul>\n{items}</ul>\n"));
        }
        Block::Table(head, rows) => {
            let head: String = head.iter().map(|cell| format!("<th>{}</th>", inline(cell))).collect();
            out.push_str(&format!("<div class=\"table\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n"));
            for row in rows {
                let row: String = row.iter().map(|cell| format!("<td>{}</td>", inline(cell))).collect();
                out.push_str(&format!("<tr>{row}</tr>\n"));
            }
            out.push_str("</tbody>\n</table></div>\n");
        }
        Block::Code(code) => out.push_str(&format!("<pre><code>{}</code></pre>\n", escape(code))),
    }
}

fn inline(text: &str) -> String {
    let html = |span| match span {
        Span::Plain(text) => escape(text),
        Span::Code(text) => format!("<code>{}</code>", escape(text)),
        Span::Bold(text) => format!("<strong>{}</strong>", escape(text)),
        Span::Link(text, address) => format!("<a href=\"{}\">{}</a>", escape(address), inline(text)),
    };
    spans(text).into_iter().map(html).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
