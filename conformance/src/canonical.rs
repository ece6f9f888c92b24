//! JSON in its canonical form (RFC 8785), so that equal values have equal bytes.

use serde_json::{Number, Value};

/// Returns the canonical text of a value.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number_text(number)),
        // The escapes of serde_json are those of RFC 8785.
        Value::String(string) => text.push_str(&Value::from(string.as_str()).to_string()),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.encode_utf16().collect::<Vec<_>>());
            text.push('{');
            for (index, (name, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(member, text);
            }
            text.push('}');
        }
    }
}

/// Returns a number as ECMAScript writes it: the shortest digits that identify the double.
fn number_text(number: &Number) -> String {
    let double = number.as_f64().unwrap_or_default();
    if double == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{double:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The position of the decimal point within the digits.
    let point = exponent + 1;
    let (whole, fraction) = digits.split_at(usize::try_from(point.clamp(0, count)).unwrap_or(0));
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    match point {
        _ if point > 21 || point <= -6 => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            format!("{sign}{first}{dot}{rest}e{exponent:+}")
        }
        _ if point >= count => format!("{sign}{digits}{}", zeros(point - count)),
        _ if point > 0 => format!("{sign}{whole}.{fraction}"),
        _ => format!("{sign}0.{}{digits}", zeros(-point)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        canonical(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn writes_the_numbers_of_the_rfc() {
        let examples = [
            ("0.0", "0"),
            ("-0", "0"),
            ("1.0", "1"),
            ("333333333.3333333", "333333333.3333333"),
            ("1E30", "1e+30"),
            ("4.50", "4.5"),
            ("2e-3", "0.002"),
            ("0.000000000000000000000000001", "1e-27"),
            ("1e21", "1e+21"),
            ("1e20", "100000000000000000000"),
            ("0.000001", "0.000001"),
            ("1e-7", "1e-7"),
            ("-1.25e-9", "-1.25e-9"),
            ("9007199254740993", "9007199254740992"),
        ];
        for (text, expected) in examples {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn sorts_members_and_escapes_as_the_rfc_says() {
        assert_eq!(of(r#"{"b":[1, 2],"a":{"z":null,"y":true}}"#), r#"{"a":{"y":true,"z":null},"b":[1,2]}"#);
        assert_eq!(
            of("{\"\\u20ac\":1,\"\\r\":2,\"\\ud83d\\ude00\":3,\"\\ufb33\":4}"),
            "{\"\\r\":2,\"€\":1,\"😀\":3,\"\u{fb33}\":4}"
        );
        assert_eq!(of(r#""€$\u000F\u000aA'B\"\\\\\"\/""#), "\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"");
    }
}
