//! Finds what no string of a message may hold, wherever it stands: halves of surrogate pairs, which JSON can write with `\u`
//! (RFC 8259, section 8.2) and no text can hold; U+0000; characters that are not seen, in identifiers; and texts for people
//! that say nothing.
//!
//! Readers disagree on halves: one refuses the whole message, another puts U+FFFD in their place. So no string with one
//! is taken, also not in values that the gateway carries without reading them, and the same holds for U+0000.

use crate::{
    id::IdError,
    outline::unescaped,
    text_rule::{BLANK, NUL, is_blank, is_unseen},
};

/// What is wrong with a string that holds half of a surrogate pair.
pub(crate) const PROBLEM: &str = "half of a surrogate pair (\\ud800 to \\udfff without its other half) is no character";

/// The fields that hold identifiers, alone or in a list.
const IDENTIFIERS: [&str; 15] = [
    "userId",
    "userIds",
    "clanId",
    "clans",
    "notificationId",
    "notificationIds",
    "messageId",
    "requestId",
    "clientMessageId",
    "deviceId",
    "sessionId",
    "service",
    "topic",
    "id",
    "jti",
];
/// The fields with texts for people.
const TEXTS: [&str; 4] = ["content", "title", "message", "reason"];

/// A text with a string that breaks the rule.
pub(crate) struct Broken {
    /// The path of the first field that does; empty when it has no name that can be repeated.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) problem: &'static str,
    /// The same text with U+FFFD in place of each half and each U+0000, from which the rest of the message can be read.
    pub(crate) repaired: String,
}

/// Finds what a text, which need not be JSON, has of them. A blank text in ASCII may be passed over.
pub(crate) fn find_in_command(text: &str) -> Option<Broken> {
    // Most commands have neither escapes nor other characters, and are looked through no further.
    if text.is_ascii() && !text.contains("\\u") { None } else { find(text) }
}

/// Finds what a text, which need not be JSON, has of them.
pub(crate) fn find(text: &str) -> Option<Broken> {
    walk(text, |walk, written| walk.broken_rule(written))
}

/// Finds halves of surrogate pairs and U+0000 only, for clients whose size counts: the gateway looks for the rest.
pub(crate) fn find_unreadable(text: &str) -> Option<Broken> {
    walk(text, |_, _| None)
}

/// How a string of a field is checked: what is wrong with it, when it was written like this.
type Rule = fn(&Walk<'_>, &str) -> Option<&'static str>;

fn walk(text: &str, rule: Rule) -> Option<Broken> {
    let mut walk = Walk { text, at: 0, around: Vec::new(), first: None, repairs: Vec::new(), rule };
    while walk.step() {}
    let (field, problem) = walk.first?;
    let mut repaired = String::with_capacity(text.len());
    let mut from = 0;
    for repair in walk.repairs {
        repaired.push_str(text.get(from..repair)?);
        repaired.push_str("\\ufffd");
        from = repair + ESCAPE;
    }
    repaired.push_str(text.get(from..)?);
    Some(Broken { field, problem, repaired })
}

/// The bytes of `\ud800`.
const ESCAPE: usize = 6;

/// Goes through a text once, and knows where it is.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    /// The objects and lists around the place, the outermost first.
    around: Vec<Around<'a>>,
    /// The first field that breaks the rule, and how.
    first: Option<(String, &'static str)>,
    /// Where each half and each U+0000 begins.
    repairs: Vec<usize>,
    rule: Rule,
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
        let mut problem = None;
        loop {
            match self.text.as_bytes().get(self.at) {
                None => return false,
                Some(b'"') => break,
                Some(b'\\') => {
                    let found = self.escape();
                    problem = problem.or(found);
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let is_clean = problem.is_none();
        let written = self.text.get(from..self.at);
        let is_name = matches!(self.around.last(), Some(Around::Object { is_name_next: true, .. }));
        if self.first.is_none() {
            let problem =
                problem.or_else(|| written.filter(|_| !is_name).and_then(|written| (self.rule)(self, written)));
            self.first = problem.map(|problem| (self.path(), problem));
        }
        if let Some(Around::Object { name, is_name_next: true }) = self.around.last_mut() {
            *name = written.filter(|_| is_clean);
        }
        true
    }

    /// Takes an escape, or two that are a pair together. Returns what is wrong with it.
    fn escape(&mut self) -> Option<&'static str> {
        let problem = match unit_at(self.text, self.at) {
            None => {
                self.at += 2;
                return None;
            }
            Some(0xd800..0xdc00) if matches!(unit_at(self.text, self.at + ESCAPE), Some(0xdc00..0xe000)) => {
                self.at += 2 * ESCAPE;
                return None;
            }
            Some(0) => Some(NUL),
            Some(0xd800..0xe000) => Some(PROBLEM),
            Some(_) => None,
        };
        if problem.is_some() {
            self.repairs.push(self.at);
        }
        self.at += ESCAPE;
        problem
    }

    /// Which rule for its field a string breaks.
    fn broken_rule(&self, written: &str) -> Option<&'static str> {
        let name = self.around.iter().rev().find_map(|around| match around {
            Around::Object { name, .. } => Some(*name),
            Around::List(_) => None,
        })??;
        let name = unescaped(name)?;
        let is_id = IDENTIFIERS.contains(&&*name) && (!written.is_ascii() || written.contains('\\'));
        // Other texts of these names, within an object of a message, are not for people.
        let is_for_people = self.around.len() == 1 && TEXTS.contains(&&*name);
        if !is_id && !is_for_people || self.path() == "data" {
            return None;
        }
        let said = unescaped(written)?;
        if is_id && said.chars().any(is_unseen) {
            Some(IdError::Unseen.sentence())
        } else if is_for_people && !said.is_empty() && is_blank(&said) {
            Some(BLANK)
        } else {
            None
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
        find(text).map(|broken| broken.field)
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
        let broken = find(r#"{"a":"x\ud800y\udc00","\udfffz":"\ud83d\ude00\ud83d\ud83d\ude00"}"#).unwrap();
        assert_eq!(broken.repaired, r#"{"a":"x\ufffdy\ufffd","\ufffdz":"\ud83d\ude00\ufffd\ud83d\ude00"}"#);
    }

    #[test]
    fn each_rule_is_for_its_fields() {
        for (text, expected) in [
            (r#"{"clanId":"a\u200bb"}"#, Some("clanId")),
            ("{\"clanId\":\"a\u{202e}b\"}", Some("clanId")),
            (r#"{"notificationIds":["a","\udb40\udc41"]}"#, Some("notificationIds[1]")),
            (r#"{"client":{"name":"\ufeff"}}"#, None),
            (r#"{"recover":{"clanId":"\ufeff"}}"#, Some("recover.clanId")),
            (r#"{"content":" \n"}"#, Some("content")),
            (r#"{"title":"\u3000\u200b"}"#, Some("title")),
            (r#"{"content":"a\u0000"}"#, Some("content")),
            (r#"{"later":{"x":"\u0000"}}"#, Some("later.x")),
            (r#"{"data":{"\u0000":1}}"#, Some("data")),
            (r#"{"data":{"clanId":"\u200b","content":" "}}"#, None),
            ("{\"content\":\"\u{202b}\u{5d0}\u{202c}\u{200d}\"}", None),
            (r#"{"content":"\\u0000"}"#, None),
            (r#"{"content":""}"#, None),
            (r#"{"error":{"message":" "},"token":"\u200b"}"#, None),
        ] {
            assert_eq!(field(text).as_deref(), expected, "{text}");
        }
    }
}
