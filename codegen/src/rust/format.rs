//! Lines in the form of rustfmt's defaults: at most 100 characters, at most 60 between the parentheses of a call, and at
//! most 70 within an attribute.

use crate::code::{Code, is_hidden};

const MAX_WIDTH: usize = 100;
const MAX_ARGUMENTS: usize = 60;
const MAX_ATTRIBUTE: usize = 70;

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Returns whether a line fits.
fn fits(indent: usize, line: &str) -> bool {
    indent + width(line) <= MAX_WIDTH
}

impl Code {
    /// Writes `head` and `tail` in one line, or in two if one is too long.
    pub(super) fn two_parts(&mut self, indent: usize, head: &str, tail: &str) {
        let line = format!("{head} {tail}");
        if fits(indent, &line) {
            return self.line(indent, &line);
        }
        self.line(indent, head);
        self.line(indent + 4, tail);
    }

    /// Writes the import of several names of a module. The names fit into one line.
    pub(super) fn import(&mut self, module: &str, names: &[&str]) {
        let names = names.join(", ");
        let line = format!("use {module}::{{{names}}};");
        if fits(0, &line) {
            return self.line(0, &line);
        }
        self.line(0, &format!("use {module}::{{"));
        self.line(4, &format!("{names},"));
        self.line(0, "};");
    }

    /// Writes an attribute with arguments.
    pub(super) fn attribute(&mut self, indent: usize, name: &str, arguments: &[String]) {
        let line = arguments.join(", ");
        if arguments.is_empty() {
            return;
        }
        let is_short = width(&line) <= MAX_ATTRIBUTE || arguments.len() == 1;
        let attribute = format!("#[{name}({line})]");
        if is_short && fits(indent, &attribute) {
            return self.line(indent, &attribute);
        }
        self.line(indent, &format!("#[{name}("));
        for (index, argument) in arguments.iter().enumerate() {
            let end = if index + 1 == arguments.len() { "" } else { "," };
            self.line(indent + 4, &format!("{argument}{end}"));
        }
        self.line(indent, ")]");
    }

    /// Writes the first line of a function.
    pub(super) fn signature(&mut self, indent: usize, head: &str, parameters: &[String], tail: &str) {
        let line = format!("{head}({}){tail} {{", parameters.join(", "));
        if fits(indent, &line) {
            return self.line(indent, &line);
        }
        self.line(indent, &format!("{head}("));
        parameters.iter().for_each(|parameter| self.line(indent + 4, &format!("{parameter},")));
        self.line(indent, &format!("){tail} {{"));
    }

    /// Writes a call of a function.
    pub(super) fn call(&mut self, indent: usize, head: &str, arguments: &[String], tail: &str) {
        let line = arguments.join(", ");
        if width(&line) <= MAX_ARGUMENTS && fits(indent, &format!("{head}({line}){tail}")) {
            return self.line(indent, &format!("{head}({line}){tail}"));
        }
        self.line(indent, &format!("{head}("));
        arguments.iter().for_each(|argument| self.line(indent + 4, &format!("{argument},")));
        self.line(indent, &format!("){tail}"));
    }

    /// Writes a call of a function whose only argument is a struct with one member.
    pub(super) fn literal_in_call(&mut self, indent: usize, function: &str, name: &str, member: &str) {
        let opening = format!("{name} {{");
        if width(&opening) <= MAX_ARGUMENTS {
            self.line(indent, &format!("{function}({opening}"));
            self.line(indent + 4, member);
            return self.line(indent, "})");
        }
        self.line(indent, &format!("{function}("));
        self.line(indent + 4, &opening);
        self.line(indent + 8, member);
        self.line(indent + 4, "},");
        self.line(indent, ")");
    }

    /// Writes an arm of a `match`.
    pub(super) fn arm(&mut self, indent: usize, pattern: &str, value: &str) {
        let line = format!("{pattern} => {value},");
        if fits(indent, &line) {
            return self.line(indent, &line);
        }
        self.line(indent, &format!("{pattern} => {{"));
        match value.strip_suffix("(&json)?)") {
            Some(head) if !fits(indent + 4, value) => {
                self.line(indent + 4, &format!("{head}("));
                self.line(indent + 8, "&json,");
                self.line(indent + 4, ")?)");
            }
            _ => self.line(indent + 4, value),
        }
        self.line(indent, "}");
    }
}

/// Returns a text as a literal.
pub(super) fn literal(text: &str) -> String {
    let mut literal = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            '\n' => literal.push_str("\\n"),
            c if is_hidden(c) => literal.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => literal.push(c),
        }
    }
    literal + "\""
}
