//! Adds the declared services to the documents: their types, topics and routes.
#![expect(
    clippy::indexing_slicing,
    reason = "an unknown name reads as null or is inserted; the documents are nested objects"
)]

use std::sync::Arc;

use gateway_contracts::{Contract, DeclaredTopic, MemberName, TopicHistory};
use serde_json::{Map, Value, json};

/// The route that publishes an event to a topic of any service.
const PUBLISH: &str = "/api/v1/services/{service}/topics/{topic}/events";
/// The beginning of references within the schema of a contract.
const DEFINITIONS: &str = "#/$defs/";

/// Adds the types, and a route for each kind of topics, to an OpenAPI document.
pub(super) fn add_to_openapi(document: &mut Value, contracts: &[Arc<Contract>]) {
    let route = document["paths"][PUBLISH]["post"].clone();
    let body = route["requestBody"]["content"]["application/json"]["schema"].clone();
    for contract in contracts {
        add_types(document, contract);
        if let Some(names) =
            document["paths"]["/schema/{name}"]["get"]["parameters"][0]["schema"]["enum"].as_array_mut()
        {
            names.push(format!("{}.json", contract.name).into());
        }
        for (name, topic) in &contract.topics {
            let mut route = route.clone();
            route["operationId"] = json!(format!("publish_{}_{name}", contract.name));
            route["summary"] =
                json!(format!("Publish an event to the topics `{}` of {}.", topic.pattern, contract.name));
            route["parameters"] =
                topic.pattern.parameters().iter().map(|parameter| path_parameter(&parameter.name)).collect();
            route["requestBody"]["content"]["application/json"]["schema"] = json!({
                "allOf": [body, { "type": "object", "properties": { "data": reference(contract, topic.event.name()) } }],
            });
            let other = if topic.history == TopicHistory::Off { "202" } else { "204" };
            if let Some(responses) = route["responses"].as_object_mut() {
                responses.remove(other);
            }
            document["paths"][path(contract, topic)] = json!({ "post": route });
        }
    }
}

fn path_parameter(name: &MemberName) -> Value {
    let schema = json!({ "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^\\S+$" });
    json!({ "name": name.as_str(), "in": "path", "required": true, "schema": schema })
}

/// Returns the path of the route of a kind of topics. Literals are percent-encoded.
fn path(contract: &Contract, topic: &DeclaredTopic) -> String {
    let encoded = |literal: &str| form_urlencoded::byte_serialize(literal.as_bytes()).collect::<String>();
    let mut name = encoded(topic.pattern.first_literal());
    for parameter in topic.pattern.parameters() {
        let separator = parameter.separator.as_deref().map(encoded).unwrap_or_default();
        name.push_str(&format!("{{{}}}{separator}", parameter.name));
    }
    format!("/api/v1/services/{}/topics/{name}/events", contract.name)
}

/// Adds the types, and a message and an operation for each kind of topics, to an AsyncAPI document.
pub(super) fn add_to_asyncapi(document: &mut Value, contracts: &[Arc<Contract>]) {
    for contract in contracts {
        add_types(document, contract);
        for (name, topic) in &contract.topics {
            let event = match topic.history {
                TopicHistory::Kept { .. } => ("event", "Event", "send", topic.event.name()),
                TopicHistory::Off => ("ephemeral_event", "EphemeralEvent", "send", topic.event.name()),
            };
            let publish = topic.publish.as_ref().map(|publish| ("publish", "Publish", "receive", publish.data.name()));
            for (word, message, action, data) in [Some(event), publish].into_iter().flatten() {
                let key = format!("{}.{name}.{word}", contract.name);
                let general = document["components"]["messages"][message]["payload"].clone();
                let properties = json!({
                    "service": { "const": contract.name },
                    "data": reference(contract, data),
                });
                let summary = format!("`{word}` for the topics `{}` of {}.", topic.pattern, contract.name);
                document["components"]["messages"][key.as_str()] = json!({
                    "name": word,
                    "title": key,
                    "summary": summary,
                    "contentType": "application/json",
                    "payload": { "allOf": [general, { "type": "object", "properties": properties }] },
                    "x-topic-pattern": topic.pattern.to_string(),
                });
                document["channels"]["gateway"]["messages"][key.as_str()] =
                    json!({ "$ref": format!("#/components/messages/{key}") });
                document["operations"][format!("{action}.{key}")] = json!({
                    "action": action,
                    "channel": { "$ref": "#/channels/gateway" },
                    "title": key,
                    "summary": summary,
                    "messages": [{ "$ref": format!("#/channels/gateway/messages/{key}") }],
                });
            }
        }
    }
}

