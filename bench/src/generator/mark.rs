//! Marks: each content begins with the time of its sending, its topic and its number in the topic, so that the receiver
//! finds them without decoding the message of the server.

use memchr::memmem::Finder;

/// The length of a content.
const CONTENT_LENGTH: usize = 128;
/// The beginning of a mark, which occurs nowhere else in the messages of the servers.
const BEGIN: &[u8] = b"~T";
/// The length of a mark: its beginning, 16 digits for the time, 8 for the topic, 8 for the number, and `~`.
const LENGTH: usize = 35;

/// What a content says about its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// When it was sent, or should have been, in nanoseconds since the start of the load.
    pub(super) sent: u64,
    /// The topic.
    pub(super) topic: u32,
    /// The number of the message in its topic, from 1.
    pub(super) sequence: u32,
}

impl Mark {
    /// Returns the content of the message: 128 bytes.
    pub(super) fn content(self) -> String {
        let mark = format!("~T{:016x}{:08x}{:08x}~", self.sent, self.topic, self.sequence);
        format!("{mark:x<CONTENT_LENGTH$}")
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let digits = bytes.strip_prefix(BEGIN)?.strip_suffix(b"~")?;
        let (sent, rest) = digits.split_at_checked(16)?;
        let (topic, sequence) = rest.split_at_checked(8)?;
        Some(Self { sent: hex(sent)?, topic: hex(topic)? as u32, sequence: hex(sequence)? as u32 })
    }
}

/// Reads hexadecimal digits. Faster than `u64::from_str_radix`, which matters because the client shares the machine with
/// the server.
fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

/// Finds marks in the text of frames. A frame may contain several messages.
pub(super) struct MarkFinder(Finder<'static>);

impl MarkFinder {
    /// Creates a finder.
    pub(super) fn new() -> Self {
        Self(Finder::new(BEGIN))
    }

    /// Returns the marks in a text, in their order.
    pub(super) fn marks<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Mark> + 'a {
        let starts = self.0.find_iter(text);
        starts.filter_map(|start| Mark::read(text.get(start..start + LENGTH)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_marks_of_several_messages_in_one_text() {
        let first = Mark { sent: u64::MAX, topic: 7, sequence: 1 };
        let second = Mark { sent: 0, topic: u32::MAX, sequence: u32::MAX };
        let text = format!(r#"{{"m":"{}"}} {{"m":"{}"}}"#, first.content(), second.content());
        let found: Vec<_> = MarkFinder::new().marks(text.as_bytes()).collect();
        assert_eq!(found, [first, second]);
        assert_eq!(first.content().len(), CONTENT_LENGTH);
    }

    #[test]
    fn ignores_what_is_no_whole_mark() {
        let content = Mark { sent: 5, topic: 6, sequence: 7 }.content();
        for text in ["", "~T", "~T12~T", &content[..LENGTH - 1], &content.replacen("~T0", "~Tg", 1)] {
            assert_eq!(MarkFinder::new().marks(text.as_bytes()).next(), None, "{text}");
        }
    }
}
