//! The form that gofmt gives to code: literals, and lines whose columns are aligned.

use std::fmt::Write as _;

use crate::code::{Code, is_hidden};

/// A line of a struct or of a list of constants.
pub(super) enum Row {
    /// A comment. It ends the lines that are aligned with each other.
    Comment(String),
    /// The columns of a line. All but the last one are padded.
    Columns([String; 3]),
}

/// Writes lines within braces.
pub(super) fn write_rows(code: &mut Code, rows: &[Row]) {
    for run in rows.chunk_by(|first, second| matches!((first, second), (Row::Columns(_), Row::Columns(_)))) {
        let width = |column: usize| {
            let texts = run.iter().filter_map(|row| match row {
                Row::Columns(columns) => columns.get(column),
                Row::Comment(_) => None,
            });
            texts.map(|text| text.chars().count()).max().unwrap_or(0)
        };
        let (first_width, second_width) = (width(0), width(1));
        for row in run {
            match row {
                Row::Comment(line) => code.line(0, &format!("\t{line}")),
                Row::Columns([first, second, last]) => {
                    code.line(0, &format!("\t{first:first_width$} {second:second_width$} {last}"));
                }
            }
        }
    }
}

/// Returns a text as a literal.
pub(super) fn literal(text: &str) -> String {
    let is_raw = text.contains('"') && !text.contains('`') && !text.chars().any(is_hidden);
    if is_raw {
        return format!("`{text}`");
    }
    let mut literal = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            '\n' => literal.push_str("\\n"),
            c if is_hidden(c) => {
                // Writing to a text cannot fail.
                let _ = write!(literal, "\\u{:04x}", u32::from(c));
            }
            c => literal.push(c),
        }
    }
    literal + "\""
}
