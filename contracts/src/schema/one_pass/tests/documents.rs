//! Random documents that mostly match a schema.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::schema::referenced_type;

/// Values that are easily treated wrongly, and texts that are no JSON.
pub(super) const ODD: &[&str] = &[
    "null",
    "true",
    "0",
    "-0",
    "0.0",
    "1.0",
    "-1",
    "1e2",
    "1E+2",
    "1e-2",
    "15e-1",
    "1e400",
    "-1e400",
    "1e",
    "01",
    "-",
    "+1",
    ".5",
    "1.",
    "0x1",
    "999999999999999999",
    "9999999999999999999",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "9007199254740993",
    "9007199254740993.0",
    "2147483647",
    "2147483648",
    "123456789012345678901234567890",
    "0.1",
    "0.30000000000000004",
    "1e-400",
    "5e-324",
    r#""""#,
    r#""a""#,
    r#""abc""#,
    r#""abcd""#,
    r#""äöü""#,
    r#""äöüß""#,
    r#""😀😀😀""#,
    r#""\ud83d\ude00""#,
    r#""\ud83d""#,
    r#""\ude00\ud83d""#,
    r#""\ud83dx""#,
    r#""\u00""#,
    r#""\x""#,
    r#""\u0000""#,
    "\"\u{1}\"",
    "\"\n\"",
    "\"\u{7f}\"",
    r#""\"\\\/\b\f\n\r\t""#,
    r#"""#,
    r#""\"#,
    r#""abcdefg\"#,
    r#""2026-01-31T12:00:00Z""#,
    r#""2026-02-29T12:00:00Z""#,
    r#""2024-02-29T12:00:00Z""#,
    r#""2026-01-31T23:59:60Z""#,
    r#""2026-01-31t12:00:00z""#,
    r#""2026-01-31T12:00:00+01:00""#,
    r#""2026-01-31T12:00:00.Z""#,
    r#""2026-00-10T12:00:00Z""#,
    r#""2026-13-10T24:00:00Z""#,
    r#""2026-04-31""#,
    r#""2026-04-30""#,
    r#""01890a5d-ac96-774b-bcce-b302099a8057""#,
    r#""01890A5Dac96-774b-bcce-b302099a80570""#,
    r#""anna@example.com""#,
    "[]",
    "[,]",
    "[1,]",
    "[1 2]",
    "[null]",
    "[[1,true],[]]",
    "{}",
    "{,}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{1:1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"\\u0061\":2}",
    "{\"\":1,\"\":2}",
    "{\"op\":\"one\"}",
    "{\"op\":7}",
    "{\"left\":{\"op\":\"one\"},\"op\":\"add\"}",
    "{\"op\":\"not\",\"op\":\"add\"}",
    "nul",
    "truex",
    "\u{feff}1",
    "\u{a0}1",
    "/**/1",
    "",
    " ",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "1]",
    "[1}",
];

const CHARACTERS: [&str; 10] = ["a", "b", "AB-1", "é", "😀", "\\n", "\\u0041", "\\ud83d\\ude00", " ", "0"];

/// Documents of a type, the same with each run.
pub(super) struct Documents<'a> {
    definitions: &'a Map<String, Value>,
    schema: &'a Value,
    state: u64,
}

