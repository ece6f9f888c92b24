//! The rule for text: characters that no identifier may hold, texts that say nothing, and the one character that no text may
//! hold. It is the same for messages, HTTP and AMQP.

/// What is wrong with a text that no reader would see.
pub(crate) const BLANK: &str = "a character is needed that is neither white space nor zero-width";
/// What is wrong with a text that holds U+0000, which databases and C programs cut texts at.
pub(crate) const NUL: &str = "the character U+0000 is in no text";

/// Whether a character has the Unicode property `Default_Ignorable_Code_Point`: zero-width characters, the controls of the
/// bidirectional algorithm, variation selectors and tags. Such characters let one name look like another.
pub fn is_unseen(c: char) -> bool {
    matches!(
        u32::from(c),
        0xad | 0x34f
            | 0x61c
            | 0x115f..=0x1160
            | 0x17b4..=0x17b5
            | 0x180b..=0x180f
            | 0x200b..=0x200f
            | 0x202a..=0x202e
            | 0x2060..=0x206f
            | 0x3164
            | 0xfe00..=0xfe0f
            | 0xfeff
            | 0xffa0
            | 0xfff0..=0xfff8
            | 0x1bca0..=0x1bca3
            | 0x1d173..=0x1d17a
            | 0xe0000..=0xe0fff
    )
}

/// Whether a text has nothing but white space (the Unicode property `White_Space`) and characters that are not seen.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_unseen(c))
}

/// Whether a new text for people may be this.
pub(crate) fn is_said(text: &str) -> bool {
    !is_blank(text) && !text.contains('\0')
}

/// A pattern of texts for people, in words that every regular expression engine reads alike: no U+0000, and one character
/// that is seen. It leaves out the characters beyond U+FFFF, which the engines write in different ways.
pub(crate) const SAID_PATTERN: &str = concat!(
    r"^[^\u0000]*",
    r"[^\u0000\u0009-\u000d\u0020\u0085\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f",
    r"\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8]",
    r"[^\u0000]*$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_blank_without_a_character_that_is_seen() {
        for blank in ["", " ", "\t\r\n", "\u{a0}\u{3000}", "\u{200b}", "\u{2060}\u{feff} \u{200d}", "\u{e0041}"] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for seen in ["x", " x ", "\u{1f468}\u{200d}\u{1f469}", "\u{2800}", "\u{202e}x", "0"] {
            assert!(!is_blank(seen), "{seen:?}");
        }
        assert!(!is_said("a\0b"));
    }

    #[test]
    fn every_control_of_the_bidirectional_algorithm_is_unseen() {
        let controls = ['\u{61c}', '\u{200e}', '\u{200f}'];
        let embeddings = '\u{202a}'..='\u{202e}';
        let isolates = '\u{2066}'..='\u{2069}';
        assert!(controls.into_iter().chain(embeddings).chain(isolates).all(is_unseen));
        assert!(!"aé日本\u{1f600}-_.~".chars().any(is_unseen));
    }
}
