//! Encodes identifiers as words of a routing key. Bytes outside `[A-Za-z0-9_-]` are percent-encoded, so a word never
//! contains a dot, which separates words.

use std::fmt::Write;

/// Encodes an identifier as one word of a routing key.
pub fn encode_word(id: &str) -> String {
    let mut word = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            word.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(word, "%{byte:02X}");
        }
    }
    word
}

/// Decodes an identifier from a word of a routing key. Returns `None` when the word is not valid.
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
    fn identifiers_round_trip_as_one_word() {
        for id in ["clan123", "a.b", "Größe", "100%", "a/b:c@d", "-_", "..", "%2E"] {
            let word = encode_word(id);
            assert!(word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-%".contains(&byte)), "{word}");
            assert_eq!(decode_word(&word).as_deref(), Some(id));
        }
        assert_eq!(encode_word("a.b"), "a%2Eb");
    }

    #[test]
    fn rejects_malformed_words() {
        for word in ["%", "%2", "%zz", "%FF"] {
            assert_eq!(decode_word(word), None, "{word}");
        }
    }
}
