//! The validator in one pass accepts only what the validators of `validator.rs` accept, and most of it.

mod documents;
mod schemas;

use serde_json::Value;

use self::documents::Documents;
use super::super::{data_type::Validators, validator};

/// Compiles a type of a schema.
fn compile(schema: &Value, name: &str) -> Validators {
    validator::compile(schema, name).unwrap()
}

/// Compiles the type `A` of definitions.
fn type_of(definitions: &str) -> Validators {
    compile(&serde_json::from_str(&format!("{{\"$defs\":{{{definitions}}}}}")).unwrap(), "A")
}

/// Returns whether the validator in one pass accepts a document, after a comparison with the others.
fn accepts(validators: &Validators, data: &str) -> bool {
    let accepted = validators.one_pass.as_ref().is_some_and(|one_pass| one_pass.accepts(data));
    if accepted {
        assert_eq!(validators.validate(data), Ok(()), "accepted {data}");
    }
    accepted
}

#[test]
fn agrees_about_random_documents() {
    let (mut valid, mut accepted, mut refused) = (0, 0, 0);
    for schema in schemas::all() {
        let definitions = schema["$defs"].as_object().unwrap();
        for name in definitions.keys() {
            let validators = compile(&schema, name);
            let mut documents = Documents::new(definitions, name);
            for _ in 0..400 {
                let document = documents.next();
                let is_accepted = accepts(&validators, &document);
                let is_valid = validators.validate(&document).is_ok();
                valid += usize::from(is_valid);
                refused += usize::from(!is_valid);
                accepted += usize::from(is_accepted && is_valid);
            }
        }
    }
    println!("{valid} valid documents, of which {accepted} were accepted in one pass, and {refused} invalid ones");
    assert!(accepted * 10 > valid * 7, "{accepted} of {valid} are accepted in one pass");
    assert!(valid > 10_000 && refused > 5_000, "{valid} valid, {refused} invalid");
}

#[test]
fn agrees_about_odd_documents() {
    for schema in schemas::all() {
        for name in schema["$defs"].as_object().unwrap().keys() {
            let validators = compile(&schema, name);
            for odd in documents::ODD {
                for document in [
                    (*odd).to_owned(),
                    format!(" [ {odd} ] "),
                    format!("{{\"a\":{odd},\"b\":{odd}}}"),
                    format!("{{\"\\u0061\":{odd},\"a\":1}}"),
                    format!("{odd} {odd}"),
                ] {
                    accepts(&validators, &document);
                }
            }
        }
    }
}

#[test]
fn compiles_usual_schemas() {
    let schemas = schemas::all();
    let compiles = |schema: &Value, name: &str| compile(schema, name).one_pass.is_some();
    for name in ["Form", "Owner", "Order", "Placed", "Tree", "Nullable", "Numbers", "Texts", "Words", "Both", "Open"] {
        assert!(compiles(&schemas[0], name), "{name}");
    }
    for name in
        ["Not", "Conditional", "Unique", "Patterned", "Dependent", "Ambiguous", "Tuple", "ListOfValues", "Huge", "Part"]
    {
        assert!(!compiles(&schemas[0], name), "{name}");
    }
}

#[test]
fn accepts_in_one_pass_what_clients_usually_send() {
    let usual = &schemas::all()[0];
    for (name, document) in [
        ("Form", schemas::FORM),
        ("Order", r#"{"type":"placed","items":[{"sku":"AB-1","qty":1}],"at":"2026-01-31T12:00:00.5Z"}"#),
        ("Order", r#" { "text" : "a \"quoted\" \ud83d\ude00 word" , "type" : "comment" } "#),
        ("Tree", r#"{"value":1,"left":{"value":2},"right":{"value":3,"left":null}}"#),
        ("Nullable", r#"{"a":null,"b":"x","c":{"value":1},"d":null}"#),
        ("Numbers", r#"{"int32":-2147483648,"int64":999999999999999999,"ratio":0.25,"step":15,"any":1e3}"#),
        (
            "Texts",
            r#"{"short":"äöü","long":"0123456789","pattern":"AB-12","mail":"anna@example.com","\u0075uid":"01890a5d-ac96-774b-bcce-b302099a8057"}"#,
        ),
        ("Words", r#"{"enum":"b","constant":"only","mixed":null}"#),
        ("Both", r#"{"a":1,"b":"x"}"#),
        ("Open", r#"{"known":1,"x":[1,2,{"y":[]}],"y":{},"\u007a":true}"#),
    ] {
        assert!(accepts(&compile(usual, name), document), "{name} {document}");
    }
}

#[test]
fn refuses_repeated_names_of_members() {
    let validators = type_of(r#""A":{"properties":{"a":true,"ab":{"type":"integer"}}}"#);
    assert!(accepts(&validators, r#"{"a":1,"ab":2,"c":3,"d":{"a":1}}"#));
    for document in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"\u0061":1}"#,
        r#"{"c":1,"a":1,"\u0063":1}"#,
        r#"{"x":[{"c":1,"d":2,"c":3}]}"#,
        r#"{"ab":1,"c":2,"ab":3}"#,
    ] {
        assert!(!accepts(&validators, document), "{document}");
        assert_eq!(validators.validate(document).unwrap_err().keyword, "duplicate", "{document}");
    }
}

#[test]
fn limits_depth_and_time() {
    let anything = type_of(r#""A":true"#);
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(accepts(&anything, &nested(64)));
    assert!(!accepts(&anything, &nested(65)));
    // Each level reads the text of the level below twice: 2^60 times in all, without a bound.
    let twice = type_of(r##""A":{"allOf":[{"items":{"$ref":"#/$defs/A"}},{"items":{"$ref":"#/$defs/A"}}]}"##);
    assert!(twice.one_pass.is_some());
    assert!(accepts(&twice, &nested(2)));
    assert!(!accepts(&twice, &nested(60)));
    assert_eq!(twice.validate(&nested(60)), Ok(()));
}
