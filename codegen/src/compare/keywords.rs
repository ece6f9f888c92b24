//! Bounds, patterns and formats.

use serde_json::Value;

use super::schemas::{Comparison, Place};

/// Bounds that allow fewer values the larger they are.
const LOWER_BOUNDS: [&str; 5] = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
/// Bounds that allow fewer values the smaller they are.
const UPPER_BOUNDS: [&str; 5] = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];

/// Formats of texts that the gateway checks. Others are remarks.
const CHECKED_FORMATS: [&str; 6] = ["date-time", "date", "time", "uuid", "email", "uri"];

impl<'a> Comparison<'a> {
    /// Compares what limits the values of a type.
    pub(super) fn compare_constraints(&mut self, old: &Place<'a>, new: &Place<'a>) {
        for keyword in LOWER_BOUNDS {
            self.compare_bound(keyword, old, new, |old, new| new > old);
        }
        for keyword in UPPER_BOUNDS {
            self.compare_bound(keyword, old, new, |old, new| new < old);
        }
        for keyword in ["pattern", "multipleOf"] {
            self.compare_text(keyword, old.get(keyword), new.get(keyword), &new.pointer);
        }
        let is_unique = |place: &Place<'_>| place.get("uniqueItems") == Some(&Value::Bool(true));
        match (is_unique(old), is_unique(new)) {
            (false, true) => self.add(&new.pointer, "`uniqueItems` was added", self.direction.sent),
            (true, false) => self.add(&new.pointer, "`uniqueItems` was removed", false),
            _ => {}
        }
        self.compare_formats(old, new);
    }

    fn compare_bound(
        &mut self,
        keyword: &str,
        old: &Place<'a>,
        new: &Place<'a>,
        is_narrower: impl Fn(f64, f64) -> bool,
    ) {
        let (old, new_value) = (old.get(keyword), new.get(keyword));
        if old == new_value {
            return;
        }
        let number = |value: Option<&Value>| value.and_then(Value::as_f64);
        let is_narrower = match (number(old), number(new_value)) {
            (Some(old), Some(new)) => is_narrower(old, new),
            (None, Some(_)) => true,
            _ => false,
        };
        let kind = if is_narrower { "narrowed" } else { "widened" };
        let text = format!("`{keyword}` was {kind} from {} to {}", written(old), written(new_value));
        self.add(&new.pointer, text, is_narrower && self.direction.sent);
    }

    /// Compares a keyword whose values cannot be ordered.
    fn compare_text(&mut self, keyword: &str, old: Option<&Value>, new: Option<&Value>, at: &str) {
        if old != new {
            let text = format!("`{keyword}` went from {} to {}", written(old), written(new));
            self.add(at, text, new.is_some() && self.direction.sent);
        }
    }

    fn compare_formats(&mut self, old: &Place<'a>, new: &Place<'a>) {
        // The larger the rank, the more integers are valid.
        let rank = |format: Option<&Value>| match format.and_then(Value::as_str) {
            Some("int32") => 0,
            Some("int64") => 1,
            _ => 2,
        };
        let (old_format, new_format) = (old.get("format"), new.get("format"));
        let (old_rank, new_rank) = (rank(old_format), rank(new_format));
        if old_rank != new_rank {
            let is_wider = new_rank > old_rank;
            let text = format!("`format` went from {} to {}", written(old_format), written(new_format));
            let is_breaking = if is_wider { self.direction.received } else { self.direction.sent };
            return self.add(&new.pointer, text, is_breaking);
        }
        fn checked(format: Option<&Value>) -> Option<&Value> {
            format.filter(|format| format.as_str().is_some_and(|format| CHECKED_FORMATS.contains(&format)))
        }
        self.compare_text("format", checked(old_format), checked(new_format), &new.pointer);
    }
}

/// Returns a value of a keyword as it is written.
fn written(value: Option<&Value>) -> String {
    value.map_or_else(|| "none".to_owned(), Value::to_string)
}
