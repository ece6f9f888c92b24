//! The members of objects and the elements of arrays.

use gateway_contracts::OrderedValue;
use serde_json::Value;

use super::schemas::{Comparison, Place};

/// Returns the names of the members that a schema knows.
fn names<'a>(place: &Place<'a>) -> Vec<&'a str> {
    let mut names: Vec<&str> =
        place.value.member("properties").into_iter().flat_map(OrderedValue::members).map(|(name, _)| name).collect();
    for name in required(place) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn required<'a>(place: &Place<'a>) -> Vec<&'a str> {
    place.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What a schema says about members that it does not name.
fn further(place: &Place<'_>) -> &'static str {
    match place.get("additionalProperties") {
        Some(Value::Bool(false)) => "refused",
        Some(Value::Object(_)) => "typed",
        _ => "allowed",
    }
}

impl<'a> Comparison<'a> {
    /// Compares the members of objects.
    pub(super) fn compare_members(&mut self, old: &Place<'a>, new: &Place<'a>) {
        let (old_names, new_names) = (names(old), names(new));
        let (old_required, new_required) = (required(old), required(new));
        let direction = self.direction;
        for name in &old_names {
            let at = |place: &Place<'_>| crate::lowering::pointer(&place.pointer, &["properties", name]);
            if !new_names.contains(name) {
                let is_refused = direction.sent && further(new) == "refused";
                self.add(&at(old), "the member was removed", direction.received || is_refused);
                continue;
            }
            match (old_required.contains(name), new_required.contains(name)) {
                (false, true) => {
                    let text = "the member became required";
                    self.add(&at(new), text, direction.sent || direction.replayed);
                }
                (true, false) => self.add(&at(new), "the member is no longer required", direction.received),
                _ => {}
            }
            match (old.below(&["properties", name]), new.below(&["properties", name])) {
                (Some(old), Some(new)) => self.compare(old, new),
                (None, None) => {}
                _ => self.add(&at(new), "the type of the member was added or removed", true),
            }
        }
        for name in new_names.iter().filter(|name| !old_names.contains(name)) {
            let at = crate::lowering::pointer(&new.pointer, &["properties", name]);
            if new_required.contains(name) {
                self.add(&at, "a required member was added", direction.sent || direction.replayed);
            } else {
                self.add(&at, "an optional member was added", false);
            }
        }
        self.compare_further_members(old, new);
        let patterns = |place: &Place<'a>| {
            let patterns = place.value.member("patternProperties").into_iter().flat_map(OrderedValue::members);
            patterns.map(|(pattern, _)| pattern).collect::<Vec<_>>()
        };
        if patterns(old) != patterns(new) {
            self.add(&new.pointer, "`patternProperties` is different", true);
        }
        for pattern in patterns(old) {
            let place = |place: &Place<'a>| place.below(&["patternProperties", pattern]);
            if let (Some(old), Some(new)) = (place(old), place(new)) {
                self.compare(old, new);
            }
        }
    }

    fn compare_further_members(&mut self, old: &Place<'a>, new: &Place<'a>) {
        let (sent, received) = (self.direction.sent, self.direction.received);
        match (further(old), further(new)) {
            ("typed", "typed") => {
                let place = |place: &Place<'a>| place.below(&["additionalProperties"]);
                if let (Some(old), Some(new)) = (place(old), place(new)) {
                    self.compare(old, new);
                }
            }
            ("allowed" | "typed", "refused") => {
                self.add(&new.pointer, "the object was closed: further members are refused", sent);
            }
            ("refused", "allowed" | "typed") => {
                self.add(&new.pointer, "the object was opened: further members are allowed", false);
            }
            ("allowed", "typed") => self.add(&new.pointer, "further members have a type", sent || received),
            ("typed", "allowed") => self.add(&new.pointer, "further members no longer have a type", received),
            _ => {}
        }
    }

    /// Compares the elements of arrays.
    pub(super) fn compare_elements(&mut self, old: &Place<'a>, new: &Place<'a>) {
        let place = |place: &Place<'a>| place.below(&["items"]).filter(|items| items.value.value().is_object());
        match (place(old), place(new)) {
            (Some(old), Some(new)) => self.compare(old, new),
            (None, None) => {}
            _ => self.add(&new.pointer, "the type of the elements was added or removed", true),
        }
        let (old_list, new_list) = (old.list("prefixItems"), new.list("prefixItems"));
        if old_list.len() != new_list.len() {
            self.add(&new.pointer, "`prefixItems` is not as long as before", true);
        }
        old_list.into_iter().zip(new_list).for_each(|(old, new)| self.compare(old, new));
        if old.get("items").is_some_and(Value::is_boolean) != new.get("items").is_some_and(Value::is_boolean) {
            self.add(&new.pointer, "`items` is different", true);
        }
    }
}
