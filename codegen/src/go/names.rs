//! Names in the style of Go: `orderId` becomes `OrderID` or `orderID`.

use super::reserved;
use crate::names::{capitalized, words_or_codes};

/// Words that Go writes in capitals.
const INITIALISMS: [&str; 15] =
    ["api", "css", "html", "http", "https", "id", "ip", "json", "sql", "tls", "ttl", "uri", "url", "uuid", "xml"];

/// Returns the name of a type, member or function that other packages use.
pub(super) fn exported(name: &str) -> String {
    let joined: String = words_or_codes(name).iter().map(|word| word_in_capitals(word)).collect();
    if joined.starts_with(|c: char| c.is_ascii_digit()) { format!("N{joined}") } else { joined }
}

/// Returns the name of a parameter.
pub(super) fn unexported(name: &str) -> String {
    let mut words = words_or_codes(name).into_iter();
    let first = words.next().unwrap_or_default().to_ascii_lowercase();
    let joined = first + &words.map(|word| word_in_capitals(&word)).collect::<String>();
    if joined.starts_with(|c: char| c.is_ascii_digit()) { format!("n{joined}") } else { joined }
}

fn word_in_capitals(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    if INITIALISMS.contains(&lower.as_str()) {
        return word.to_ascii_uppercase();
    }
    match lower.strip_suffix('s') {
        Some(singular) if INITIALISMS.contains(&singular) => singular.to_ascii_uppercase() + "s",
        _ => capitalized(word),
    }
}

/// Returns whether a text can be the name of a package.
pub(crate) fn is_package(name: &str) -> bool {
    let is_lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(is_lower) && !reserved::WORDS.contains(&name)
}

/// Returns whether a text can be the name of a member in the tag of a struct: the characters that `encoding/json` allows.
pub(crate) fn is_tag_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_alphanumeric() || "!#$%&()*+-./:;<=>?@[]^_{|}~ ".contains(c);
    !name.is_empty() && name.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_names() {
        for (name, in_capitals, in_lower) in [
            ("orderId", "OrderID", "orderID"),
            ("user_ids", "UserIDs", "userIDs"),
            ("HTTPServer2", "HTTPServer2", "httpServer2"),
            ("httpUrl", "HTTPURL", "httpURL"),
            ("identity", "Identity", "identity"),
            ("ID", "ID", "id"),
            ("in-progress", "InProgress", "inProgress"),
            ("3d", "N3d", "n3d"),
            ("", "Empty", "empty"),
            ("größe", "GrU00F6U00DFe", "gru00f6u00dfe"),
        ] {
            assert_eq!(exported(name), in_capitals, "{name}");
            assert_eq!(unexported(name), in_lower, "{name}");
            assert_eq!(exported(&exported(name)), in_capitals, "{name}");
        }
    }

    #[test]
    fn packages_are_lower_case_words() {
        assert!(["a", "ordersapi", "orders_2"].into_iter().all(is_package));
        assert!(!["", "Orders", "1st", "_a", "a-b", "func", "größe"].into_iter().any(is_package));
    }

    #[test]
    fn names_of_members_are_those_that_a_tag_can_have() {
        assert!(["a", "a-b c", "größe", "-", "3d", "$ref"].into_iter().all(is_tag_name));
        assert!(!["", "a,b", "a\"b", "a\\b", "a`b", "it's", "a\nb"].into_iter().any(is_tag_name));
    }
}
