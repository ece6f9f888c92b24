//! What is read from odd claims, and which of them refuse a token.

use serde_json::json;

use super::*;
use crate::config::{Auth, Config, WordTemplate};

fn reader(mapping: ClaimMapping) -> ClaimReader {
    ClaimReader::new(&Auth { claims: mapping, ..Config::default().auth })
}

fn path(text: &str) -> ClaimPath {
    ClaimPath::parse(text).unwrap()
}

fn claims(value: Value) -> Claims {
    value.as_object().unwrap().clone()
}

#[test]
fn finds_claims_by_path() {
    let mapping = ClaimMapping {
        user: path("https://example.com/user"),
        device: path("session.device"),
        clans: path("resource_access.\"my.app\".roles"),
        ..ClaimMapping::default()
    };
    let token = claims(json!({
        "sub": "not-used",
        "https://example.com/user": "alice",
        "session": { "device": "phone" },
        "resource_access": { "my.app": { "roles": ["red", "blue"] }, "my": { "app": { "roles": ["wrong"] } } },
    }));
    let reader = reader(mapping);
    assert_eq!(reader.user(&token).unwrap().as_str(), "alice");
    assert_eq!(reader.device(&token).unwrap().unwrap().as_str(), "phone");
    assert_eq!(reader.grants(&token).unwrap().clans, ["red", "blue"]);
}

#[test]
fn odd_user_or_device_refuses_the_token() {
    let mapped = reader(ClaimMapping { user: path("profile.id"), device: path("dev"), ..ClaimMapping::default() });
    let user = |value: Value| mapped.user(&claims(json!({ "profile": { "id": value }, "sub": "alice" })));
    assert_eq!(user(json!(42)).unwrap().as_str(), "42", "a whole number counts as its digits");
    for odd in [json!(4.2), json!(true), json!(["alice"]), json!({ "id": "alice" }), json!(""), json!("a b")] {
        let invalid = "its user (auth.claims.user) is not an identifier of 1 to 128 bytes";
        assert_eq!(user(odd.clone()).err(), Some(AuthError::Invalid(invalid)), "{odd}");
    }
    assert!(user(json!("system")).is_err());
    let missing = Some(AuthError::Invalid("it has no user (auth.claims.user)"));
    assert_eq!(user(Value::Null).err(), missing);
    // A path through something that is no object leads nowhere.
    for odd in [json!("text"), json!([{ "id": "alice" }]), json!(7)] {
        assert_eq!(mapped.user(&claims(json!({ "profile": odd }))).err(), missing);
    }
    let device = |value: Value| mapped.device(&claims(json!({ "dev": value })));
    assert_eq!(device(Value::Null), Ok(None));
    assert_eq!(device(json!(7)).unwrap().unwrap().as_str(), "7");
    for odd in [json!(""), json!(["phone"]), json!("x".repeat(129))] {
        assert!(device(odd.clone()).is_err(), "{odd}");
    }
}

#[test]
fn words_that_are_no_grants_are_skipped() {
    let reader = reader(ClaimMapping::default());
    let clans = |value: Value| reader.grants(&claims(json!({ "clans": value }))).map(|grants| grants.clans);
    for (value, expected) in [
        (json!([]), vec![]),
        (Value::Null, vec![]),
        (json!(["red", 7, "*"]), vec!["red", "7", "*"]),
        (json!(["red", ["nested"], { "a": "b" }, true, null, 1.5]), vec!["red"]),
        (json!(["", "a b", "\u{0}", ".", "x".repeat(129), "red"]), vec!["red"]),
        (json!("red  blue"), vec!["red", "blue"]),
        (json!(""), vec![]),
    ] {
        assert_eq!(clans(value.clone()).unwrap(), expected, "{value}");
    }
    let many: Vec<String> = (0..5_000).map(|number| number.to_string()).collect();
    assert_eq!(clans(json!(many)).unwrap().len(), 5_000, "the size of a token is the bound");
    for odd in [json!({ "red": true }), json!(7), json!(true)] {
        let wrong = AuthError::Invalid("its clans (auth.claims.clans) have the wrong type");
        assert_eq!(clans(odd.clone()).err(), Some(wrong), "{odd}");
    }
}

