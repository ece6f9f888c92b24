//! Parses JSON and refuses duplicate member names. Parsers disagree about which of two equal members counts (RFC 8259,
//! section 4), so a receiver could see a value that was never validated.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, map::Entry};

/// The reason why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonProblem {
    /// It is not JSON.
    Syntax(String),
    /// An object has two members of the same name.
    Duplicate {
        /// The JSON pointer of the second member.
        pointer: String,
    },
    /// Objects and arrays are nested too deeply.
    Depth {
        /// The JSON pointer of the first value that is too deep.
        pointer: String,
    },
}

/// A problem and the line where parsing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonError {
    pub(crate) line: usize,
    pub(crate) problem: JsonProblem,
}

/// Parses a text whose objects and arrays are nested at most `max_depth` deep.
pub(crate) fn parse(text: &str, max_depth: usize) -> Result<Value, JsonError> {
    let mut found = Found::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = UniqueValue { depth: max_depth, found: &mut found }.deserialize(&mut deserializer);
    parsed.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| {
        let problem = match found.kind {
            None => JsonProblem::Syntax(without_position(&error.to_string())),
            Some(Kind::Duplicate) => JsonProblem::Duplicate { pointer: found.pointer() },
            Some(Kind::Depth) => JsonProblem::Depth { pointer: found.pointer() },
        };
        JsonError { line: error.line(), problem }
    })
}

/// Returns the text of a parser's error without its position, which the caller names.
fn without_position(error: &str) -> String {
    error.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Appends a name to a JSON pointer (RFC 6901, section 3).
pub(crate) fn push_name(pointer: &mut String, name: &str) {
    pointer.push('/');
    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
}

#[derive(Clone, Copy)]
enum Kind {
    Duplicate,
    Depth,
}

/// What was found, and where. The path is built while the error returns to the root, so that valid text costs nothing.
#[derive(Default)]
struct Found {
    kind: Option<Kind>,
    reversed_path: Vec<String>,
}

impl Found {
    fn within(&mut self, name: impl fmt::Display) {
        if self.kind.is_some() {
            self.reversed_path.push(name.to_string());
        }
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        self.reversed_path.iter().rev().for_each(|name| push_name(&mut pointer, name));
        pointer
    }
}

struct UniqueValue<'f> {
    /// How many levels of objects and arrays may follow.
    depth: usize,
    found: &'f mut Found,
}

impl UniqueValue<'_> {
    fn below<E: serde::de::Error>(&mut self) -> Result<usize, E> {
        self.depth.checked_sub(1).ok_or_else(|| {
            self.found.kind = Some(Kind::Depth);
            E::custom("nested too deeply")
        })
    }
}

impl<'de> DeserializeSeed<'de> for UniqueValue<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UniqueValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut access: A) -> Result<Value, A::Error> {
        let depth = self.below()?;
        let mut array = Vec::new();
        loop {
            match access.next_element_seed(UniqueValue { depth, found: self.found }) {
                Ok(Some(value)) => array.push(value),
                Ok(None) => return Ok(array.into()),
                Err(error) => {
                    self.found.within(array.len());
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut access: A) -> Result<Value, A::Error> {
        let depth = self.below()?;
        let mut object = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            match object.entry(name) {
                Entry::Vacant(member) => match access.next_value_seed(UniqueValue { depth, found: self.found }) {
                    Ok(value) => {
                        member.insert(value);
                    }
                    Err(error) => {
                        self.found.within(member.key());
                        return Err(error);
                    }
                },
                Entry::Occupied(member) => {
                    self.found.kind = Some(Kind::Duplicate);
                    self.found.within(member.key());
                    return Err(A::Error::custom("duplicate member"));
                }
            }
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> JsonError {
        parse(text, 4).unwrap_err()
    }

    #[test]
    fn parses_like_serde_json() {
        for text in ["null", "[1,-2,3.5,\"a\",true,{}]", "{\"a\":{\"b\":[18446744073709551615,1e300]}}"] {
            assert_eq!(parse(text, 4).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        }
    }

    #[test]
    fn names_duplicate_member_and_its_line() {
        let error = problem("{\"a\": [1,\n {\"b/c\": 1,\n \"x\": 2, \"b/c\": 3}]}");
        assert_eq!(error, JsonError { line: 3, problem: JsonProblem::Duplicate { pointer: "/a/1/b~1c".into() } });
        // The names are compared after their escapes are decoded.
        let error = problem("{\"qty\": 1, \"q\\u0074y\": -1}");
        assert_eq!(error.problem, JsonProblem::Duplicate { pointer: "/qty".into() });
    }

    #[test]
    fn limits_depth() {
        assert!(parse("[[[[1]]]]", 4).is_ok());
        assert_eq!(problem("[[[[[1]]]]]").problem, JsonProblem::Depth { pointer: "/0/0/0/0".into() });
    }

    #[test]
    fn reports_syntax_errors_with_line() {
        let error = problem("{\n\"a\": }");
        assert_eq!(error, JsonError { line: 2, problem: JsonProblem::Syntax("expected value".into()) });
        assert!(matches!(problem("1 2").problem, JsonProblem::Syntax(_)));
    }
}
