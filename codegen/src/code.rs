//! The text of a generated file, written line by line.

use std::fmt::Write as _;

use crate::model::Notes;

/// Generated lines.
#[derive(Default)]
pub(crate) struct Code {
    text: String,
}

impl Code {
    /// Appends a line that is indented by a number of spaces.
    pub(crate) fn line(&mut self, indent: usize, line: &str) {
        // Writing to a text cannot fail.
        let _ = if line.is_empty() { writeln!(self.text) } else { writeln!(self.text, "{:indent$}{line}", "") };
    }

    /// Appends an empty line between two items.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// Returns whether nothing was written yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns whether the code contains an identifier, or a text that looks like it.
    pub(crate) fn names(&self, identifier: &str) -> bool {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        self.text.match_indices(identifier).any(|(at, _)| {
            let before = self.text.get(..at).and_then(|text| text.chars().next_back());
            let after = self.text.get(at + identifier.len()..).and_then(|text| text.chars().next());
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        })
    }

    /// Returns whether the code contains a text.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// Appends other code.
    pub(crate) fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Returns whether a character changes the direction of text or is a control character, so that code with it would not
/// look like what it is.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Returns the lines of the comment of a type or member.
pub(crate) fn comment(notes: &Notes, more: &[String]) -> Vec<String> {
    let description = notes.description.as_deref().unwrap_or_default();
    // The lines are not indented, because Markdown treats indented lines as code.
    let mut lines: Vec<String> = description.lines().map(|line| one_line(line).trim().replace("~~~", "'''")).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.extend(more.iter().map(|line| one_line(line)));
    if !notes.constraints.is_empty() {
        lines.push(one_line(&format!("Constraints: {}.", notes.constraints.join(", "))));
    }
    lines
}

/// Returns a text without line breaks and other hidden characters, so that it stays within a comment.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().filter(|c| !is_hidden(*c)).collect::<String>().replace("```", "'''")
}
