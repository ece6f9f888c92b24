//! Renders the page as Markdown, for the repository.

use super::block::Block;

/// Renders the document.
pub(super) fn render(title: &str, intro: &str, blocks: &[Block]) -> String {
    let mut out = format!("<!-- {} -->\n\n# {title}\n\n{intro}\n", crate::export::NOTICE);
    for block in blocks {
        out.push('\n');
        self::block(&mut out, block);
    }
    out
}

fn block(out: &mut String, block: &Block) {
    match block {
        Block::Heading { level, id, text } => {
            out.push_str(&format!("<a id=\"{id}\"></a>\n\n{} {text}\n", "#".repeat(*level)));
        }
        Block::Paragraph(text) => out.push_str(&format!("{text}\n")),
        Block::List(items) => items.iter().for_each(|item| out.push_str(&format!("- {item}\n"))),
        Block::Table(head, rows) => {
            out.push_str(&format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(head.len())));
            for row in rows {
                let row: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
                out.push_str(&format!("| {} |\n", row.join(" | ")));
            }
        }
        Block::Code(code) => out.push_str(&format!("```\n{code}\n```\n")),
    }
}
