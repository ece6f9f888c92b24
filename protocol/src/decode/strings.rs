//! Finds halves of surrogate pairs, which JSON can write with `\u` (RFC 8259, section 8.2) and no text can hold.
//!
//! Readers disagree on them: one refuses the whole message, another puts U+FFFD in their place. So no string with one
//! is taken, also not in values that the gateway carries without reading them.

use crate::outline::unescaped;

/// What is wrong with a string that holds one.
pub(crate) const PROBLEM: &str = "half of a surrogate pair (\\ud800 to \\udfff without its other half) is no character";

/// A text with halves of surrogate pairs.
pub(crate) struct Halves {
    /// The path of the field that holds the first one; empty when it has no name that can be repeated.
    pub(crate) field: String,
    /// The same text with U+FFFD in place of each, from which the rest of the message can be read.
    pub(crate) repaired: String,
}

/// Finds what a text, which need not be JSON, has of them.
pub(crate) fn find(text: &str) -> Option<Halves> {
    // Most texts have no such escape, and are looked through no further.
    let may_be_half =
        |window: &[u8]| matches!(window, [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F']);
    if !text.as_bytes().windows(4).any(may_be_half) {
        return None;
    }
    let mut walk = Walk { text, at: 0, around: Vec::new(), first: None, halves: Vec::new() };
    while walk.step() {}
    let field = walk.first?;
    let mut repaired = String::with_capacity(text.len());
    let mut from = 0;
    for half in walk.halves {
        repaired.push_str(text.get(from..half)?);
        repaired.push_str("\\ufffd");
        from = half + ESCAPE;
    }
    repaired.push_str(text.get(from..)?);
    Some(Halves { field, repaired })
}

/// The bytes of `\ud800`.
const ESCAPE: usize = 6;

/// Goes through a text once, and knows where it is.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    /// The objects and lists around the place, the outermost first.
    around: Vec<Around<'a>>,
    first: Option<String>,
    /// Where each half begins.
    halves: Vec<usize>,
}

/// An object or a list that is not at its end.
enum Around<'a> {
    /// The latest member's name, as it was written.
    Object { name: Option<&'a str>, is_name_next: bool },
    /// The index of the item.
    List(usize),
}

impl<'a> Walk<'a> {
    /// Takes the next sign; false at the end.
    fn step(&mut self) -> bool {
        let Some(byte) = self.text.as_bytes().get(self.at) else { return false };
        match byte {
            b'"' => return self.string(),
            b'{' => self.around.push(Around::Object { name: None, is_name_next: true }),
            b'[' => self.around.push(Around::List(0)),
            b'}' | b']' => drop(self.around.pop()),
            b':' => {
                if let Some(Around::Object { is_name_next, .. }) = self.around.last_mut() {
                    *is_name_next = false;
                }
            }
            b',' => match self.around.last_mut() {
                Some(Around::Object { name, is_name_next }) => (*name, *is_name_next) = (None, true),
                Some(Around::List(index)) => *index += 1,
                None => {}
            },
            _ => {}
        }
        self.at += 1;
        true
    }

    /// Takes a string, with its quotation marks.
    fn string(&mut self) -> bool {
        let from = self.at;
        self.at += 1;
        let before = self.halves.len();
        loop {
            match self.text.as_bytes().get(self.at) {
                None => return false,
                Some(b'"') => break,
                Some(b'\\') => self.escape(),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let is_clean = self.halves.len() == before;
        if !is_clean && self.first.is_none() {
            self.first = Some(self.path());
        }
        let written = self.text.get(from..self.at);
        if let Some(Around::Object { name, is_name_next: true }) = self.around.last_mut() {
            *name = written.filter(|_| is_clean);
        }
        true
    }

    /// Takes an escape, or two that are a pair together.
    fn escape(&mut self) {
        let unit = unit_at(self.text, self.at);
        match unit {
            None => self.at += 2,
            Some(0xd800..0xdc00) if matches!(unit_at(self.text, self.at + ESCAPE), Some(0xdc00..0xe000)) => {
                self.at += 2 * ESCAPE;
            }
            Some(unit) => {
                if (0xd800..0xe000).contains(&unit) {
                    self.halves.push(self.at);
                }
                self.at += ESCAPE;
            }
        }
    }

    /// The path of the place. What lies within `data` is the sender's own, and no name of it is repeated.
    fn path(&self) -> String {
        let mut path = String::new();
        for around in &self.around {
            match around {
                Around::Object { name, .. } => {
                    let Some(name) = name.and_then(unescaped).filter(|name| is_plain(name)) else { break };
                    let point = if path.is_empty() { "" } else { "." };
                    path.extend([point, &name]);
                }
                Around::List(index) => path.push_str(&format!("[{index}]")),
            }
            if path == "data" {
                break;
            }
        }
        path
    }
}

/// The UTF-16 code unit of an escape `\u` that begins at this byte.
fn unit_at(text: &str, at: usize) -> Option<u32> {
    let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
    // A sign is no digit, and `from_str_radix` takes one.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// Whether a name looks like a field's: what was sent is not repeated otherwise, for it might be a secret.
fn is_plain(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> Option<String> {
        find(text).map(|halves| halves.field)
    }

    #[test]
    fn the_first_half_is_named_by_its_field() {
        for (text, expected) in [
            (r#"{"a":"\ud800"}"#, "a"),
            (r#"{"a":"\uDFFF"}"#, "a"),
            (r#"{"a":"x\ude00\ud83d"}"#, "a"),
            (r#"{"a":"\ud83d\ud83d\ude00"}"#, "a"),
            (r#"{"a":"\ud83d\u0061"}"#, "a"),
            (r#"{"a":"\ud83d\\ude00"}"#, "a"),
            (r#"{"a":{"b":["x",{"c":"\ud800"}]},"d":"\ud800"}"#, "a.b[1].c"),
            (r#"{"userIds":["u","\ud800"]}"#, "userIds[1]"),
            (r#"{"data":{"secret":["\ud800"]}}"#, "data"),
            (r#"{"data":"\ud800"}"#, "data"),
            (r#"{"data":{"\ud800":1}}"#, "data"),
            (r#"{"a":{"\ud800":1}}"#, "a"),
            (r#"{"\ud800":1}"#, ""),
            (r#"{"a b":"\ud800"}"#, ""),
            (r#"{"\u0061":"\ud800"}"#, "a"),
            (r#"{"a": "x" , "b" : "\ud800" }"#, "b"),
            (r#"["\ud800"]"#, "[0]"),
            (r#""\ud800""#, ""),
        ] {
            assert_eq!(field(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn whole_pairs_and_other_escapes_are_let_pass() {
        for text in [
            r#"{"a":"\ud83d\ude00"}"#,
            r#"{"a":"\uD83D\uDE00\ud83d\ude00"}"#,
            r#"{"a":"\\ud800"}"#,
            r#"{"a":"\u0061\ud7ff\ue000"}"#,
            r#"{"a":"\ud8"}"#,
            r#"{"a":"\ud8zz"}"#,
            r#"{"a":"\ud800"#,
            r"\ud800",
        ] {
            assert_eq!(field(text), None, "{text}");
        }
    }

    #[test]
    fn every_half_is_replaced() {
        let halves = find(r#"{"a":"x\ud800y\udc00","\udfffz":"\ud83d\ude00\ud83d\ud83d\ude00"}"#).unwrap();
        assert_eq!(halves.repaired, r#"{"a":"x\ufffdy\ufffd","\ufffdz":"\ud83d\ude00\ufffd\ud83d\ude00"}"#);
    }
}
