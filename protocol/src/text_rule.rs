//! The rules for text: invisible characters, which identifiers must not contain, blank texts, and U+0000, which no text
//! may contain. They are the same for messages, HTTP and AMQP.

/// The error text for a text without visible characters.
pub(crate) const BLANK: &str = "a character is needed that is neither white space nor zero-width";
/// The error text for a text with U+0000. Databases and C programs truncate texts at this character.
pub(crate) const NUL: &str = "the character U+0000 is in no text";

/// Returns whether a character has the Unicode property `Default_Ignorable_Code_Point`: zero-width characters, controls
/// of the bidirectional algorithm, variation selectors and tags. Such characters make different names look the same.
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

/// Returns whether a text contains only white space (the Unicode property `White_Space`) and invisible characters.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_unseen(c))
}

/// Returns whether a new text for people is valid: it has a visible character and no U+0000.
pub(crate) fn is_visible_text(text: &str) -> bool {
    !is_blank(text) && !text.contains('\0')
}

/// The pattern of texts for people: no U+0000, and at least one visible character. It uses only syntax that all regular
/// expression engines interpret alike, so it does not cover characters beyond U+FFFF.
pub(crate) const VISIBLE_TEXT_PATTERN: &str = concat!(
    r"^[^\u0000]*",
    r"[^\u0000\u0009-\u000d\u0020\u0085\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f",
    r"\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8]",
    r"[^\u0000]*$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_visible_characters_is_blank() {
        for blank in ["", " ", "\t\r\n", "\u{a0}\u{3000}", "\u{200b}", "\u{2060}\u{feff} \u{200d}", "\u{e0041}"] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for seen in ["x", " x ", "\u{1f468}\u{200d}\u{1f469}", "\u{2800}", "\u{202e}x", "0"] {
            assert!(!is_blank(seen), "{seen:?}");
        }
        assert!(!is_visible_text("a\0b"));
    }

    #[test]
    fn bidirectional_controls_are_invisible() {
        let controls = ['\u{61c}', '\u{200e}', '\u{200f}'];
        let embeddings = '\u{202a}'..='\u{202e}';
        let isolates = '\u{2066}'..='\u{2069}';
        assert!(controls.into_iter().chain(embeddings).chain(isolates).all(is_unseen));
        assert!(!"aé日本\u{1f600}-_.~".chars().any(is_unseen));
    }
}
