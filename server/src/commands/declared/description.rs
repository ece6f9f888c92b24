//! Describes declared services as JSON: the contract with its keys as in the file, and the schema in place of its path.

use gateway_contracts::{CallPolicy, Contract, DeclaredTopic, Policy, TopicHistory, TopicPresence};
use serde_json::{Map, Value, json};

/// Returns the description of a contract. Optional keys have the values that are in force, except for the bounds of the
/// history, which are those of the gateway when they are absent.
pub fn description(contract: &Contract) -> Value {
    let topics: Map<_, _> = contract.topics.iter().map(|(name, topic)| (name.to_string(), described(topic))).collect();
    let calls: Map<_, _> = contract
        .calls
        .iter()
        .map(|(name, call)| {
            let allow = match call.allow {
                CallPolicy::Grants => "grants",
                CallPolicy::User => "user",
            };
            let value = json!({ "request": call.request.name(), "response": call.response.name(), "allow": allow });
            (name.to_string(), value)
        })
        .collect();
    let mut described = json!({
        "name": contract.name,
        "topics": topics,
        "calls": calls,
        "schema": contract.schema.root(),
    });
    if let (Some(title), Some(members)) = (&contract.title, described.as_object_mut()) {
        members.insert("title".into(), title.as_str().into());
    }
    described
}

fn described(topic: &DeclaredTopic) -> Value {
    let mut members = Map::new();
    members.insert("pattern".into(), topic.pattern.to_string().into());
    members.insert("event".into(), topic.event.name().into());
    if let Some(publish) = &topic.publish {
        members.insert("publish".into(), json!({ "type": publish.data.name(), "allow": policy(publish.allow) }));
    }
    members.insert("subscribe".into(), policy(topic.subscribe).into());
    members.insert("history".into(), history(topic.history));
    members.insert(
        "presence".into(),
        match &topic.presence {
            TopicPresence::Off => false.into(),
            TopicPresence::On => true.into(),
            TopicPresence::WithData(data) => data.name().into(),
        },
    );
    members.into()
}

fn history(history: TopicHistory) -> Value {
    let TopicHistory::Kept { max_entries, max_age } = history else { return false.into() };
    let mut bounds = Map::new();
    bounds.extend(max_entries.map(|entries| ("max_entries".into(), entries.into())));
    bounds.extend(max_age.map(|age| ("max_age".into(), humantime::format_duration(age).to_string().into())));
    bounds.into()
}

/// Returns the policy as a contract names it.
pub fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::Grants => "grants",
        Policy::User => "user",
        Policy::Backend => "backend",
    }
}
