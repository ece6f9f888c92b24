//! Escapes what a terminal or a reader of the log would obey instead of show: control characters, which can forge lines and
//! drive terminals, and characters that are not seen, which can reorder a line.

use std::{
    borrow::Cow,
    fmt::{self, Debug, Write as _},
    io,
};

use realtime_gateway_protocol::is_unseen;
use tracing::field::Field;
use tracing_subscriber::fmt::{MakeWriter, format};

use super::log_writer::LogWriter;

/// Whether a character of a value is escaped.
fn is_escaped(c: char) -> bool {
    c.is_control() || is_unseen(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Writes one field of a line for people.
pub(super) fn write_field(writer: &mut format::Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    write!(EscapedText(writer), "{value:?}")
}

/// Passes a text on with its characters escaped as Rust writes them, such as `\u{202e}`.
struct EscapedText<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for EscapedText<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_escaped(*c)) {
            let (before, after) = rest.split_at(at);
            self.0.write_str(before)?;
            write!(self.0, "{}", c.escape_default())?;
            rest = after.get(c.len_utf8()..).unwrap_or_default();
        }
        self.0.write_str(rest)
    }
}

/// A line in JSON, whose strings escape the characters of ASCII already.
pub(super) fn json_line(line: &[u8]) -> Cow<'_, [u8]> {
    let body = line.strip_suffix(b"\n").unwrap_or(line);
    let Ok(text) = std::str::from_utf8(body) else { return line.into() };
    if !text.chars().any(is_escaped) {
        return line.into();
    }
    let mut escaped = String::with_capacity(line.len() + 64);
    for c in text.chars() {
        if is_escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing into a text cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped.push('\n');
    escaped.into_bytes().into()
}

/// The writer of lines in JSON.
#[derive(Clone)]
pub(super) struct JsonLines(pub(super) LogWriter);

/// One log line; tracing's formatter writes each with one call.
impl io::Write for JsonLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(&json_line(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for JsonLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_drive_a_terminal_or_forge_a_line() {
        let mut text = String::new();
        write!(EscapedText(&mut text), "a\u{1b}[31m\nb\u{202e}c\u{9b}\u{200b}\u{7f}é日\u{1f600}").unwrap();
        assert_eq!(text, "a\\u{1b}[31m\\nb\\u{202e}c\\u{9b}\\u{200b}\\u{7f}é日\u{1f600}");
    }

    #[test]
    fn a_line_in_json_stays_json_and_says_the_same() {
        let value = serde_json::json!({ "a": "\u{202e}\u{7f}\u{85}\u{e0041}\u{2028}\u{1b}é\u{1f600}", "b": [1, "x"] });
        let line = format!("{value}\n");
        let escaped = String::from_utf8(json_line(line.as_bytes()).into_owned()).unwrap();
        assert!(escaped.ends_with('\n') && !escaped.trim_end().chars().any(is_escaped), "{escaped:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        assert!(matches!(json_line(b"{\"a\":1}\n"), Cow::Borrowed(_)));
    }
}
