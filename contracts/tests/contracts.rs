//! Contracts that are accepted, and one file for each mistake with its error.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path};

use gateway_contracts::{CallPolicy, Contract, ContractError, Deployment, Policy, TopicHistory, TopicPresence};

const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

fn accepted(name: &str) -> Contract {
    Contract::read(Path::new(&format!("{TESTS}/accepted/{name}.service.toml"))).unwrap()
}

/// Writes the parts of a case, which begin with `--- FILE`, into a folder. Returns the expected error.
fn unpack(case: &str, folder: &Path) -> String {
    fs::copy(format!("{TESTS}/accepted/orders.schema.json"), folder.join("orders.schema.json")).unwrap();
    let mut expected = String::new();
    for part in case.split("--- ").skip(1) {
        let (name, text) = part.split_once('\n').unwrap();
        match name {
            "error" => expected = text.trim_end().to_owned(),
            file => fs::write(folder.join(file), text).unwrap(),
        }
    }
    expected
}

fn read_orders(folder: &Path) -> Result<Contract, ContractError> {
    Contract::read(&folder.join("orders.service.toml"))
}

/// Returns an error with paths relative to the folder.
fn text(error: &ContractError, folder: &Path) -> String {
    error.to_string().replace(&format!("{}/", folder.display()), "")
}

#[test]
fn each_mistake_has_its_error() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in fs::read_dir(format!("{TESTS}/refused")).unwrap() {
        let case = case.unwrap().path();
        let folder = tempfile::tempdir().unwrap();
        let expected = unpack(&fs::read_to_string(&case).unwrap(), folder.path());
        let found = read_orders(folder.path()).map_or_else(|error| text(&error, folder.path()), |_| "accepted".into());
        // `?` at the end stands for the words of a parser that we do not write.
        let matches = expected.strip_suffix('?').map_or(found == expected, |start| found.starts_with(start));
        if !matches || found.contains('\n') {
            wrong.push(format!("{}\n  expected: {expected}\n  found:    {found}", case.display()));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 60, "{count} cases");
}

#[test]
fn reads_the_example() {
    let orders = accepted("orders");
    assert_eq!((orders.name.as_str(), orders.title.as_deref()), ("orders", Some("Order tracking")));
    let order = &orders.topics["order"];
    let publish = order.publish.as_ref().unwrap();
    assert_eq!((order.event.name(), publish.data.name()), ("OrderEvent", "OrderComment"));
    assert_eq!((order.subscribe, publish.allow), (Policy::Backend, Policy::Backend));
    let two_days = std::time::Duration::from_secs(2 * 24 * 3600);
    assert_eq!(order.history, TopicHistory::Kept { max_entries: Some(200), max_age: Some(two_days) });
    assert!(matches!(&order.presence, TopicPresence::WithData(data) if data.name() == "Viewer"));
    let mine = &orders.topics["mine"];
    assert_eq!((mine.subscribe, &mine.publish, &mine.presence), (Policy::User, &None, &TopicPresence::Off));
    assert_eq!(mine.history, TopicHistory::Kept { max_entries: None, max_age: None });
    let cancel = &orders.calls["cancel"];
    assert_eq!((cancel.request.name(), cancel.response.name()), ("CancelRequest", "CancelResult"));
    assert_eq!(cancel.allow, CallPolicy::User);
    let names: Vec<_> = orders.schema.definitions().map(|(name, _)| name).take(3).collect();
    assert_eq!(names, ["OrderEvent", "OrderPlaced", "OrderComment"]);
}

/// Compares what a contract declares.
fn assert_same(found: &Contract, expected: &Contract) {
    assert_eq!((&found.name, &found.title), (&expected.name, &expected.title));
    assert_eq!((&found.topics, &found.calls), (&expected.topics, &expected.calls));
    let definitions = |contract: &Contract| {
        let definitions = contract.schema.definitions();
        definitions.map(|(name, schema)| (name.to_owned(), schema.value().clone())).collect::<Vec<_>>()
    };
    assert_eq!(definitions(found), definitions(expected));
}

