//! Reads the tokens of a JSON text. `None` means that the text is not JSON (RFC 8259), or that the token is unusual.

use std::borrow::Cow;

use super::number::Number;

/// A position in a JSON text.
#[derive(Clone, Copy)]
pub(super) struct Reader<'t> {
    text: &'t str,
    position: usize,
}

/// A text of eight bytes that are all one.
const ONES: u64 = 0x0101_0101_0101_0101;

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, position: 0 }
    }

    /// Returns the length of the whole text in bytes.
    pub(super) fn length(&self) -> usize {
        self.text.len()
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Returns the next byte, without reading it.
    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    /// Reads the next byte.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.position += 1;
        Some(byte)
    }

    /// Reads a byte that must be next.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// Reads the byte if it is next, and returns whether it was.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.position += usize::from(found);
        found
    }

    /// Reads white space.
    #[inline]
    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.position += 1;
        }
    }

    /// Reads a word, such as `true`.
    pub(super) fn word(&mut self, word: &str) -> Option<()> {
        let rest = self.text.as_bytes().get(self.position..)?;
        rest.starts_with(word.as_bytes()).then(|| self.position += word.len())
    }

    /// Reads a string, and decodes its escapes.
    pub(super) fn string(&mut self) -> Option<Cow<'t, str>> {
        let start = self.position;
        self.expect(b'"')?;
        self.position = self.next_special()?;
        if self.next()? == b'"' {
            return self.text.get(start + 1..self.position - 1).map(Cow::Borrowed);
        }
        self.escaped_string(start)
    }

    /// Reads a string from its first escape. The JSON parser decodes it: it refuses control characters and lone
    /// surrogates.
    fn escaped_string(&mut self, start: usize) -> Option<Cow<'t, str>> {
        // The position is behind the first backslash.
        loop {
            self.next()?;
            self.position = self.next_special()?;
            if self.next()? == b'"' {
                break;
            }
        }
        serde_json::from_str(self.text.get(start..self.position)?).ok().map(Cow::Owned)
    }

    /// Returns the position of the next quotation mark, backslash or control character.
    fn next_special(&self) -> Option<usize> {
        let mut position = self.position;
        let bytes = self.text.as_bytes();
        // Eight bytes at a time. A byte is marked by its highest bit; the first mark is never wrong, later ones may be.
        while let Some(chunk) = bytes.get(position..position + 8).and_then(|chunk| chunk.try_into().ok()) {
            let chunk = u64::from_le_bytes(chunk);
            let equals = |byte: u8| {
                let difference = chunk ^ (ONES * u64::from(byte));
                difference.wrapping_sub(ONES) & !difference
            };
            let control = chunk.wrapping_sub(ONES * 0x20) & !chunk;
            let marked = (equals(b'"') | equals(b'\\') | control) & (ONES * 0x80);
            if marked != 0 {
                return Some(position + (marked.trailing_zeros() / 8) as usize);
            }
            position += 8;
        }
        let rest = bytes.get(position..)?;
        rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)).map(|found| position + found)
    }

    /// Reads a number.
    pub(super) fn number(&mut self) -> Option<Number> {
        let start = self.position;
        let negative = self.take(b'-');
        let digits = self.digits();
        let whole = self.text.get(start + usize::from(negative)..self.position)?;
        if digits == 0 || (digits > 1 && whole.starts_with('0')) {
            return None;
        }
        let is_whole = !matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        // -0 is a floating-point number, and 18 digits always fit.
        if is_whole && digits <= 18 && !(negative && whole == "0") {
            let value = whole.bytes().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
            return Some(Number::Integer(if negative { -value } else { value }));
        }
        while let Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') = self.peek() {
            self.position += 1;
        }
        // The JSON parser checks the rest, and refuses numbers that are too large.
        let float = serde_json::from_str(self.text.get(start..self.position)?).ok()?;
        Some(if is_whole { Number::Large } else { Number::Float(float) })
    }

    /// Reads digits, and returns how many there are.
    fn digits(&mut self) -> usize {
        let start = self.position;
        while let Some(b'0'..=b'9') = self.peek() {
            self.position += 1;
        }
        self.position - start
    }
}
