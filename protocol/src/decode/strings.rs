//! Finds strings that no message may contain: halves of surrogate pairs, which JSON can express with `\u` (RFC 8259,
//! section 8.2) although no valid text contains them; U+0000; invisible characters in identifiers; and blank texts for
//! people.
//!
//! JSON parsers handle halves of surrogate pairs differently: some reject the message, others replace them with U+FFFD.
//! Strings with halves or U+0000 are therefore rejected everywhere, even in values that the gateway forwards without
//! parsing.

use crate::{
    id::IdError,
    outline::unescaped,
    text_rule::{BLANK, NUL, is_blank, is_unseen},
};

/// The error text for a string with half of a surrogate pair.
pub(crate) const PROBLEM: &str = "half of a surrogate pair (\\ud800 to \\udfff without its other half) is no character";

/// The fields with an identifier or a list of identifiers.
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

/// A text with a string that breaks a rule.
pub(crate) struct Broken {
    /// The path of the first field that breaks a rule. Empty when its name must not be repeated.
    pub(crate) field: String,
    /// The problem of the field.
    pub(crate) problem: &'static str,
    /// The text with U+FFFD in place of each half and each U+0000, so that the rest of the message can be read.
    pub(crate) repaired: String,
}

/// Finds such strings in a command, which need not be valid JSON. It may miss blank ASCII texts, which are checked
/// later.
pub(crate) fn find_in_command(text: &str) -> Option<Broken> {
    // Most commands are ASCII without escapes, so the search can be skipped.
    if text.is_ascii() && !text.contains("\\u") { None } else { find(text) }
}

/// Finds such strings in a text, which need not be valid JSON.
pub(crate) fn find(text: &str) -> Option<Broken> {
    walk(text, |walk, written| walk.broken_rule(written))
}

/// Finds only halves of surrogate pairs and U+0000. Clients use this to keep their code small, because the gateway
/// checks the other rules.
pub(crate) fn find_unreadable(text: &str) -> Option<Broken> {
    walk(text, |_, _| None)
}

/// An additional check of a string. It gets the string as written and returns the problem, if any.
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

/// The length of an escape such as `\ud800`, in bytes.
const ESCAPE: usize = 6;

/// Walks through a text once and tracks the current path.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    /// The objects and lists around the current position, outermost first.
    around: Vec<Around<'a>>,
    /// The path and the problem of the first field that breaks a rule.
    first: Option<(String, &'static str)>,
    /// The positions of the halves and of U+0000.
    repairs: Vec<usize>,
    rule: Rule,
}

/// An object or a list that has not ended yet.
enum Around<'a> {
    /// The name of the current member as written, and whether a name follows next.
    Object { name: Option<&'a str>, is_name_next: bool },
    /// The index of the current item.
    List(usize),
}

impl<'a> Walk<'a> {
    /// Consumes the next token. Returns false at the end.
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

    /// Consumes a string including its quotes. Returns false if it does not end.
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

    /// Consumes an escape, or two escapes that form a surrogate pair. Returns the problem, if any.
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

    /// Returns the rule of its field that a string breaks.
    fn broken_rule(&self, written: &str) -> Option<&'static str> {
        let name = self.around.iter().rev().find_map(|around| match around {
            Around::Object { name, .. } => Some(*name),
            Around::List(_) => None,
        })??;
        let name = unescaped(name)?;
        let is_id = IDENTIFIERS.contains(&&*name) && (!written.is_ascii() || written.contains('\\'));
        // Fields with these names inside inner objects are not texts for people.
        let is_for_people = self.around.len() == 1 && TEXTS.contains(&&*name);
        if !is_id && !is_for_people || self.path() == "data" {
            return None;
        }
        let value = unescaped(written)?;
        if is_id && value.chars().any(is_unseen) {
            Some(IdError::Unseen.sentence())
        } else if is_for_people && !value.is_empty() && is_blank(&value) {
            Some(BLANK)
        } else {
            None
        }
    }

    /// Returns the current path. Names inside `data` belong to the application and are not repeated.
    fn path(&self) -> String {
        let mut path = String::new();
        for around in &self.around {
            match around {
                Around::Object { name, .. } => {
                    let Some(name) = name.and_then(unescaped).filter(|name| is_plain(name)) else { break };
                    let point = if path.is_empty() { "" } else { "." };
                    path.extend([point, &name]);
                }
                Around::List(index) => path.push_str(&["[", &index.to_string(), "]"].concat()),
            }
            if path == "data" {
                break;
            }
        }
        path
    }
}

/// Returns the UTF-16 code unit of a `\u` escape at this position.
fn unit_at(text: &str, at: usize) -> Option<u32> {
    let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
    // Check the digits, because `from_str_radix` also accepts a sign.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// Returns whether a name looks like a field name. Other names are not repeated in errors, because they may be secrets.
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
    fn reports_field_of_the_first_half() {
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
    fn accepts_complete_pairs_and_other_escapes() {
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
    fn replaces_every_half() {
        let broken = find(r#"{"a":"x\ud800y\udc00","\udfffz":"\ud83d\ude00\ud83d\ud83d\ude00"}"#).unwrap();
        assert_eq!(broken.repaired, r#"{"a":"x\ufffdy\ufffd","\ufffdz":"\ud83d\ude00\ufffd\ud83d\ude00"}"#);
    }

    #[test]
    fn applies_each_rule_to_its_fields_only() {
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
