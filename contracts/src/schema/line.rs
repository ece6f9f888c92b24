//! The line of a position in a JSON text.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

/// Returns the line, counted from 1, of the value that a JSON pointer names. The text is valid JSON.
pub(super) fn of(text: &str, pointer: &str) -> usize {
    let mut value = text;
    for name in pointer.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        // A raw value is a part of the text, so its address is a position in the text.
        let Some(next) = member(value, &name) else { break };
        value = next;
    }
    let offset = (value.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn member<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    if value.trim_start().starts_with('{') {
        let members: BTreeMap<Cow<'a, str>, &'a RawValue> = serde_json::from_str(value).ok()?;
        return members.get(name).map(|value| value.get());
    }
    let elements: Vec<&'a RawValue> = serde_json::from_str(value).ok()?;
    elements.get(name.parse::<usize>().ok()?).map(|value| value.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_line_of_nested_value() {
        let text = "{\n \"a\": [\n 1,\n {\"b/c\":\n 2}\n ]\n}";
        for (pointer, line) in [("", 1), ("/a", 2), ("/a/0", 3), ("/a/1", 4), ("/a/1/b~1c", 5), ("/a/7", 2)] {
            assert_eq!(of(text, pointer), line, "{pointer}");
        }
    }
}
