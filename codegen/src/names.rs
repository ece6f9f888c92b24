//! Names in generated code: conversion of the names of a contract to the styles of languages, and the check that no two
//! of them become equal.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::CodegenError;

/// Splits a name into words: at characters other than letters and digits, and at the humps of camel case. A letter that
/// is not ASCII becomes `U` and its code, because languages treat equal-looking letters differently.
fn words(name: &str) -> Vec<String> {
    let characters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut is_open = false;
    for (index, &c) in characters.iter().enumerate() {
        if !c.is_alphanumeric() {
            is_open = false;
            continue;
        }
        let before = index.checked_sub(1).and_then(|before| characters.get(before));
        let after = characters.get(index + 1);
        let is_lower_or_digit = |c: Option<&char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        // The last capital of `HTTPServer` begins a word.
        let ends_acronym = before.is_some_and(char::is_ascii_uppercase) && after.is_some_and(char::is_ascii_lowercase);
        let is_hump = c.is_ascii_uppercase() && (is_lower_or_digit(before) || ends_acronym);
        if !is_open || is_hump {
            words.push(String::new());
            is_open = true;
        }
        let Some(word) = words.last_mut() else { continue };
        if c.is_ascii() {
            word.push(c);
        } else {
            // Writing to a text cannot fail.
            let _ = write!(word, "U{:04X}", u32::from(c));
        }
    }
    words
}

/// Returns the words of a name. A name without letters and digits becomes the codes of its characters.
pub(crate) fn words_or_codes(name: &str) -> Vec<String> {
    let found = words(name);
    if !found.is_empty() {
        return found;
    }
    let codes: String = name.chars().map(|c| format!("U{:04X}", u32::from(c))).collect();
    vec![if codes.is_empty() { "empty".to_owned() } else { codes }]
}

/// Returns the name in the style `OrderEvent`. A name that is in this style already is not changed.
pub(crate) fn pascal(name: &str) -> String {
    let joined: String = words_or_codes(name).iter().map(|word| capitalized(word)).collect();
    if joined.starts_with(|c: char| c.is_ascii_digit()) { format!("N{joined}") } else { joined }
}

/// Returns the name of a variant: as [`pascal`], but `EUR` becomes `Eur`.
pub(crate) fn variant(name: &str) -> String {
    let is_acronym = |word: &String| word.len() > 1 && !word.bytes().any(|byte| byte.is_ascii_lowercase());
    let words = words_or_codes(name);
    let words = words.iter().map(|word| if is_acronym(word) { word.to_ascii_lowercase() } else { word.clone() });
    pascal(&words.collect::<Vec<_>>().join("_"))
}

/// Returns the name in the style `orderEvent`.
pub(crate) fn camel(name: &str) -> String {
    let mut words = words_or_codes(name).into_iter();
    let first = words.next().unwrap_or_default().to_ascii_lowercase();
    first + &words.map(|word| capitalized(&word)).collect::<String>()
}

/// Returns the name in the style `order_event`.
pub(crate) fn snake(name: &str) -> String {
    let joined = words_or_codes(name).join("_").to_ascii_lowercase();
    if joined.starts_with(|c: char| c.is_ascii_digit()) { format!("n{joined}") } else { joined }
}

/// Returns the word with a capital at its beginning.
pub(crate) fn capitalized(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// Returns whether a text is a name in every language: `[A-Za-z][A-Za-z0-9_]{0,127}`.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.len() <= 128
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Appends `_` to a name that the language reserves.
pub(crate) fn unreserved(name: String, reserved: &[&str]) -> String {
    if reserved.contains(&name.as_str()) { name + "_" } else { name }
}

/// The names of one scope of the generated code, each with the position in a contract that it comes from.
pub(crate) struct Scope {
    language: &'static str,
    names: BTreeMap<String, String>,
}

impl Scope {
    pub(crate) fn new(language: &'static str) -> Self {
        Self { language, names: BTreeMap::new() }
    }

    /// Adds a name.
    ///
    /// # Errors
    /// [`CodegenError::EqualNames`] when the scope has it already.
    pub(crate) fn add(&mut self, name: &str, position: &str) -> Result<(), CodegenError> {
        match self.names.insert(name.to_owned(), position.to_owned()) {
            None => Ok(()),
            Some(first) => Err(CodegenError::EqualNames {
                name: name.to_owned(),
                language: self.language,
                first,
                second: position.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_names() {
        for (name, in_pascal, in_camel, in_snake) in [
            ("OrderEvent", "OrderEvent", "orderEvent", "order_event"),
            ("orderId", "OrderId", "orderId", "order_id"),
            ("HTTPServer2", "HTTPServer2", "httpServer2", "http_server2"),
            ("userID", "UserID", "userID", "user_id"),
            ("in-progress", "InProgress", "inProgress", "in_progress"),
            ("rooms_eu", "RoomsEu", "roomsEu", "rooms_eu"),
            ("a.b c", "ABC", "aBC", "a_b_c"),
            ("3d", "N3d", "3d", "n3d"),
            ("+", "U002B", "u002b", "u002b"),
            ("", "Empty", "empty", "empty"),
            ("größe", "GrU00F6U00DFe", "gru00f6u00dfe", "gru00f6u00dfe"),
        ] {
            assert_eq!(pascal(name), in_pascal, "{name}");
            assert_eq!(camel(name), in_camel, "{name}");
            assert_eq!(snake(name), in_snake, "{name}");
        }
        for (name, expected) in [("EUR", "Eur"), ("in-progress", "InProgress"), ("US_EAST-1", "UsEast1"), ("S", "S")] {
            assert_eq!(variant(name), expected, "{name}");
        }
    }

    #[test]
    fn equal_names_are_an_error_that_names_both_positions() {
        let mut scope = Scope::new("Rust");
        scope.add("a_b", "`/$defs/A/properties/aB`").unwrap();
        let error = scope.add("a_b", "`/$defs/A/properties/a_b`").unwrap_err().to_string();
        assert_eq!(
            error,
            "`/$defs/A/properties/aB` and `/$defs/A/properties/a_b` both become `a_b` in Rust: rename one with `x-name`"
        );
    }
}
