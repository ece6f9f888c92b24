//! Writes a JSON object member by member (RFC 8259).

/// A writer of a JSON object. Unlike serde it needs no generated code for each type, which keeps the WebAssembly build
/// small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectText(String);

impl Default for ObjectText {
    fn default() -> Self {
        Self("{}".to_owned())
    }
}

impl ObjectText {
    /// Continues the text of an object, which must have no surrounding white space.
    pub fn of_object(text: String) -> Self {
        debug_assert!(text.starts_with('{') && text.ends_with('}'), "the text of an object");
        Self(text)
    }

    /// Adds a member whose value is encoded JSON.
    pub fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.0.pop();
        if self.0.len() > 1 {
            self.0.push(',');
        }
        push_string(&mut self.0, name);
        self.0.push(':');
        self.0.push_str(json);
        self.0.push('}');
        self
    }

    /// Adds a string.
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.raw(name, "");
        self.0.pop();
        push_string(&mut self.0, text);
        self.0.push('}');
        self
    }

    /// Adds a string if there is one.
    pub fn optional(&mut self, name: &str, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// Adds a list of strings.
    pub fn texts<'a>(&mut self, name: &str, texts: impl Iterator<Item = &'a str>) -> &mut Self {
        let mut list = "[".to_owned();
        for text in texts {
            if list.len() > 1 {
                list.push(',');
            }
            push_string(&mut list, text);
        }
        list.push(']');
        self.raw(name, &list)
    }

    /// Adds a whole number.
    pub fn whole(&mut self, name: &str, number: u64) -> &mut Self {
        self.raw(name, &number.to_string())
    }

    /// Adds a boolean.
    pub fn flag(&mut self, name: &str, flag: bool) -> &mut Self {
        self.raw(name, if flag { "true" } else { "false" })
    }

    /// Returns the JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the JSON text as an owned `String`.
    pub fn into_string(self) -> String {
        self.0
    }
}

pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{0}'..'\u{20}' => {
                out.push_str("\\u00");
                let code = u32::from(c);
                out.extend([code >> 4, code & 15].into_iter().filter_map(|digit| char::from_digit(digit, 16)));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_object_round_trips() {
        let mut text = ObjectText::default();
        assert_eq!(text.as_str(), "{}");
        text.text("a\"b", "\u{0}\n\u{1f}\\ \u{7f}\u{e9}\u{1f600}").whole("n", u64::MAX).raw("list", "[1, 2]");
        text.optional("absent", None).optional("one", Some("1")).flag("flag", true);
        text.texts("none", [].into_iter()).texts("two", ["x", "\""].into_iter());
        let read: serde_json::Value = serde_json::from_str(text.as_str()).unwrap();
        let expected = serde_json::json!({
            "a\"b": "\u{0}\n\u{1f}\\ \u{7f}\u{e9}\u{1f600}", "n": u64::MAX, "list": [1, 2], "one": "1", "flag": true,
            "none": [], "two": ["x", "\""],
        });
        assert_eq!(read, expected);
    }
}