/// Returns the section of the protocol page about declared services, in Markdown. It is empty without any.
pub(super) fn protocol_section(contracts: &[Arc<Contract>]) -> String {
    if contracts.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "## Declared services\n\nClients use `subscribe`, `unsubscribe` and `publish` with the name of the service. The \
         types are in `/contracts.json`.\n",
    );
    for contract in contracts {
        let title = contract.title.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        let separator = if title.is_empty() { "" } else { ": " };
        text.push_str(&format!("\n**{}**{separator}{title}\n\n", contract.name));
        for (name, topic) in &contract.topics {
            text.push_str(&format!("- {}\n", in_words(name, topic)));
        }
    }
    text
}

fn in_words(name: &MemberName, topic: &DeclaredTopic) -> String {
    let publish = match &topic.publish {
        Some(rule) => format!("clients publish `{}` (`{}`)", rule.data, rule.allow.word()),
        None => "clients do not publish".to_owned(),
    };
    let history = match topic.history {
        TopicHistory::Off => "not stored".to_owned(),
        TopicHistory::Kept { max_entries, max_age } => {
            let entries = max_entries
                .map_or_else(|| "`history.max_entries` entries".into(), |entries| format!("{entries} entries"));
            let age =
                max_age.map_or_else(|| "`history.max_age`".into(), |age| humantime::format_duration(age).to_string());
            format!("the last {entries}, for {age}")
        }
    };
    format!(
        "`{name}`: topics `{}`, events `{}`, subscribe `{}`, {publish}; kept: {history}",
        topic.pattern,
        topic.event,
        topic.subscribe.word(),
    )
}

/// Adds the types of a contract as `components.schemas`, each with the name of the service as its prefix.
fn add_types(document: &mut Value, contract: &Contract) {
    for (name, schema) in contract.schema.definitions() {
        document["components"]["schemas"][component(contract, name)] = with_references(contract, &schema);
    }
}

fn component(contract: &Contract, name: &str) -> String {
    format!("{}.{name}", contract.name)
}

fn reference(contract: &Contract, name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", component(contract, name)) })
}

/// Returns a schema whose references lead to `components.schemas`. Values that are data stay unchanged.
fn with_references(contract: &Contract, schema: &Value) -> Value {
    let member = |(keyword, value): (&String, &Value)| {
        let value = match (keyword.as_str(), value) {
            ("$ref", Value::String(target)) => match target.strip_prefix(DEFINITIONS) {
                Some(name) => reference(contract, name)["$ref"].clone(),
                None => value.clone(),
            },
            ("const" | "enum" | "default" | "examples", value) => value.clone(),
            ("properties" | "patternProperties" | "dependentSchemas", Value::Object(schemas)) => {
                let schemas = schemas.iter().map(|(name, schema)| (name.clone(), with_references(contract, schema)));
                Value::Object(schemas.collect())
            }
            (_, value) => with_references(contract, value),
        };
        (keyword.clone(), value)
    };
    match schema {
        Value::Object(members) => Value::Object(members.iter().map(member).collect::<Map<_, _>>()),
        Value::Array(schemas) => schemas.iter().map(|schema| with_references(contract, schema)).collect(),
        value => value.clone(),
    }
}