impl<'a> Documents<'a> {
    pub(super) fn new(definitions: &'a Map<String, Value>, name: &str) -> Self {
        let state = name.bytes().fold(7, |state: u64, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
        Self { definitions, schema: &definitions[name], state }
    }

    /// Returns the next document.
    pub(super) fn next(&mut self) -> String {
        let mut text = String::new();
        self.value(self.schema, 0, &mut text);
        text
    }

    /// Returns a number below a bound (SplitMix64).
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn space(&mut self, text: &mut String) {
        if self.below(20) == 0 {
            let space = self.one_of(&[" ", "\n", "\t", "  \r\n"]);
            text.push_str(space);
        }
    }

    fn value(&mut self, schema: &Value, depth: usize, text: &mut String) {
        self.space(text);
        if self.below(30) == 0 || depth > 8 {
            let odd = self.one_of(ODD);
            text.push_str(odd);
        } else {
            self.matching(schema, depth, text);
        }
        self.space(text);
    }

    /// Writes a value that usually matches a schema.
    fn matching(&mut self, schema: &Value, depth: usize, text: &mut String) {
        if let Some(name) = referenced_type(schema) {
            return self.matching(&self.definitions[name].clone(), depth, text);
        }
        if let Some(branches) = schema.get("oneOf").or(schema.get("anyOf")).and_then(Value::as_array) {
            let branch = self.below(branches.len());
            return self.matching(&branches[branch], depth, text);
        }
        if let Some(constant) = schema.get("const") {
            return write!(text, "{constant}").unwrap();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            let value = self.below(values.len());
            return write!(text, "{}", values[value]).unwrap();
        }
        let kind = match schema.get("type") {
            Some(Value::Array(names)) => names[self.below(names.len())].as_str().unwrap(),
            Some(name) => name.as_str().unwrap(),
            None if schema.get("properties").is_some() || schema.get("patternProperties").is_some() => "object",
            None if schema.get("format").is_some() || schema.get("minLength").is_some() => "string",
            None => self.one_of(&["null", "integer", "string"]),
        };
        match kind {
            "null" => text.push_str("null"),
            "boolean" => text.push_str(self.one_of(&["true", "false"])),
            "integer" => self.number(schema, &["", "", "", ".0"], text),
            "number" => self.number(schema, &["", ".5", "e1", "e-1", ".25E+1"], text),
            "string" => self.string(schema, text),
            "array" => self.array(schema, depth, text),
            _ => self.object(schema, depth, text),
        }
    }

    fn number(&mut self, schema: &Value, ends: &[&str], text: &mut String) {
        let least = schema.get("minimum").and_then(Value::as_i64).unwrap_or(-5);
        let factor = schema.get("multipleOf").and_then(Value::as_i64).unwrap_or(1);
        let number = least.saturating_add(i64::try_from(self.below(12)).unwrap()).saturating_mul(factor);
        let end = self.one_of(ends);
        write!(text, "{number}{end}").unwrap();
    }

    fn string(&mut self, schema: &Value, text: &mut String) {
        let format = schema.get("format").or(schema.get("pattern")).and_then(Value::as_str).unwrap_or_default();
        text.push('"');
        match format {
            "date-time" => {
                let (month, day, hour) = (self.below(13), self.below(32), self.below(25));
                let end = self.one_of(&["Z", ".5Z", ".123456Z", "+01:30", "z", ""]);
                write!(text, "2026-{month:02}-{day:02}T{hour:02}:30:15{end}").unwrap();
            }
            "date" => write!(text, "2024-{:02}-{:02}", self.below(13), self.below(32)).unwrap(),
            "uuid" => text.push_str("01890a5d-ac96-774b-bcce-b302099a8057"),
            "email" => text.push_str("anna@example.com"),
            "uri" => text.push_str("https://example.com/a"),
            "time" => text.push_str("12:30:00Z"),
            "^[A-Z]{2}-[0-9]+$" => write!(text, "AB-{}", self.below(100)).unwrap(),
            "^[a-z0-9-]{1,36}$" => write!(text, "a-{}", self.below(100)).unwrap(),
            _ => {
                let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
                let length = usize::try_from(least).unwrap() + self.below(4);
                (0..length).for_each(|_| text.push_str(self.one_of(&CHARACTERS)));
            }
        }
        text.push('"');
    }

    fn array(&mut self, schema: &Value, depth: usize, text: &mut String) {
        let anything = Value::Bool(true);
        let items = schema.get("items").unwrap_or(&anything);
        let length = self.below(4);
        text.push('[');
        for index in 0..length {
            if index > 0 {
                text.push(',');
            }
            self.value(items, depth + 1, text);
        }
        text.push(']');
    }

    fn object(&mut self, schema: &Value, depth: usize, text: &mut String) {
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut members: Vec<(String, Value)> = Vec::new();
        for (name, schema) in properties {
            let is_required = required.iter().any(|required| *required == name.as_str());
            if self.below(if is_required { 40 } else { 2 }) != 0 {
                members.push((name, schema));
            }
        }
        for name in &required {
            if !members.iter().any(|(known, _)| known == name.as_str().unwrap()) && self.below(10) != 0 {
                members.push((name.as_str().unwrap().to_owned(), Value::Bool(true)));
            }
        }
        if self.below(4) == 0 {
            members.push(((*self.one_of(&["x", "y", "a", "ab", ""])).to_owned(), Value::Bool(true)));
        }
        if self.below(40) == 0
            && let Some(member) = members.first().cloned()
        {
            members.push(member);
        }
        if self.below(3) == 0 {
            members.reverse();
        }
        text.push('{');
        for (index, (name, schema)) in members.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            self.space(text);
            match name.chars().next().filter(|_| self.below(30) == 0) {
                Some(first) => write!(text, "\"\\u{:04x}{}\":", u32::from(first), &name[first.len_utf8()..]).unwrap(),
                None => write!(text, "\"{name}\":").unwrap(),
            }
            self.value(schema, depth + 1, text);
        }
        text.push('}');
    }
}
