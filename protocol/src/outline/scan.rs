//! A JSON scanner (RFC 8259): finds where values start and end, without decoding them.

use std::borrow::Cow;

use crate::MAX_SERVER_DEPTH;

/// A member of an object: the unescaped name, and the value as text.
pub(super) struct Member<'a> {
    pub(super) name: Cow<'a, str>,
    /// The text of the value, without surrounding white space.
    pub(super) value: &'a str,
}

/// The reason why a text is not accepted as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// The byte at this position is unexpected.
    At(usize),
    /// It nests too deeply.
    TooDeep,
}

/// Scans a text once from start to end.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    max_depth: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, max_depth: MAX_SERVER_DEPTH }
    }

    /// Sets the maximum nesting depth. It is [`MAX_SERVER_DEPTH`] otherwise.
    pub(super) fn at_most(self, max_depth: usize) -> Self {
        Self { max_depth, ..self }
    }

    /// Scans the whole text as one value. Returns the members if it is an object, or `None` for any other value.
    pub(super) fn whole(mut self) -> Result<Option<Vec<Member<'a>>>, Broken> {
        let mut members = Vec::new();
        self.space();
        let is_object = self.next_is(b'{');
        if is_object {
            self.object(1, Some(&mut members))?;
        } else {
            self.value(0)?;
        }
        self.space();
        if self.at < self.text.len() { Err(self.broken()) } else { Ok(is_object.then_some(members)) }
    }

    /// Returns the items of a list, or `None` if the value is not a list. The text has to be a value that was scanned
    /// before.
    pub(super) fn items(mut self) -> Option<Vec<&'a str>> {
        let mut items = Vec::new();
        self.next_is(b'[').then_some(())?;
        self.list(1, Some(&mut items)).ok()?;
        Some(items)
    }

    fn value(&mut self, depth: usize) -> Result<(), Broken> {
        match self.peek() {
            b'{' => self.object(depth + 1, None),
            b'[' => self.list(depth + 1, None),
            b'"' => self.string().map(|_| ()),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize, mut members: Option<&mut Vec<Member<'a>>>) -> Result<(), Broken> {
        self.open(depth)?;
        if self.closes(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            self.expect(b':')?;
            let value = self.slice(depth)?;
            if let Some(members) = &mut members {
                let name = unescaped(name).ok_or_else(|| self.broken())?;
                members.push(Member { name, value });
            }
            if self.ends(b'}')? {
                return Ok(());
            }
        }
    }

    fn list(&mut self, depth: usize, mut items: Option<&mut Vec<&'a str>>) -> Result<(), Broken> {
        self.open(depth)?;
        if self.closes(b']') {
            return Ok(());
        }
        loop {
            let value = self.slice(depth)?;
            if let Some(items) = &mut items {
                items.push(value);
            }
            if self.ends(b']')? {
                return Ok(());
            }
        }
    }

    fn open(&mut self, depth: usize) -> Result<(), Broken> {
        self.at += 1;
        if depth > self.max_depth { Err(Broken::TooDeep) } else { Ok(()) }
    }

    /// Consumes the closing bracket if it is next.
    fn closes(&mut self, closing: u8) -> bool {
        self.space();
        self.next_is(closing) && self.step()
    }

    /// Consumes the closing bracket and returns true, or consumes a comma and returns false.
    fn ends(&mut self, closing: u8) -> Result<bool, Broken> {
        if self.closes(closing) {
            return Ok(true);
        }
        self.expect(b',').map(|()| false)
    }

    /// Scans a value and returns its text.
    fn slice(&mut self, depth: usize) -> Result<&'a str, Broken> {
        self.space();
        let from = self.at;
        self.value(depth)?;
        Ok(self.text.get(from..self.at).unwrap_or_default())
    }

    /// Scans a string and returns its text, including the quotes.
    fn string(&mut self) -> Result<&'a str, Broken> {
        let from = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek() {
                b'"' => break,
                b'\\' => {
                    self.at += 1;
                    match self.peek() {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            self.at += 1;
                            for _ in 0..4 {
                                if !self.peek().is_ascii_hexdigit() {
                                    return Err(self.broken());
                                }
                                self.at += 1;
                            }
                        }
                        _ => return Err(self.broken()),
                    }
                }
                // Control characters are not allowed. 0 is also the end of the text.
                0..0x20 => return Err(self.broken()),
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Ok(self.text.get(from..self.at).unwrap_or_default())
    }

    fn word(&mut self, word: &str) -> Result<(), Broken> {
        word.bytes().try_for_each(|byte| self.expect(byte))
    }

    fn number(&mut self) -> Result<(), Broken> {
        if self.next_is(b'-') {
            self.at += 1;
        }
        if self.next_is(b'0') {
            self.at += 1
        } else {
            self.digits()?
        }
        if self.next_is(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Scans one or more digits.
    fn digits(&mut self) -> Result<(), Broken> {
        if !self.peek().is_ascii_digit() {
            return Err(self.broken());
        }
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Broken> {
        if self.next_is(byte) && self.step() { Ok(()) } else { Err(self.broken()) }
    }

    fn step(&mut self) -> bool {
        self.at += 1;
        true
    }

    fn next_is(&self, byte: u8) -> bool {
        self.peek() == byte
    }

    /// Returns the next byte, or 0 at the end. JSON never contains the byte 0.
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn broken(&self) -> Broken {
        Broken::At(self.at)
    }
}

/// Unescapes a string that is given with its quotes. Returns `None` when it contains half a surrogate pair or is not a
/// string.
pub(crate) fn unescaped(string: &str) -> Option<Cow<'_, str>> {
    let inner = string.strip_prefix('"')?.strip_suffix('"')?;
    let Some(first) = inner.find('\\') else { return Some(Cow::Borrowed(inner)) };
    let (plain, mut rest) = inner.split_at_checked(first)?;
    let mut value = plain.to_owned();
    while let Some(escape) = rest.strip_prefix('\\') {
        let mut after = escape.chars();
        value.push(match after.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => unit(&mut after)?,
            other => other,
        });
        let escaped = after.as_str();
        let (plain, next) = escaped.split_at_checked(escaped.find('\\').unwrap_or(escaped.len()))?;
        value.push_str(plain);
        rest = next;
    }
    Some(Cow::Owned(value))
}

