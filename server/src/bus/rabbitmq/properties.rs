//! Reads the strings and tables of an AMQP frame, and replaces in place what lapin would refuse: a short string that is
//! not UTF-8. AMQP 0-9-1 asks for UTF-8 there, RabbitMQ does not check it.

use std::fmt::Write;

/// How deep header tables may nest. lapin reads them by recursion on a thread with a stack of 2 MiB.
const MAX_DEPTH: u8 = 32;
/// The properties of the class `basic` in their order, each with its bit (AMQP 0-9-1, section 4.2.6.1).
const PROPERTIES: [(&str, u16, Kind); 14] = [
    ("content_type", 1 << 15, Kind::Short),
    ("content_encoding", 1 << 14, Kind::Short),
    ("headers", 1 << 13, Kind::Table),
    ("delivery_mode", 1 << 12, Kind::Bytes(1)),
    ("priority", 1 << 11, Kind::Bytes(1)),
    ("correlation_id", 1 << 10, Kind::Short),
    ("reply_to", 1 << 9, Kind::Short),
    ("expiration", 1 << 8, Kind::Short),
    ("message_id", 1 << 7, Kind::Short),
    ("timestamp", 1 << 6, Kind::Bytes(8)),
    ("type", 1 << 5, Kind::Short),
    ("user_id", 1 << 4, Kind::Short),
    ("app_id", 1 << 3, Kind::Short),
    ("cluster_id", 1 << 2, Kind::Short),
];

/// How a property is written.
#[derive(Clone, Copy)]
enum Kind {
    Short,
    Table,
    Bytes(usize),
}

/// A part of a message as the broker sent it, where lapin gets something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Original {
    /// The AMQP name of the part.
    pub(super) field: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// What lapin could not have read of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) originals: Vec<Original>,
    /// Why none of its properties can be read; none when single strings were replaced.
    pub(super) broken: Option<Broken>,
}

impl Unreadable {
    /// What is wrong, in a sentence without content.
    pub(super) fn detail(&self) -> String {
        let mut text = String::new();
        for original in self.originals.iter().filter(|original| original.field != "properties") {
            let comma = if text.is_empty() { "" } else { ", " };
            // Writing into a String cannot fail.
            let _ = write!(text, "{comma}{}: it is not UTF-8", original.field);
        }
        if let Some(broken) = self.broken {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{comma}properties: {broken}");
        }
        text
    }
}

/// Why fields cannot be read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("they are malformed")]
    Malformed,
    #[error("header tables nest deeper than 32 levels")]
    TooDeep,
}

