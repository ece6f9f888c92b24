//! Contracts as JSON: what a gateway lists in `/contracts.json`, and reading it again. A contract in JSON has the keys of
//! the contract file, and in `schema` the document instead of its path.

use std::{borrow::Borrow, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};

use crate::{
    CallPolicy, Contract, ContractError, MAX_SCHEMA_BYTES, Policy, Schema, TopicHistory, TopicPresence,
    source::SourceFile,
};

/// The maximum size of a contract in JSON without its schema, in bytes. A contract file of the maximum size becomes
/// larger in JSON, which has the defaults too. The bound limits the time to compare the patterns of topics with each
/// other.
const MAX_JSON_BYTES: u64 = 4 * MAX_SCHEMA_BYTES;

/// A contract in JSON.
#[derive(Serialize, Deserialize)]
struct JsonContract<'a> {
    name: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topics: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calls: Option<Value>,
    /// The text keeps the order of members, which decides the order of generated code.
    #[serde(borrow)]
    schema: &'a RawValue,
}

/// The document `/contracts.json`.
#[derive(Serialize, Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    contracts: Vec<&'a RawValue>,
}

impl Contract {
    /// Returns the contract as a JSON object.
    pub fn to_json(&self) -> String {
        let topics: Map<String, Value> =
            self.topics.iter().map(|(name, topic)| (name.to_string(), topic.json())).collect();
        let calls: Map<String, Value> = self.calls.iter().map(|(name, call)| (name.to_string(), call.json())).collect();
        let some = |members: Map<String, Value>| (!members.is_empty()).then_some(Value::Object(members));
        let contract = JsonContract {
            name: self.name.as_str().into(),
            title: self.title.as_deref().map(Value::from),
            topics: some(topics),
            calls: some(calls),
            schema: self.schema.json(),
        };
        // The members are texts, numbers and valid JSON, so that nothing can fail.
        serde_json::to_string(&contract).unwrap_or_default()
    }

    /// Returns the document `/contracts.json`, which lists contracts, and in `builtIn` the built-in services of the gateway.
    /// Readers of contracts ignore those.
    pub fn document<C: Borrow<Self>>(contracts: &[C], built_in: &Value) -> String {
        let contracts: Vec<String> = contracts.iter().map(|contract| contract.borrow().to_json()).collect();
        format!("{{\"builtIn\":{built_in},\"contracts\":[{}]}}", contracts.join(","))
    }

    /// Reads a contract that [`Contract::to_json`] has written. `source` is the file or address that errors name.
    ///
    /// # Errors
    /// A [`ContractError`] with the first problem. It has a line only when the problem is in the schema: the line within
    /// the schema.
    pub fn from_json(text: &str, source: &Path) -> Result<Self, ContractError> {
        let refuse = |problem: String| ContractError { file: source.to_owned(), line: None, key: None, problem };
        let contract: JsonContract<'_> =
            serde_json::from_str(text).map_err(|error| refuse(format!("is not a contract in JSON: {error}")))?;
        if contract.schema.get().len() as u64 > MAX_SCHEMA_BYTES {
            return Err(refuse(format!("has a schema over {} KiB, the maximum", MAX_SCHEMA_BYTES / 1024)));
        }
        if (text.len() - contract.schema.get().len()) as u64 > MAX_JSON_BYTES {
            return Err(refuse(format!("has a contract over {} KiB, the maximum", MAX_JSON_BYTES / 1024)));
        }
        let members = [
            ("name", Some(contract.name)),
            ("title", contract.title),
            ("topics", contract.topics),
            ("calls", contract.calls),
        ];
        let members: Map<String, Value> =
            members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        // The reader of contract files checks every key and value.
        let text = toml::to_string(&members).map_err(|error| refuse(format!("is not a contract in JSON: {error}")))?;
        let schema = Schema::parse(SourceFile { path: source.to_owned(), text: contract.schema.get().to_owned() })?;
        let file = SourceFile { path: source.to_owned(), text };
        // The lines are those of the text above, which the user does not see.
        Self::parse(&file, |_| Ok(schema)).map_err(|error| ContractError { line: None, ..error })
    }

    /// Reads the document `/contracts.json`. `source` is the file or address that errors name.
    ///
    /// # Errors
    /// A [`ContractError`] with the first problem, as [`Contract::from_json`] returns it.
    pub fn read_document(text: &str, source: &Path) -> Result<Vec<Self>, ContractError> {
        let document: Document<'_> = serde_json::from_str(text).map_err(|error| ContractError {
            file: source.to_owned(),
            line: None,
            key: None,
            problem: format!("is not a list of contracts, such as that of /contracts.json: {error}"),
        })?;
        document.contracts.iter().map(|contract| Self::from_json(contract.get(), source)).collect()
    }
}

impl crate::DeclaredTopic {
    fn json(&self) -> Value {
        let mut members = Map::new();
        let mut put = |key: &str, value: Value| drop(members.insert(key.into(), value));
        put("pattern", self.pattern.to_string().into());
        put("event", self.event.name().into());
        if let Some(publish) = &self.publish {
            put("publish", json!({ "type": publish.data.name(), "allow": publish.allow.word() }));
        }
        put("subscribe", self.subscribe.word().into());
        match self.history {
            TopicHistory::Off => put("history", false.into()),
            TopicHistory::Kept { max_entries, max_age } => {
                let mut bounds = Map::new();
                bounds.extend(max_entries.map(|entries| ("max_entries".to_owned(), entries.into())));
                let age = max_age.map(|age| humantime::format_duration(age).to_string());
                bounds.extend(age.map(|age| ("max_age".to_owned(), age.into())));
                put("history", bounds.into());
            }
        }
        match &self.presence {
            TopicPresence::Off => put("presence", false.into()),
            TopicPresence::On => put("presence", true.into()),
            TopicPresence::WithData(data) => put("presence", data.name().into()),
        }
        members.into()
    }
}

impl crate::Call {
    fn json(&self) -> Value {
        let allow = match self.allow {
            CallPolicy::Grants => Policy::Grants,
            CallPolicy::User => Policy::User,
        };
        json!({ "request": self.request.name(), "response": self.response.name(), "allow": allow.word() })
    }
}
