//! Encodes the WebAssembly as text, for the package that loads no other file.
//!
//! Base64 is a third longer and compresses badly, because repeated bytes do not give repeated text. Here
//! each byte always has the same characters: one for the 90 most frequent bytes, two for the others. Compressed with
//! brotli, the text is 2 % larger than the bytes.

use std::fmt::Write as _;

/// Returns the alphabet: ASCII without characters that have a meaning in JavaScript strings or HTML. `bytesOf` in
/// `sdk-wasm/js/load.js` has the same alphabet.
fn alphabet() -> Vec<char> {
    (' '..='~').filter(|c| !matches!(c, '"' | '<' | '\\')).collect()
}

/// The number of bytes with one character. The two remaining characters are the prefixes of all other bytes.
const SINGLE: usize = 90;

/// Returns a JavaScript module with the bytes: `text`, and the `order` of the bytes by which `bytesOf` reads it.
pub(super) fn module(bytes: &[u8]) -> String {
    let order = order(bytes);
    let listed: Vec<String> = order.iter().map(u8::to_string).collect();
    format!(
        "// gateway.wasm, for pages that load no other file. `bytesOf` in load.js reads it.\n\n\
         export const order = [{}];\n\nexport const text = \"{}\";\n",
        listed.join(","),
        encode(bytes, &order)
    )
}

/// Returns all bytes, the most frequent first.
fn order(bytes: &[u8]) -> Vec<u8> {
    let mut order: Vec<u8> = (0..=u8::MAX).collect();
    order.sort_by_cached_key(|byte| std::cmp::Reverse(bytes.iter().filter(|other| *other == byte).count()));
    order
}

fn encode(bytes: &[u8], order: &[u8]) -> String {
    let alphabet = alphabet();
    let (single, pages) = alphabet.split_at(SINGLE);
    let characters = |place: usize| {
        let mut written = String::new();
        let page = place.checked_sub(SINGLE).map(|beyond| beyond / SINGLE);
        for c in page.and_then(|page| pages.get(page)).into_iter().chain(single.get(place % SINGLE)) {
            // Writing to a String cannot fail.
            let _ = write!(written, "{c}");
        }
        written
    };
    let table: Vec<String> = (0..=u8::MAX)
        .map(|byte| order.iter().position(|other| *other == byte).map_or_else(String::new, characters))
        .collect();
    bytes.iter().filter_map(|byte| table.get(usize::from(*byte))).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alphabet_matches_script() {
        let alphabet = alphabet();
        assert_eq!(alphabet.len(), SINGLE + 2);
        for (place, c) in alphabet.iter().enumerate() {
            let code = u32::from(*c);
            let skipped = u32::from(code > 34) + u32::from(code > 60) + u32::from(code > 92);
            assert_eq!(usize::try_from(code - 32 - skipped).unwrap(), place, "{c:?}");
        }
    }

    #[test]
    fn frequent_bytes_have_one_character_and_others_two() {
        let bytes: Vec<u8> = [7_u8; 3].into_iter().chain(0..=255).collect();
        let order = order(&bytes);
        assert_eq!(order[..3], [7, 0, 1]);
        assert_eq!(encode(&[7, 0, 1], &order), " !#");
        // The last byte with one character, and the first and last byte of each prefix.
        let placed = |place: usize| encode(&[order[place]], &order);
        assert_eq!([placed(89), placed(90), placed(179), placed(180), placed(255)], ["|", "} ", "}|", "~ ", "~n"]);
    }
}
