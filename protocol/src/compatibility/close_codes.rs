//! The comparison of two documents of close codes, which [`crate::close_code_document`] returns: a client that knows the
//! older one must still reconnect, or stay away, as the gateway intends.

use serde_json::{Map, Value};

use super::{Change, Difference, Direction};

/// The path of a change of the ranges, which say what a client does after a code that it does not know.
const UNKNOWN_CODES: &str = "unknown codes";

/// Returns every difference between an older document of close codes and a newer one. Names and meanings are texts for
/// people and are not compared.
pub fn compare_close_codes(old: &Value, new: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    for (code, old_entry) in codes(old).into_iter().flatten() {
        match entry(new, code) {
            Some(new_entry) => found.extend(changes(old_entry, new_entry).map(|it| (code.clone(), it))),
            None => found.push((code.clone(), Difference::CloseCodeRemoved)),
        }
    }
    for (code, new_entry) in codes(new).into_iter().flatten().filter(|(code, _)| entry(old, code).is_none()) {
        found.push((code.clone(), Difference::CloseCodeAdded));
        // An older client treats the code by its range.
        found.extend(advice_change(advice_by_range(old, code), advice(new_entry)).map(|it| (code.clone(), it)));
    }
    if old.get("ranges") != new.get("ranges") {
        found.push((UNKNOWN_CODES.to_owned(), Difference::ConstraintChanged("ranges".to_owned())));
    }
    let change = |(path, difference): (String, Difference)| {
        let is_breaking = difference.is_breaking(Direction::FromGateway);
        Change { path, difference, is_breaking }
    };
    found.into_iter().map(change).collect()
}

/// Returns the differences between two entries of the same code.
fn changes(old: &Value, new: &Value) -> impl Iterator<Item = Difference> {
    let delay = |entry: &Value| entry.get("reconnectAfterMs").map_or_else(|| "none".to_owned(), Value::to_string);
    let (old_delay, new_delay) = (delay(old), delay(new));
    let advice = advice_change(advice(old), advice(new));
    // Another advice is the cause of a delay that comes or goes.
    let has_other_delay = advice.is_none() && old_delay != new_delay;
    let delay = has_other_delay.then_some(Difference::ReconnectDelayChanged { old: old_delay, new: new_delay });
    advice.into_iter().chain(delay)
}

fn advice_change(old: &str, new: &str) -> Option<Difference> {
    (old != new).then(|| Difference::ReconnectAdviceChanged { old: old.to_owned(), new: new.to_owned() })
}

/// Returns the reconnect advice of a code or a range.
fn advice(entry: &Value) -> &str {
    entry.get("reconnect").and_then(Value::as_str).unwrap_or("none")
}

/// Returns the advice of a document for a code that it does not list.
fn advice_by_range<'a>(document: &'a Value, code: &str) -> &'a str {
    let code: Option<u64> = code.parse().ok();
    let bound = |range: &Value, name: &str| range.get(name).and_then(Value::as_u64);
    let mut ranges = document.get("ranges").and_then(Value::as_array).into_iter().flatten();
    ranges.find(|range| bound(range, "first") <= code && code <= bound(range, "last")).map_or("none", advice)
}

fn codes(document: &Value) -> Option<&Map<String, Value>> {
    document.get("codes")?.as_object()
}

fn entry<'a>(document: &'a Value, code: &str) -> Option<&'a Value> {
    codes(document)?.get(code)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::close_code_document;

    /// The breaking changes from one document to another, and the others.
    fn found(old: &Value, new: &Value) -> (Vec<String>, Vec<String>) {
        let (breaking, others): (Vec<_>, Vec<_>) =
            compare_close_codes(old, new).into_iter().partition(|change| change.is_breaking);
        let texts = |changes: Vec<Change>| changes.iter().map(Change::to_string).collect();
        (texts(breaking), texts(others))
    }

    /// What is found in the document of this version after a change.
    fn after(change: impl FnOnce(&mut Value)) -> (Vec<String>, Vec<String>) {
        let mut document = close_code_document();
        change(&mut document);
        found(&close_code_document(), &document)
    }

    fn breaking(text: &str) -> (Vec<String>, Vec<String>) {
        (vec![text.to_owned()], Vec::new())
    }

    fn compatible(text: &str) -> (Vec<String>, Vec<String>) {
        (Vec::new(), vec![text.to_owned()])
    }

    #[test]
    fn finds_no_difference_between_equal_documents() {
        assert_eq!(compare_close_codes(&close_code_document(), &close_code_document()), []);
    }

    #[test]
    fn removed_code_is_breaking() {
        let removed = after(|document| drop(document["codes"].as_object_mut().unwrap().remove("4508")));
        assert_eq!(removed, breaking("4508: the close code was removed"));
    }

    #[test]
    fn changed_reconnect_advice_is_breaking_and_names_both_advices() {
        let never = after(|document| document["codes"]["4500"]["reconnect"] = json!("never"));
        assert_eq!(never, breaking("4500: the reconnect advice went from `backoff` to `never`"));
        let again = after(|document| {
            document["codes"]["4409"] = json!({ "name": "REPLACED", "reconnect": "after", "reconnectAfterMs": 1_000 });
        });
        assert_eq!(again, breaking("4409: the reconnect advice went from `never` to `after`"));
    }

    #[test]
    fn changed_delay_is_compatible() {
        let delayed = after(|document| document["codes"]["4423"]["reconnectAfterMs"] = json!(9_000));
        assert_eq!(delayed, compatible("4423: the reconnect delay in ms went from 5000 to 9000"));
    }

    #[test]
    fn added_code_is_compatible_if_older_clients_follow_its_advice() {
        let add = |code: &str, reconnect: &str| {
            after(|document| document["codes"][code] = json!({ "name": "NEW", "reconnect": reconnect }))
        };
        assert_eq!(add("4410", "never"), compatible("4410: the close code was added"));
        assert_eq!(add("4510", "backoff"), compatible("4510: the close code was added"));
        let (breaking, _) = add("4410", "backoff");
        assert_eq!(breaking, ["4410: the reconnect advice went from `never` to `backoff`"]);
        let (breaking, _) = add("4510", "never");
        assert_eq!(breaking, ["4510: the reconnect advice went from `backoff` to `never`"]);
    }

    #[test]
    fn changed_range_of_unknown_codes_is_breaking() {
        let widened = after(|document| document["ranges"][0]["last"] = json!(4599));
        assert_eq!(widened, breaking("unknown codes: `ranges` is different"));
    }

    #[test]
    fn changed_texts_are_no_difference() {
        let texts = after(|document| {
            document["description"] = json!("other words");
            document["codes"]["4500"]["meaning"] = json!("other words");
        });
        assert_eq!(texts, (Vec::new(), Vec::new()));
    }
}