#[test]
fn reads_contracts_that_were_written_as_json() {
    let contracts: Vec<_> = ["orders", "status", "rooms", "calls"].map(accepted).into();
    let source = Path::new("https://gateway.test/contracts.json");
    let document = Contract::document(&contracts, &serde_json::json!([]));
    let read = Contract::read_document(&document, source).unwrap();
    assert_eq!(read.len(), contracts.len());
    read.iter().zip(&contracts).for_each(|(found, expected)| assert_same(found, expected));
    assert_eq!(Contract::document(&read, &serde_json::json!([])), document);
}

#[test]
fn names_source_and_key_of_contract_in_json() {
    let source = Path::new("contracts.json");
    let written = accepted("orders").to_json();
    for (from, to, expected) in [
        (
            "\"order-{orderId}\"",
            "\"{orderId}\"",
            "contracts.json: `topics.order.pattern` is \"{orderId}\": it must begin",
        ),
        ("\"response\"", "\"respons\"", "contracts.json: `calls.cancel.respons` is an unknown key"),
        ("\"format\"", "\"formatt\"", "contracts.json, line 13: `/$defs/OrderPlaced/properties/at/formatt` is an"),
        ("\"name\"", "\"id\"", "contracts.json: is not a contract in JSON: missing field `name`"),
    ] {
        let changed = written.replacen(from, to, 1);
        assert_ne!(changed, written, "{from}");
        let error = Contract::from_json(&changed, source).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let error = Contract::read_document("[]", source).unwrap_err().to_string();
    assert!(error.starts_with("contracts.json: is not a list of contracts"), "{error}");
}

#[test]
fn bounds_contract_in_json() {
    let topics = |count: usize| {
        let topic = |index: usize| format!(r#""t{index}":{{"pattern":"{index:06}","event":"A"}}"#);
        let topics: Vec<_> = (0..count).map(topic).collect();
        let schema = r#"{"$defs":{"A":{"type":"object"}}}"#;
        format!(r#"{{"name":"a","topics":{{{}}},"schema":{schema}}}"#, topics.join(","))
    };
    let source = Path::new("contracts.json");
    assert_eq!(Contract::from_json(&topics(1_000), source).unwrap().topics.len(), 1_000);
    let error = Contract::from_json(&topics(50_000), source).unwrap_err().to_string();
    assert_eq!(error, "contracts.json: has a contract over 1024 KiB, the maximum");

    // The largest contract file with the shortest topics can be read again from JSON.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.service.toml");
    let topics: String =
        (0..5_700).map(|index| format!("t{index}={{pattern=\"{index:04}\",event=\"A\",publish=\"A\"}}\n")).collect();
    let head = "name=\"a\"\nschema=\"a.json\"\n[topics]\n";
    let text = format!("{head}{topics}");
    fs::write(folder.path().join("a.json"), r#"{"$defs":{"A":{"type":"object"}}}"#).unwrap();
    fs::write(&path, &text).unwrap();
    assert!((250_000..=262_144).contains(&text.len()), "{}", text.len());
    let contract = Contract::read(&path).unwrap();
    assert_eq!(Contract::from_json(&contract.to_json(), source).unwrap().topics.len(), 5_700);
}

#[test]
fn policies_have_defaults() {
    let status = accepted("status");
    let all = &status.topics["all"];
    assert_eq!((all.subscribe, all.publish.as_ref().unwrap().allow), (Policy::Grants, Policy::Grants));
    let rooms = accepted("rooms");
    let typing = &rooms.topics["typing"];
    assert_eq!((typing.history, &typing.presence), (TopicHistory::Off, &TopicPresence::On));
    let private = &rooms.topics["private"];
    assert_eq!((private.subscribe, private.publish.as_ref().unwrap().allow), (Policy::Grants, Policy::User));
    assert_eq!(accepted("calls").calls["cancel"].allow, CallPolicy::Grants);
}

#[test]
fn finds_the_kind_of_a_topic() {
    let orders = accepted("orders");
    let found = |topic: &str| {
        let topic = realtime_gateway_protocol::TopicName::new(topic).unwrap();
        orders.topic(&topic).map(|(name, _, values)| (name.to_string(), values.user_id().map(str::to_owned)))
    };
    assert_eq!(found("order-42"), Some(("order".into(), None)));
    assert_eq!(found("user-anna"), Some(("mine".into(), Some("anna".into()))));
    assert_eq!(found("order-"), None);
    assert_eq!(found("orders"), None);
}

#[test]
fn names_the_key_that_a_gateway_does_not_support() {
    let orders = accepted("orders");
    let deployment = Deployment { has_backend: true, max_history_entries: 10_000 };
    assert_eq!(orders.check(&deployment), Ok(()));
    let error = orders.check(&Deployment { has_backend: false, ..deployment }).unwrap_err();
    assert_eq!((error.line, error.key.as_deref()), (Some(9), Some("topics.order.subscribe")));
    assert!(error.to_string().ends_with("needs a backend: set services.orders.backend.url in gateway.toml"), "{error}");
    let error = orders.check(&Deployment { max_history_entries: 100, ..deployment }).unwrap_err();
    assert_eq!(error.line, Some(10));
    assert!(
        error.to_string().ends_with(
            "`topics.order.history.max_entries` is 200, over the limit of this gateway, history.limit_entries (100)"
        ),
        "{error}"
    );
    assert_eq!(accepted("status").check(&Deployment { has_backend: false, ..deployment }), Ok(()));
    assert_eq!(accepted("calls").needs_backend().as_deref(), Some("calls.cancel"));
}

/// Reads a contract with this schema, and returns the error without the name of the folder.
fn error_of_schema(schema: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let contract = "name = \"a\"\nschema = \"s.json\"\n[topics.a]\npattern = \"a\"\nevent = \"A\"\n";
    fs::write(folder.path().join("orders.service.toml"), contract).unwrap();
    fs::write(folder.path().join("s.json"), schema).unwrap();
    read_orders(folder.path()).map_or_else(|error| text(&error, folder.path()), |_| "accepted".into())
}

#[test]
fn bounds_the_size_of_schemas() {
    let of_size = |bytes: usize| {
        let empty = r#"{"$defs":{"A":{"title":""}}}"#;
        empty.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - empty.len())))
    };
    assert_eq!(error_of_schema(&of_size(256 * 1024)), "accepted");
    let error = error_of_schema(&of_size(256 * 1024 + 1));
    assert_eq!(
        error,
        "orders.service.toml, line 2: `schema` names s.json, which is over 256 KiB, the maximum of a contract file or schema"
    );
    let definitions = |count: usize| {
        let others: String = (1..count).map(|index| format!(",\"T{index}\":{{\"type\":\"object\"}}")).collect();
        format!("{{\"$defs\":{{\"A\":{{}}{others}}}}}")
    };
    assert_eq!(error_of_schema(&definitions(1_000)), "accepted");
    assert_eq!(
        error_of_schema(&definitions(1_001)),
        "s.json, line 1: the schema has 1001 definitions, over the maximum of 1000"
    );
    let nested = |levels: usize| {
        let (open, close) = ("{\"items\":".repeat(levels), "}".repeat(levels));
        format!("{{\"$defs\":{{\"A\":{open}true{close}}}}}")
    };
    assert_eq!(error_of_schema(&nested(62)), "accepted");
    assert!(error_of_schema(&nested(63)).ends_with("is nested deeper than 64 levels"));
}

#[test]
fn bounds_chains_of_references() {
    let chain = |length: usize| {
        let links: String =
            (0..length).map(|index| format!("\"T{index}\":{{\"$ref\":\"#/$defs/T{}\"}},", index + 1)).collect();
        format!("{{\"$defs\":{{{links}\"T{length}\":{{}},\"A\":{{\"$ref\":\"#/$defs/T0\"}}}}}}")
    };
    assert_eq!(error_of_schema(&chain(31)), "accepted");
    assert!(
        error_of_schema(&chain(32)).ends_with("has over 32 schemas one within the other that apply to the same value")
    );
    assert!(error_of_schema(&chain(998)).contains("has over 32 schemas one within the other"));
}

#[test]
fn compiles_a_long_chain_of_types_with_the_stack_of_a_worker() {
    let links: String = (0..998)
        .map(|index| format!("\"T{index}\":{{\"properties\":{{\"next\":{{\"$ref\":\"#/$defs/T{}\"}}}}}},", index + 1))
        .collect();
    let schema = format!("{{\"$defs\":{{{links}\"T998\":{{}},\"A\":{{\"$ref\":\"#/$defs/T0\"}}}}}}");
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let thread = worker.spawn(move || error_of_schema(&schema)).unwrap();
    assert_eq!(thread.join().unwrap(), "accepted");
}
