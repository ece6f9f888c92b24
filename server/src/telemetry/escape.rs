//! Escapes characters in log lines that terminals and log viewers interpret instead of showing them: control
//! characters, which can forge lines and control terminals, and invisible characters, which can reorder the text of a
//! line.

use std::{
    borrow::Cow,
    fmt::{self, Debug, Write as _},
    io,
};

use realtime_gateway_protocol::is_unseen;
use tracing::field::Field;
use tracing_subscriber::fmt::{MakeWriter, format};

use super::log_writer::LogWriter;

/// Returns whether a character of a value is escaped.
fn is_escaped(c: char) -> bool {
    c.is_control() || is_unseen(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Writes one field of a text line.
pub(super) fn write_field(writer: &mut format::Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    write!(EscapedText(writer), "{value:?}")
}

/// A writer that escapes characters in Rust notation, such as `\u{202e}`.
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

/// Escapes a JSON line. ASCII control characters are already escaped in JSON strings.
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
                // Writing to a `String` cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped.push('\n');
    escaped.into_bytes().into()
}

/// The writer of JSON lines.
#[derive(Clone)]
pub(super) struct JsonLines(pub(super) LogWriter);

/// Escapes and queues a log line. The formatter of tracing writes each line with one call.
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
    fn escapes_control_and_invisible_characters() {
        let mut text = String::new();
        write!(EscapedText(&mut text), "a\u{1b}[31m\nb\u{202e}c\u{9b}\u{200b}\u{7f}é日\u{1f600}").unwrap();
        assert_eq!(text, "a\\u{1b}[31m\\nb\\u{202e}c\\u{9b}\\u{200b}\\u{7f}é日\u{1f600}");
    }

    #[test]
    fn escaped_json_line_decodes_to_the_same_value() {
        let value = serde_json::json!({ "a": "\u{202e}\u{7f}\u{85}\u{e0041}\u{2028}\u{1b}é\u{1f600}", "b": [1, "x"] });
        let line = format!("{value}\n");
        let escaped = String::from_utf8(json_line(line.as_bytes()).into_owned()).unwrap();
        assert!(escaped.ends_with('\n') && !escaped.trim_end().chars().any(is_escaped), "{escaped:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        assert!(matches!(json_line(b"{\"a\":1}\n"), Cow::Borrowed(_)));
    }
}