/// Reads fields one after the other.
pub(super) struct Fields<'a> {
    bytes: &'a mut [u8],
    at: usize,
    /// What was replaced.
    pub(super) originals: Vec<Original>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, at: 0, originals: Vec::new() }
    }

    /// The next bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()).ok_or(Broken::Malformed)?;
        self.at += N;
        Ok(*bytes)
    }

    fn skip(&mut self, count: usize) -> Result<(), Broken> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        self.at = end.ok_or(Broken::Malformed)?;
        Ok(())
    }

    /// A length of four bytes, and where what has this length ends.
    fn end(&mut self) -> Result<usize, Broken> {
        let length = usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| Broken::Malformed)?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        end.ok_or(Broken::Malformed)
    }

    /// A short string. Where it is not UTF-8, its bytes outside ASCII become question marks: the length stays.
    pub(super) fn short(&mut self, field: &'static str) -> Result<(), Broken> {
        let [length] = self.array()?;
        let start = self.at;
        self.skip(length.into())?;
        let text = self.bytes.get_mut(start..self.at).ok_or(Broken::Malformed)?;
        if std::str::from_utf8(text).is_err() {
            self.originals.push(Original { field, bytes: text.to_vec() });
            text.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
        }
        Ok(())
    }

    /// The properties of a content header, up to its end.
    pub(super) fn properties(&mut self) -> Result<(), Broken> {
        let flags = u16::from_be_bytes(self.array()?);
        for (field, bit, kind) in PROPERTIES {
            match kind {
                _ if flags & bit == 0 => {}
                Kind::Short => self.short(field)?,
                Kind::Table => self.table(0)?,
                Kind::Bytes(count) => self.skip(count)?,
            }
        }
        if self.at == self.bytes.len() { Ok(()) } else { Err(Broken::Malformed) }
    }

    fn table(&mut self, depth: u8) -> Result<(), Broken> {
        let end = self.end()?;
        while self.at < end {
            self.short("header name")?;
            self.value(depth)?;
        }
        if self.at == end { Ok(()) } else { Err(Broken::Malformed) }
    }

    fn value(&mut self, depth: u8) -> Result<(), Broken> {
        let [kind] = self.array()?;
        match kind {
            b'V' => Ok(()),
            b't' | b'b' | b'B' => self.skip(1),
            b's' | b'U' | b'u' => self.skip(2),
            b'I' | b'i' | b'f' => self.skip(4),
            b'D' => self.skip(5),
            b'l' | b'L' | b'd' | b'T' => self.skip(8),
            b'S' | b'x' => {
                self.at = self.end()?;
                Ok(())
            }
            b'F' | b'A' if depth >= MAX_DEPTH => Err(Broken::TooDeep),
            b'F' => self.table(depth + 1),
            b'A' => {
                let end = self.end()?;
                while self.at < end {
                    self.value(depth + 1)?;
                }
                if self.at == end { Ok(()) } else { Err(Broken::Malformed) }
            }
            _ => Err(Broken::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &mut [u8]) -> (Result<(), Broken>, Vec<Original>) {
        let mut fields = Fields::new(bytes);
        (fields.properties(), fields.originals)
    }

    fn table(depth: usize) -> Vec<u8> {
        (0..depth).fold(Vec::new(), |inner, _| {
            let length = u32::try_from(inner.len()).unwrap().to_be_bytes();
            [b"\x01kF".as_slice(), &length, &inner].concat()
        })
    }

    #[test]
    fn replaces_each_short_string_that_is_not_utf8() {
        for (field, bit, kind) in PROPERTIES {
            if !matches!(kind, Kind::Short) {
                continue;
            }
            let mut bytes = [&bit.to_be_bytes()[..], b"\x03a\xf6\xdf"].concat();
            let (result, originals) = read(&mut bytes);
            assert_eq!((result, originals), (Ok(()), vec![Original { field, bytes: b"a\xf6\xdf".to_vec() }]));
            assert!(bytes.ends_with(b"\x03a??"), "{field}");
            let mut bytes = [&bit.to_be_bytes()[..], "\x03a\u{f6}".as_bytes()].concat();
            assert_eq!(read(&mut bytes), (Ok(()), vec![]), "{field}");
        }
    }

    #[test]
    fn replaces_header_names_in_nested_tables_and_arrays() {
        let inner = b"\x01\xffS\0\0\0\x01\xff";
        let array = [b"F\0\0\0\x08".as_slice(), inner].concat();
        let entry = [b"\x01aA\0\0\0\x0d".as_slice(), &array].concat();
        let mut bytes = [b"\x20\0\0\0\0\x14".as_slice(), &entry].concat();
        let (result, originals) = read(&mut bytes);
        assert_eq!((result, originals), (Ok(()), vec![Original { field: "header name", bytes: vec![0xff] }]));
        assert!(bytes.ends_with(b"\x01?S\0\0\0\x01\xff"), "a long string may hold any bytes");
    }

    #[test]
    fn limits_the_depth_of_tables() {
        for (depth, result) in [(32, Ok(())), (33, Err(Broken::TooDeep)), (15_000, Err(Broken::TooDeep))] {
            let table = table(depth);
            let length = u32::try_from(table.len()).unwrap().to_be_bytes();
            let mut bytes = [b"\x20\0".as_slice(), &length, &table].concat();
            assert_eq!(read(&mut bytes).0, result, "{depth}");
        }
    }

    #[test]
    fn refuses_what_ends_early_or_late_and_unknown_types() {
        for bytes in [
            b"\x80".as_slice(),
            b"\x80\0\x05abc",
            b"\0\0more",
            b"\x20\0\0\0\0\x09\x01a",
            b"\x20\0\0\0\0\x03\x01a?",
            b"\x20\0\0\0\0\x03\x01as\0\0",
        ] {
            assert_eq!(read(&mut bytes.to_vec()).0, Err(Broken::Malformed), "{bytes:?}");
        }
    }
}
