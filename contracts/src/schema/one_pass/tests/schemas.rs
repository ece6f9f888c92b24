//! Schemas of the tests: one with every kind of keyword, and those of the contracts in this repository.

use std::{fs, path::Path};

use serde_json::Value;

/// A valid document of the type `Form`.
pub(super) const FORM: &str = r#"{"type":"form","id":"b0f3c1de-77aa","title":"Twelve chairs","status":"sent","quantity":12,"priceCents":118800,"urgent":false,"tags":["office","furniture"],"owner":{"userId":"user-17"},"createdAt":"2026-11-30T12:00:00.000Z"}"#;

const EVERY_KEYWORD: &str = r##"{"$defs": {
    "Form": {
        "type": "object",
        "title": "Ten fields",
        "required": ["type", "id", "title", "status", "quantity", "priceCents", "urgent", "tags", "owner", "createdAt"],
        "properties": {
            "type": { "const": "form" },
            "id": { "type": "string", "pattern": "^[a-z0-9-]{1,36}$" },
            "title": { "type": "string", "minLength": 1, "maxLength": 100 },
            "status": { "enum": ["draft", "sent", "accepted", "refused"] },
            "quantity": { "type": "integer", "format": "int32", "minimum": 1, "maximum": 1000 },
            "priceCents": { "type": "integer", "minimum": 0 },
            "urgent": { "type": "boolean" },
            "tags": { "type": "array", "maxItems": 10, "items": { "type": "string", "maxLength": 20 } },
            "owner": { "$ref": "#/$defs/Owner" },
            "createdAt": { "type": "string", "format": "date-time" }
        }
    },
    "Owner": {
        "type": "object", "required": ["userId"], "additionalProperties": false,
        "properties": { "userId": { "type": "string" }, "name": { "type": ["string", "null"] } }
    },
    "Order": { "oneOf": [{ "$ref": "#/$defs/Placed" }, { "$ref": "#/$defs/Comment" }] },
    "Placed": {
        "type": "object",
        "required": ["type", "items"],
        "properties": {
            "type": { "const": "placed" },
            "items": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/Item" } },
            "at": { "type": "string", "format": "date-time" },
            "day": { "format": "date" }
        }
    },
    "Comment": {
        "type": "object", "required": ["type", "text"],
        "properties": { "type": { "const": "comment" }, "text": { "type": "string", "minLength": 1, "maxLength": 30 } }
    },
    "Item": {
        "type": "object", "required": ["sku", "qty"],
        "properties": {
            "sku": { "type": "string", "pattern": "^[A-Z]{2}-[0-9]+$" },
            "qty": { "type": "integer", "format": "int32", "minimum": 1 }
        }
    },
    "Tree": {
        "type": "object", "required": ["value"],
        "properties": {
            "value": { "type": "integer" },
            "left": { "anyOf": [{ "$ref": "#/$defs/Tree" }, { "type": "null" }] },
            "right": { "oneOf": [{ "type": "null" }, { "$ref": "#/$defs/Tree" }] }
        }
    },
    "Nullable": {
        "properties": {
            "a": { "type": ["string", "null"], "maxLength": 3 },
            "b": { "anyOf": [{ "type": "null" }, { "type": "string" }] },
            "c": { "oneOf": [{ "$ref": "#/$defs/Tree" }, { "type": "null" }, { "type": "integer", "maximum": 3 }] },
            "d": { "oneOf": [{ "enum": ["a", null] }, { "const": 1 }, { "type": "array", "items": { "type": "null" } }] }
        }
    },
    "Numbers": {
        "type": "object", "minProperties": 1, "maxProperties": 6,
        "properties": {
            "int32": { "format": "int32" },
            "int64": { "type": "integer", "format": "int64" },
            "ratio": { "type": "number", "minimum": 0, "exclusiveMaximum": 1 },
            "step": { "multipleOf": 5, "exclusiveMinimum": -10.5, "maximum": 9007199254740993 },
            "any": { "type": "number" },
            "count": { "type": "integer", "minimum": -3, "maximum": 3 }
        }
    },
    "Huge": { "minimum": 18446744073709551615 },
    "Part": { "multipleOf": 0.1 },
    "Texts": {
        "properties": {
            "short": { "minLength": 1, "maxLength": 3 },
            "long": { "minLength": 10 },
            "pattern": { "pattern": "^[A-Z]{2}-[0-9]+$" },
            "mail": { "format": "email" },
            "uuid": { "type": "string", "format": "uuid" },
            "time": { "format": "time" },
            "uri": { "format": "uri" },
            "unknown": { "format": "iban" }
        },
        "additionalProperties": { "type": "string", "format": "date-time" }
    },
    "Words": {
        "properties": {
            "enum": { "type": "string", "enum": ["a", "b", "c"] },
            "constant": { "const": "only" },
            "mixed": { "enum": [1, "1", true, null, -2] },
            "yes": { "const": true },
            "none": { "const": null }
        }
    },
    "Both": {
        "$ref": "#/$defs/First",
        "allOf": [{ "required": ["a"] }, { "maxProperties": 3 }],
        "properties": { "b": { "type": "string" } },
        "required": ["b", "a"]
    },
    "First": { "type": "object", "properties": { "a": { "type": "integer" } } },
    "Open": {
        "type": "object", "required": ["known", "x"],
        "properties": { "known": { "type": "integer" } }, "additionalProperties": true
    },
    "Lists": {
        "type": "array", "minItems": 1, "maxItems": 3,
        "items": { "type": "array", "maxItems": 2, "items": { "type": ["integer", "boolean"] } }
    },
    "Expression": {
        "oneOf": [
            { "type": "object", "required": ["op"], "properties": { "left": { "$ref": "#/$defs/Expression" }, "op": { "const": "add" } } },
            { "required": ["op"], "properties": { "op": { "const": "not" }, "left": { "$ref": "#/$defs/Expression" } } },
            { "type": "object", "required": ["op"], "properties": { "op": { "const": "one" } } }
        ]
    },
    "Not": { "not": { "type": "string" } },
    "Conditional": { "if": { "type": "string" }, "then": { "minLength": 2 }, "else": { "type": "integer" } },
    "Unique": { "type": "array", "uniqueItems": true },
    "Patterned": { "patternProperties": { "^a": { "type": "integer" } } },
    "Dependent": { "dependentRequired": { "a": ["b"] } },
    "Ambiguous": { "oneOf": [{ "type": "integer" }, { "type": "number" }] },
    "Tuple": { "prefixItems": [{ "type": "integer" }, { "type": "string" }], "items": false },
    "ListOfValues": { "enum": [[1], { "a": 1 }, 1.5] }
}}"##;

/// Returns the schemas, that with every kind of keyword first.
pub(super) fn all() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = ["contracts/tests/accepted", "codegen/tests/contracts", "docs/examples/orders"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let files =
        files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|kind| kind == "json"));
    let mut schemas: Vec<Value> = vec![serde_json::from_str(EVERY_KEYWORD).unwrap()];
    schemas.extend(files.map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()));
    assert!(schemas.len() >= 5, "{} schemas are found", schemas.len());
    schemas
}
