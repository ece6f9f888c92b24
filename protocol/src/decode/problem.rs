//! Turns JSON errors into error texts for people. They never repeat text of the sender, which may be a token.

use super::DecodeError;

/// What serde_json says of a number that no `f64` holds. It counts that as a fault of syntax, but JSON bounds no number (RFC
/// 8259, section 6).
const OUT_OF_RANGE: &str = "number out of range";

/// Distinguishes invalid JSON from an invalid field, and finds the name of a field that is missing, duplicate or
/// unknown.
pub(super) fn from_json_error(path: &str, error: &serde_json::Error) -> DecodeError {
    let text = error.to_string();
    let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
    if !error.is_data() && problem != OUT_OF_RANGE {
        return DecodeError::InvalidJson(text);
    }
    let quoted = |prefix: &str| problem.strip_prefix(prefix)?.strip_suffix('`');
    let path = if path == "." { "" } else { path };
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Some((name, known)) = problem.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
        return unknown_field(if path.ends_with(name) { path.to_owned() } else { join(name) }, known);
    }
    match (quoted("missing field `"), quoted("duplicate field `")) {
        (Some(name), _) => DecodeError::invalid(join(name), "missing"),
        (_, Some(name)) => {
            DecodeError::invalid(if path.ends_with(name) { path.to_owned() } else { join(name) }, "given twice")
        }
        _ if problem == OUT_OF_RANGE => DecodeError::invalid(path, "a smaller number is expected"),
        _ => DecodeError::invalid(path, expected(problem)),
    }
}

/// Returns the error for an unknown field of a closed object, with the known fields. The unknown name is repeated only
/// if it looks like a field name.
fn unknown_field(path: String, known: &str) -> DecodeError {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let path = if path.len() <= 64 && path.chars().all(is_plain) { path } else { String::new() };
    let known = known.strip_prefix(", expected one of ").or_else(|| known.strip_prefix(", expected "));
    DecodeError::invalid(path, format!("no such field; the fields are {}", known.unwrap_or("none")))
}

/// Extracts the expected type from serde's `invalid type: string "...", expected u64`, because the rest repeats the
/// input.
fn expected(problem: &str) -> String {
    if !["invalid type: ", "invalid value: ", "invalid length "].iter().any(|start| problem.starts_with(start)) {
        return problem.to_owned();
    }
    let what = match problem.rsplit_once(", expected ").map(|(_, what)| what) {
        Some("u32" | "u64") => "a whole number from 0",
        Some("f64") => "a number",
        Some("a sequence") => "a list",
        Some("any JSON value" | "any valid JSON value") => "JSON",
        Some(what) if what.starts_with("struct ") => "an object",
        Some(what) => what,
        None => "another value",
    };
    format!("{what} is expected")
}

/// Returns an unknown `type` if it looks like a type.
pub(super) fn named(word: &str) -> String {
    let plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if plain && (1..=64).contains(&word.len()) { [": ", word].concat() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use crate::{decode_client, decode_object};

    #[test]
    fn errors_do_not_repeat_the_input() {
        for frame in [
            r#"{"type":"typing","clanId":"c","isTyping":"s3cret"}"#,
            r#"{"type":"authenticate","token":["s3cret"]}"#,
            r#"{"type":"authenticate","token":"t","client":"s3cret, expected s3cret"}"#,
            r#"{"type":"authenticate","token":"t","client":{"name":"n","version":"v","attempt":"s3cret"}}"#,
            r#"{"type":"chat","clanId":"c","content":"x","messageType":"s3cret"}"#,
            r#"{"type":"chat","clanId":"s3cret s3cret","content":"x"}"#,
            r#"{"type":"subscribe","service":"s3cret!","topic":"t"}"#,
            r#"{"type":"s3cret.S"}"#,
            r#"{"type":{"s3cret":1}}"#,
            r#"{"type":"ping","requestId":{"s3cret":1}}"#,
            r#"{"type":"ping","s3cret"}"#,
        ] {
            let refusal = decode_client(frame).unwrap_err();
            assert!(!refusal.to_string().contains("s3cret"), "{frame}: {refusal}");
        }
    }

    #[test]
    fn names_unknown_field_of_a_closed_object() {
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[expect(dead_code, reason = "only the errors matter")]
        struct Closed {
            user_id: String,
            inner: Option<Inner>,
        }
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only the errors matter")]
        struct Inner {
            a: u8,
        }
        let problem = |text: &str| decode_object::<Closed>(text).unwrap_err();
        let refused = problem(r#"{"userId":"u","clan":["c"]}"#);
        assert_eq!(refused.to_string(), "clan: no such field; the fields are `userId` or `inner`");
        assert_eq!(problem(r#"{"userID":"u"}"#).field(), Some("userID"));
        assert_eq!(problem(r#"{"userId":"u","inner":{"a":1,"b":2}}"#).field(), Some("inner.b"));
        for odd in [r#"{"s3cret s3cret":1}"#, &format!(r#"{{"{}":1}}"#, "s3cret".repeat(20)), r#"{"s3cret`":1}"#] {
            let refused = problem(odd);
            assert!(!refused.to_string().contains("s3cret s") && refused.to_string().len() < 80, "{refused}");
        }
    }

    #[test]
    fn names_unknown_type() {
        assert_eq!(decode_client(r#"{"type":"pang"}"#).unwrap_err().to_string(), "no such type: pang");
    }
}