/// Decodes the character of a `\u` escape, which is two escapes for a surrogate pair.
fn unit(after: &mut std::str::Chars<'_>) -> Option<char> {
    let first = hex(after)?;
    let code = if (0xd800..0xdc00).contains(&first) {
        let second = after.as_str().strip_prefix("\\u").map(str::chars)?;
        *after = second;
        let second = hex(after).filter(|second| (0xdc00..0xe000).contains(second))?;
        0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
    } else {
        first
    };
    char::from_u32(code)
}

fn hex(after: &mut std::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |code, _| Some(code << 4 | after.next()?.to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_object_into_members() {
        let members = Scanner::new(" {\"a\" : [1, {\"b\":2}] ,\"\\u0062\":\"x\\\"y\"} ").whole().unwrap().unwrap();
        let seen: Vec<_> = members.iter().map(|member| (&*member.name, member.value)).collect();
        assert_eq!(seen, [("a", "[1, {\"b\":2}]"), ("b", "\"x\\\"y\"")]);
        assert!(Scanner::new("[1]").whole().unwrap().is_none());
        assert_eq!(Scanner::new("[1, \"a\",{}]").items().unwrap(), ["1", "\"a\"", "{}"]);
    }

    #[test]
    fn unescapes_strings() {
        assert_eq!(unescaped(r#""a\n\u00e9\ud83d\ude00\/z""#).unwrap(), "a\n\u{e9}\u{1f600}/z");
        assert_eq!(unescaped(r#""\ud83d""#), None);
        assert_eq!(unescaped(r#""\ud83d\u0061""#), None);
        assert_eq!(unescaped(r#""\ude00""#), None);
        assert!(matches!(unescaped("\"plain\""), Some(Cow::Borrowed("plain"))));
    }
}
