//! Patterns and formats of strings.

use jsonschema::Validator;
use serde_json::{Value, json};

use super::super::validator;

/// A pattern or a format.
pub(super) struct Leaf {
    /// Accepts usual strings, and no others, in less time than the validator.
    usual: Option<fn(&[u8]) -> bool>,
    /// Decides about the other strings.
    validator: Validator,
}

impl Leaf {
    /// Compiles a pattern.
    pub(super) fn pattern(pattern: &str) -> Option<Self> {
        Some(Self { usual: None, validator: validator::build(json!({ "pattern": pattern })).ok()? })
    }

    /// Compiles a format.
    pub(super) fn format(format: &str) -> Option<Self> {
        let usual = match format {
            "date-time" => Some(is_usual_date_time as fn(&[u8]) -> bool),
            "date" => Some(is_usual_date as fn(&[u8]) -> bool),
            "uuid" => Some(is_uuid as fn(&[u8]) -> bool),
            _ => None,
        };
        Some(Self { usual, validator: validator::build(json!({ "format": format })).ok()? })
    }

    pub(super) fn accepts(&self, text: &str) -> bool {
        self.usual.is_some_and(|usual| usual(text.as_bytes())) || self.validator.is_valid(&Value::from(text))
    }
}

/// Accepts `2026-01-31T12:00:00Z`, with or without a fraction of the second.
fn is_usual_date_time(text: &[u8]) -> bool {
    let Some((date, time)) = text.split_at_checked(10) else { return false };
    let [b'T', time @ .., b'Z'] = time else { return false };
    let Some((time, fraction)) = time.split_at_checked(8) else { return false };
    let is_fraction = match fraction {
        [] => true,
        [b'.', first, rest @ ..] => first.is_ascii_digit() && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let is_time = match time {
        [h1, h2, b':', m1, m2, b':', s1, s2] => {
            is_up_to(*h1, *h2, 23) && is_up_to(*m1, *m2, 59) && is_up_to(*s1, *s2, 59)
        }
        _ => false,
    };
    is_fraction && is_time && is_usual_date(date)
}

/// Accepts `2026-01-31`. Days of which not every year has one are not usual.
fn is_usual_date(text: &[u8]) -> bool {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return false };
    let last = match (m1, m2) {
        (b'0', b'2') => 28,
        (b'0', b'4' | b'6' | b'9') | (b'1', b'1') => 30,
        _ => 31,
    };
    let is_zero = |tens: u8, ones: u8| tens == b'0' && ones == b'0';
    [y1, y2, y3, y4].iter().all(|digit| digit.is_ascii_digit())
        && is_up_to(*m1, *m2, 12)
        && !is_zero(*m1, *m2)
        && is_up_to(*d1, *d2, last)
        && !is_zero(*d1, *d2)
}

/// Returns whether two bytes are the digits of a number of at most `most`.
fn is_up_to(tens: u8, ones: u8, most: u8) -> bool {
    tens.is_ascii_digit() && ones.is_ascii_digit() && (tens - b'0') * 10 + (ones - b'0') <= most
}

fn is_uuid(text: &[u8]) -> bool {
    let is_dash = |index: usize| matches!(index, 8 | 13 | 18 | 23);
    let fits = |(index, byte): (usize, &u8)| if is_dash(index) { *byte == b'-' } else { byte.is_ascii_hexdigit() };
    text.len() == 36 && text.iter().enumerate().all(fits)
}
