//! Every body that backend services and the gateway exchange has vectors, which decoder and schema judge alike.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test file: what fails here is a failed test")]

use std::collections::BTreeSet;

use realtime_gateway_protocol::backend::{Flow, KINDS, Kind, backend_schema};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Vector {
    name: String,
    #[serde(rename = "type")]
    body: String,
    message: Option<Value>,
    text: Option<String>,
    code: Option<String>,
    field: Option<String>,
    #[serde(default)]
    schema_accepts: bool,
    #[serde(default)]
    schema_refuses: bool,
}

impl Vector {
    fn text(&self) -> String {
        match (&self.text, &self.message) {
            (Some(text), None) => text.clone(),
            (None, Some(message)) => message.to_string(),
            _ => panic!("{}: either text or message", self.name),
        }
    }

    fn kind(&self) -> &'static Kind {
        KINDS.iter().find(|kind| kind.name == self.body).unwrap_or_else(|| panic!("{}", self.body))
    }
}

fn vectors(file: &str) -> Vec<Vector> {
    let path = format!("{}/vectors/backend/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let vectors: Vec<Vector> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let names: BTreeSet<_> = vectors.iter().map(|vector| &vector.name).collect();
    assert_eq!(names.len(), vectors.len(), "{file}: each name once");
    vectors
}

#[test]
fn accepted_bodies_are_accepted() {
    for vector in vectors("accepted") {
        let read = vector.kind().check(&vector.text());
        assert!(read.is_ok(), "{}: {}", vector.name, read.unwrap_err());
    }
}

#[test]
fn refused_bodies_name_the_code_and_the_field() {
    for vector in vectors("refused") {
        let error = vector.kind().check(&vector.text()).expect_err(&vector.name);
        let found = (error.code().as_str().to_owned(), error.field().map(str::to_owned));
        assert_eq!(found, (vector.code.unwrap(), vector.field), "{}: {error}", vector.name);
    }
}

#[test]
fn schemas_agree_with_decoder() {
    for kind in KINDS {
        let schema = kind.schema();
        jsonschema::draft202012::meta::validate(&schema).unwrap();
        let validator = jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap();
        let judge = |vector: &Vector| serde_json::from_str(&vector.text()).ok().map(|value| validator.is_valid(&value));
        let of_kind = |vector: &&Vector| vector.body == kind.name;
        for vector in vectors("accepted").iter().filter(of_kind) {
            assert_eq!(judge(vector), Some(!vector.schema_refuses), "{}", vector.name);
        }
        for vector in vectors("refused").iter().filter(of_kind) {
            assert!(judge(vector).is_none_or(|accepted| accepted == vector.schema_accepts), "{}", vector.name);
        }
    }
}

#[test]
fn every_body_and_every_field_has_vectors() {
    let (accepted, refused) = (vectors("accepted"), vectors("refused"));
    for kind in KINDS {
        let schema = kind.schema();
        assert!(refused.iter().any(|vector| vector.body == kind.name), "refused: {}", kind.name);
        for field in schema["properties"].as_object().into_iter().flatten().map(|(field, _)| field) {
            let stands_in = |vector: &Vector| {
                vector.body == kind.name && vector.message.as_ref().is_some_and(|message| message.get(field).is_some())
            };
            assert!(accepted.iter().any(stands_in), "accepted: {}.{field}", kind.name);
        }
    }
}

#[test]
fn the_schemas_hold_every_body_and_refer_to_nothing_else() {
    let count = |flow| KINDS.iter().filter(|kind| kind.flow == flow).count();
    for flow in [Flow::Inbound, Flow::Outbound] {
        let schema = backend_schema(flow);
        assert_eq!(schema["$defs"].as_object().unwrap().len(), count(flow));
        // The root is any of them, so that generators find where to begin.
        let root = schema["anyOf"].as_array().unwrap();
        let names = schema["$defs"].as_object().unwrap().keys();
        assert!(
            root.iter()
                .map(|body| body["$ref"].as_str().unwrap().to_owned())
                .eq(names.map(|name| format!("#/$defs/{name}")))
        );
        assert!(!schema["$defs"].to_string().contains("$ref"));
        jsonschema::draft202012::meta::validate(&schema).unwrap();
    }
}