#[test]
fn templates_select_words() {
    let roles = path("realm_access.roles");
    let reader = reader(ClaimMapping {
        clans: roles.clone(),
        clans_template: Some(WordTemplate::parse("clan:{value}").unwrap()),
        topics: roles.clone(),
        topics_template: Some(TopicTemplate::parse("topic:{service}:{value}").unwrap()),
        calls: roles,
        calls_template: Some(TopicTemplate::parse("call:{service}:{value}").unwrap()),
        ..ClaimMapping::default()
    });
    let words = json!([
        "offline_access",
        "clan:red",
        "clan:",
        "clan:a b",
        "topic:orders:eu-*",
        "topic:Orders:x",
        "topic:orders:",
        "call:orders:cancel",
        "call:orders:not a call",
        "*",
        7,
        ["clan:nested"],
    ]);
    let grants = reader.grants(&claims(json!({ "realm_access": { "roles": words } }))).unwrap();
    assert_eq!(grants.clans, ["red"], "a word that does not match, such as *, grants nothing");
    assert_eq!(grants.topics, HashMap::from([("orders".to_owned(), vec!["eu-*".to_owned()])]));
    assert_eq!(grants.calls, HashMap::from([("orders".to_owned(), vec!["cancel".to_owned()])]));
    let text = claims(json!({ "realm_access": { "roles": "openid clan:red clan:blue" } }));
    assert_eq!(reader.grants(&text).unwrap().clans, ["red", "blue"], "like scope");
    assert_eq!(reader.grants(&claims(json!({}))).unwrap(), Grants::default());
}

#[test]
fn topics_without_template_are_an_object_of_lists() {
    let reader = reader(ClaimMapping::default());
    let topics = |value: Value| reader.grants(&claims(json!({ "topics": value }))).map(|grants| grants.topics);
    let read = topics(json!({ "orders": ["a", "eu-*", "*", {}], "No service": ["x"], "dice": "t1 t2" })).unwrap();
    assert_eq!(read["orders"], ["a", "eu-*", "*"]);
    assert_eq!(read["dice"], ["t1", "t2"]);
    assert_eq!(read.len(), 2);
    for odd in [json!(["orders"]), json!("orders"), json!({ "orders": { "a": true } })] {
        assert!(topics(odd.clone()).is_err(), "{odd}");
    }
}

#[test]
fn keeps_only_configured_claims() {
    let kept = vec![path("tenant"), path("app.plan"), path("absent")];
    let token = claims(json!({ "tenant": "t1", "app": { "plan": ["a", 1], "secret": 1 }, "email": "a@example.com" }));
    let reader = ClaimReader::new(&Auth { kept_claims: kept.clone(), ..Config::default().auth });
    let claims = reader.kept(&token).unwrap();
    assert_eq!(claims.select(&kept).as_str(), r#"{"app.plan":["a",1],"tenant":"t1"}"#);
    assert_eq!(claims.select(&kept[..1]).as_str(), r#"{"tenant":"t1"}"#);
    assert_eq!(KeptClaims::default().select(&kept).as_str(), "{}");
    assert_eq!(ClaimReader::new(&Config::default().auth).kept(&token), None, "nothing is kept by default");
}

#[test]
fn claimed_subscription_is_an_object() {
    let reader = reader(ClaimMapping::default());
    let subscribe = |value: Value| reader.grants(&claims(json!({ "subscribe": [value] })));
    assert_eq!(subscribe(json!({ "service": "orders", "topic": "order-1" })).unwrap().subscribe.len(), 1);
    for odd in [json!(["orders", "order-1"]), json!("order-1"), json!({ "service": "orders" })] {
        assert!(subscribe(odd.clone()).is_err(), "{odd}");
    }
}
