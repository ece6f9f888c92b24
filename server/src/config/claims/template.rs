//! Templates such as `clan:{value}`, which select the words of a claim that grant something: a word that does not match
//! grants nothing, and from a word that matches the gateway takes what stands in place of `{value}`.

use crate::config::{
    keys::Kind,
    setting::{Raw, Written},
};

/// Stands for the clan, the topic or the call.
const VALUE: &str = "{value}";
/// Stands for the name of the service.
const SERVICE: &str = "{service}";

/// A template for words with one value, such as `clan:{value}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordTemplate {
    before: String,
    after: String,
}

impl WordTemplate {
    /// Parses a template.
    ///
    /// # Errors
    /// The end of a sentence that begins with the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let invalid = || format!("is {text:?}, which is not a template such as clan:{VALUE}, with {VALUE} once");
        let (before, after) = text.split_once(VALUE).ok_or_else(invalid)?;
        if after.contains(VALUE) || text.contains(SERVICE) {
            return Err(invalid());
        }
        Ok(Self { before: before.to_owned(), after: after.to_owned() })
    }

    /// Returns the value of a word, or `None` when the word does not match.
    pub fn value<'a>(&self, word: &'a str) -> Option<&'a str> {
        word.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str()).filter(|value| !value.is_empty())
    }

    /// Returns the word that has this value.
    pub fn word(&self, value: &str) -> String {
        format!("{}{value}{}", self.before, self.after)
    }
}

impl Written for WordTemplate {
    fn read(raw: &Raw, kind: Kind) -> Result<Self, String> {
        Self::parse(&String::read(raw, kind)?)
    }

    fn write(&self, _: Kind) -> toml::Value {
        self.word(VALUE).into()
    }
}

/// A template for words with a service and a value, such as `topic:{service}:{value}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicTemplate {
    before: String,
    between: String,
    after: String,
}

impl TopicTemplate {
    /// Parses a template.
    ///
    /// # Errors
    /// The end of a sentence that begins with the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let invalid = || {
            format!(
                "is {text:?}, which is not a template such as topic:{SERVICE}:{VALUE}, with {SERVICE} once, then at \
                 least one character that no name of a service has, then {VALUE} once"
            )
        };
        let (before, rest) = text.split_once(SERVICE).ok_or_else(invalid)?;
        let (between, after) = rest.split_once(VALUE).ok_or_else(invalid)?;
        let in_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        // The first character after the service ends its name, so that a word has one meaning.
        let is_separated = between.chars().next().is_some_and(|first| !in_name(first));
        if !is_separated || [before, between, after].iter().any(|text| text.contains(VALUE) || text.contains(SERVICE)) {
            return Err(invalid());
        }
        Ok(Self { before: before.to_owned(), between: between.to_owned(), after: after.to_owned() })
    }

    /// Returns the service and the value of a word, or `None` when the word does not match.
    pub fn service_and_value<'a>(&self, word: &'a str) -> Option<(&'a str, &'a str)> {
        let rest = word.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        rest.split_once(self.between.as_str()).filter(|(service, value)| !service.is_empty() && !value.is_empty())
    }

    /// Returns the word that has this service and this value.
    pub fn word(&self, service: &str, value: &str) -> String {
        format!("{}{service}{}{value}{}", self.before, self.between, self.after)
    }
}

impl Written for TopicTemplate {
    fn read(raw: &Raw, kind: Kind) -> Result<Self, String> {
        Self::parse(&String::read(raw, kind)?)
    }

    fn write(&self, _: Kind) -> toml::Value {
        self.word(SERVICE, VALUE).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_words_and_their_values() {
        let clan = WordTemplate::parse("clan:{value}").unwrap();
        for (word, value) in
            [("clan:red", Some("red")), ("clan:", None), ("red", None), ("clan:a:b", Some("a:b")), ("Clan:red", None)]
        {
            assert_eq!(clan.value(word), value, "{word}");
        }
        let group = WordTemplate::parse("/clans/{value}/member").unwrap();
        assert_eq!(group.value("/clans/red/member"), Some("red"));
        // The beginning and the end do not share characters.
        assert_eq!(WordTemplate::parse("a{value}a").unwrap().value("a"), None);
    }

    #[test]
    fn selects_words_with_a_service() {
        let topic = TopicTemplate::parse("topic:{service}:{value}").unwrap();
        for (word, value) in [
            ("topic:orders:order-42", Some(("orders", "order-42"))),
            ("topic:orders:a:b", Some(("orders", "a:b"))),
            ("topic:orders:", None),
            ("topic::x", None),
            ("topic:orders", None),
            ("call:orders:x", None),
        ] {
            assert_eq!(topic.service_and_value(word), value, "{word}");
        }
    }

    #[test]
    fn refuses_templates_that_have_no_or_several_meanings() {
        for text in ["", "clan", "{value}{value}", "{service}:{value}"] {
            assert!(WordTemplate::parse(text).is_err(), "{text}");
        }
        for text in [
            "",
            "{value}",
            "{service}",
            "{service}{value}",
            "{service}a{value}",
            "{value}:{service}",
            "{service}:{value}:{value}",
        ] {
            assert!(TopicTemplate::parse(text).is_err(), "{text}");
        }
    }
}
