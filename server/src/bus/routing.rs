//! Identifiers as words of a routing key: percent-encoded outside `[A-Za-z0-9_-]`, so that a dot is never part of one.

use std::fmt::Write;

/// An identifier as one word of a routing key.
pub fn encode_word(id: &str) -> String {
    let mut word = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            word.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(word, "%{byte:02X}");
        }
    }
    word
}

/// The identifier that a word of a routing key stands for; none when the word is not encoded as one.
pub fn decode_word(word: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_identifier_is_one_word_and_comes_back() {
        for id in ["clan123", "a.b", "Größe", "100%", "a/b:c@d", "-_", "..", "%2E"] {
            let word = encode_word(id);
            assert!(word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-%".contains(&byte)), "{word}");
            assert_eq!(decode_word(&word).as_deref(), Some(id));
        }
        assert_eq!(encode_word("a.b"), "a%2Eb");
    }

    #[test]
    fn what_is_not_encoded_right_is_no_identifier() {
        for word in ["%", "%2", "%zz", "%FF"] {
            assert_eq!(decode_word(word), None, "{word}");
        }
    }
}
